"""Ways to read a parameter, shared by all words: one function per kind of value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from recipes.ancestor.base import Meaning, Outcome, Unusable
from recipes.policies import POLICIES
from recipes.quantities import parse_duration_ns, parse_size_bytes

__all__ = [
    "LARGEST_COUNT",
    "OPEN",
    "boost",
    "codec",
    "concurrency",
    "flag",
    "how_long",
    "importance",
    "is_open",
    "lookahead",
    "never",
    "policy_of",
    "processing_class",
    "share",
    "size",
    "times",
    "whole",
    "words",
]

# Values that leave the choice to mlopt, which is what leaving the parameter out does.
OPEN = frozenset({"auto", "autotune", "auto_detect", "default", "dynamic"})
# Below this a prefetch size counts chunks, from here on bytes: nobody fetches less than a page ahead.
LARGEST_COUNT = 4096
LARGEST_FACTOR = 1024
NOTHING = Outcome()
Sets = tuple[str, str | None, Any]


def is_open(value: object) -> bool:
    """Tell whether a value leaves the choice to mlopt.

    Parameters
    ----------
    value : object
        As written.

    Returns
    -------
    bool
        True for ``auto`` and the like.
    """
    return isinstance(value, str) and value.lower() in OPEN


def _or_open(
    read: Callable[[Any, Mapping[str, Any]], Outcome],
) -> Callable[[Any, Mapping[str, Any]], Outcome]:
    return lambda value, others: NOTHING if is_open(value) else read(value, others)


def whole(value: object, *, low: int = 0, high: int = 1 << 32) -> int:
    """Read a whole number.

    Parameters
    ----------
    value : object
        As written; ``8.0`` counts as 8, for JSON writers.
    low, high : int
        Bounds, both allowed.

    Returns
    -------
    int
        The number.

    Raises
    ------
    Unusable
        When it is none, or out of bounds.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise Unusable(f"a whole number from {low} to {high}")
    return value


def share(value: object) -> float | None:
    """Read a percentage such as ``25%``.

    Parameters
    ----------
    value : object
        As written.

    Returns
    -------
    float or None
        0..1; None when it is no percentage.

    Raises
    ------
    Unusable
        When it is beyond 0 to 100 %.
    """
    if not isinstance(value, str) or not value.endswith("%"):
        return None
    try:
        part = float(value[:-1]) / 100
    except ValueError:
        part = -1.0
    if not 0 <= part <= 1:
        raise Unusable("a percentage from 0% to 100%")
    return part


def _bytes(value: object) -> int:
    try:
        return parse_size_bytes(value)
    except ValueError:
        raise Unusable("a size such as 64MiB or a number of bytes") from None


def size(action: str, parameter: str, *, with_share: bool = False) -> Meaning:
    """Read bytes; a percentage is a share of the tier.

    Parameters
    ----------
    action, parameter : str
        What is set.
    with_share : bool
        Whether a percentage means anything.

    Returns
    -------
    Meaning
        Sets bytes, or ``share``.
    """

    def read(value: Any, others: Mapping[str, Any]) -> Outcome:
        del others
        part = share(value) if with_share else None
        if part is not None:
            return Outcome(sets=((action, "share", part),))
        return Outcome(sets=((action, parameter, _bytes(value)),))

    also = f"; `25%` is `{action}.share`" if with_share else ""
    examples = ("1MiB", "25%") if with_share else ("1MiB",)
    return Meaning(f"`{action}.{parameter}` [bytes]{also}", _or_open(read), examples=examples)


def times(action: str, parameter: str) -> Meaning:
    """Read how many times as large something gets.

    Parameters
    ----------
    action, parameter : str
        What is set.

    Returns
    -------
    Meaning
        Sets a number from 1.
    """

    def read(value: Any, others: Mapping[str, Any]) -> Outcome:
        del others
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= LARGEST_FACTOR:
            raise Unusable(f"a number from 1 to {LARGEST_FACTOR}")
        return Outcome(sets=((action, parameter, float(value)),))

    says = f"`{action}.{parameter}`: times as large with each block read on"
    return Meaning(says, _or_open(read), examples=(1.5,))


def concurrency(action: str, parameter: str) -> Meaning:
    """Read a number of fetches at once.

    Parameters
    ----------
    action, parameter : str
        What is set.

    Returns
    -------
    Meaning
        Sets a number; 0, "in the calling process", is one at a time.
    """

    def read(value: Any, others: Mapping[str, Any]) -> Outcome:
        del others
        return Outcome(sets=((action, parameter, max(1, whole(value))),))

    return Meaning(f"`{action}.{parameter}`: fetches at once", _or_open(read), examples=(8,))


def lookahead(action: str = "prefetch", chunk: int = 1 << 20) -> Meaning:
    """Read how far ahead to fetch: below 4096 chunks, otherwise bytes.

    Parameters
    ----------
    action : str
        The action with a window.
    chunk : int
        Size of a chunk where the action names none [bytes].

    Returns
    -------
    Meaning
        Sets ``window_bytes`` or ``share``.
    """

    def read(value: Any, others: Mapping[str, Any]) -> Outcome:
        if value == "batch_aligned":
            return Outcome(advisory="batches are not seen by a file system; the window adapts by itself")
        part = share(value)
        if part is not None:
            return Outcome(sets=((action, "share", part),))
        if isinstance(value, str) or (isinstance(value, int | float) and value >= LARGEST_COUNT):
            return Outcome(sets=((action, "window_bytes", _bytes(value)),))
        written = others.get("chunk_size", chunk)
        chunks = whole(value, high=LARGEST_COUNT)
        if chunks == 0:
            return Outcome(sets=((action, "mode", "none"),))
        return Outcome(
            sets=((action, "window_bytes", chunks * (chunk if is_open(written) else _bytes(written))),)
        )

    says = (
        f"`{action}.window_bytes`: below {LARGEST_COUNT} chunks of `chunk_size`, otherwise bytes; 0 is none"
    )
    return Meaning(says, _or_open(read), examples=(0, 8, "8MiB", "25%", "batch_aligned"))


def flag(
    says: str,
    *,
    on: tuple[Sets, ...] | str = (),
    off: tuple[Sets, ...] | str = (),
    drops: tuple[str, ...] = (),
) -> Meaning:
    """Read true or false.

    Parameters
    ----------
    says : str
        What it comes to.
    on, off : tuple of tuple or str
        What each value sets, or why it has no effect. Nothing at all is for a value that asks for what is
        done anyway.
    drops : tuple of str
        Actions that false declines.

    Returns
    -------
    Meaning
        Of the truth value.
    """

    def read(value: Any, others: Mapping[str, Any]) -> Outcome:
        del others
        if not isinstance(value, bool):
            raise Unusable("true or false")
        chosen = on if value else off
        if isinstance(chosen, str):
            return Outcome(advisory=chosen)
        return Outcome(sets=chosen, drops=() if value else drops)

    return Meaning(says, _or_open(read), examples=(True, False))


def never(reason: str) -> Meaning:
    """Read a parameter that has no effect whatever its value.

    Parameters
    ----------
    reason : str
        Why.

    Returns
    -------
    Meaning
        Advisory.
    """

    def read(value: Any, others: Mapping[str, Any]) -> Outcome:
        del value, others
        return Outcome(advisory=reason)

    return Meaning(reason, read, enforced=False, examples=("any value",))


def words(says: str, table: Mapping[str, tuple[Sets, ...] | str], unknown: str) -> Meaning:
    """Read one of some words; any other is advisory.

    Parameters
    ----------
    says : str
        What it comes to.
    table : dict of str to tuple or str
        What each word sets, or why it has no effect.
    unknown : str
        Why any other word has no effect.

    Returns
    -------
    Meaning
        Of the word.
    """

    def read(value: Any, others: Mapping[str, Any]) -> Outcome:
        del others
        if not isinstance(value, str):
            raise Unusable("a word")
        chosen = table.get(value.lower(), f"'{value[:40]}': {unknown}")
        return Outcome(advisory=chosen) if isinstance(chosen, str) else Outcome(sets=chosen)

    return Meaning(says, _or_open(read), examples=(*table, "another word"))


def policy_of(unknown: str) -> Meaning:
    """Read the name of a policy.

    Parameters
    ----------
    unknown : str
        Why a word that names no policy has no effect.

    Returns
    -------
    Meaning
        Sets ``cache.policy``.
    """
    usable = {
        name: (("cache", "policy", name),) for name, policy in POLICIES.items() if not policy.simulation_only
    }
    return words("`cache.policy` where the word names one of ours", usable, unknown)


def importance(action: str = "cache") -> Meaning:
    """Read a priority: a word, or a number on the ancestor's scale of 0 to 100.

    Parameters
    ----------
    action : str
        Whose ``priority`` is set.

    Returns
    -------
    Meaning
        Sets low, normal or high.
    """
    return _graded(
        f"`{action}.priority`: low, normal, high; numbers by thirds of 0 to 100",
        (action, "priority"),
        ("low", "normal", "high"),
    )


def boost() -> Meaning:
    """Read a factor in the ranking of what leaves: above 1 is high, below it low.

    Returns
    -------
    Meaning
        Sets ``cache.priority``.
    """
    graded = importance()

    def read(value: Any, others: Mapping[str, Any]) -> Outcome:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return graded.read(value, others)
        if not 0 <= value < math.inf:
            raise Unusable("a factor from 0")
        grade = "normal" if value == 1 else "high" if value > 1 else "low"
        return Outcome(sets=(("cache", "priority", grade),))

    says = "`cache.priority`: a factor above 1 is high, below it low"
    return Meaning(says, read, examples=(2, 1, 0.5, "high"))


def processing_class() -> Meaning:
    """Read a priority of work.

    Returns
    -------
    Meaning
        Sets ``prioritize.class``.
    """
    return _graded(
        "`prioritize.class`: low is background, high is realtime; numbers by thirds of 0 to 100",
        ("prioritize", "class"),
        ("background", "normal", "realtime"),
    )


_GRADES = {
    "lowest": 0, "low": 0, "background": 0, "normal": 1, "medium": 1, "balanced": 1,
    "high": 2, "highest": 2, "critical": 2, "urgent": 2, "realtime": 2,
}  # fmt: skip


def _graded(says: str, target: tuple[str, str], grades: tuple[str, str, str]) -> Meaning:
    def read(value: Any, others: Mapping[str, Any]) -> Outcome:
        del others
        if isinstance(value, str):
            grade = _GRADES.get(value.lower())
            if grade is None:
                raise Unusable("low, normal, high or a number from 0 to 100")
        else:
            grade = min(2, whole(value, high=1_000_000) * 3 // 100)
        return Outcome(sets=((*target, grades[grade]),))

    return Meaning(says, _or_open(read), examples=("low", "normal", "high", 95))


def codec() -> Meaning:
    """Read a compression: true, false or a codec.

    Returns
    -------
    Meaning
        Adds ``compress``, or declines it.
    """

    def read(value: Any, others: Mapping[str, Any]) -> Outcome:
        del others
        name = value.lower() if isinstance(value, str) else value
        if name is False or name == "none":
            return Outcome(drops=("compress",))
        if name is True:
            return Outcome(sets=(("compress", None, None),))
        if name in ("zstd", "lz4"):
            return Outcome(sets=(("compress", "codec", name),))
        if name in ("gzip", "zlib", "snappy", "brotli"):
            return Outcome(
                sets=(("compress", "codec", "zstd"),), advisory=f"'{name}' is not built in, zstd is used"
            )
        raise Unusable("true, false, zstd, lz4, gzip or none")

    return Meaning(
        "`compress`: true is the default codec, a word is `compress.codec`, false is none",
        _or_open(read),
        examples=(True, "zstd", "lz4", "gzip", False),
    )


def how_long() -> Meaning:
    """Read how long something is kept.

    Returns
    -------
    Meaning
        Sets ``cache.retention``; words that ask for "long" are what happens without one.
    """

    def read(value: Any, others: Mapping[str, Any]) -> Outcome:
        del others
        # Nothing leaves by age unless a retention is set; an epoch's end takes nothing away either.
        if value in ("extended", "epoch", "permanent", "long"):
            return NOTHING
        try:
            parse_duration_ns(value)
        except ValueError:
            raise Unusable("a duration such as 30min, a number of seconds, 'extended' or 'epoch'") from None
        return Outcome(sets=(("cache", "retention", value),))

    return Meaning(
        "`cache.retention` [s]; 'extended' and 'epoch' are the default: nothing leaves by age",
        _or_open(read),
        examples=("30min", "extended"),
    )
