"""Durations and rates as people write them: ``5ms``, ``250us``, ``60MB/s``, ``unlimited``."""

from __future__ import annotations

import re

from mlopt_cli.sizes import parse_size
from mlopt_engine.errors import InvalidInputError

_NANOSECONDS = {"ns": 1.0, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9, "min": 60e9}
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zµ]*)\s*")
_UNLIMITED = frozenset({"unlimited", "inf", "none"})


def parse_duration(text: str, *, flag: str) -> int:
    """Read a duration.

    Parameters
    ----------
    text : str
        ``5ms``, ``250us``, ``1.5s``; ``0`` needs no unit.
    flag : str
        Where it was given, for messages.

    Returns
    -------
    int
        The duration [ns].

    Raises
    ------
    InvalidInputError
        When the text is no duration or has no unit.
    """
    found = _DURATION.fullmatch(text)
    scale = _NANOSECONDS.get(found.group(2)) if found else None
    if found is not None and float(found.group(1)) == 0 and not found.group(2):
        return 0
    if found is None or scale is None:
        raise InvalidInputError(
            "not a duration", where=flag, value=repr(text), do="Write a number and a unit: 5ms, 250us, 1.5s"
        )
    return round(float(found.group(1)) * scale)


def parse_rate(text: str, *, flag: str) -> float | None:
    """Read a bandwidth.

    Parameters
    ----------
    text : str
        ``60MB/s``, ``1GiB/s``, also without ``/s``; ``unlimited`` for no limit.
    flag : str
        Where it was given, for messages.

    Returns
    -------
    float or None
        The bandwidth [bytes/s], None for no limit.

    Raises
    ------
    InvalidInputError
        When the text is no bandwidth, has no unit, or is zero.
    """
    word = text.strip()
    if word.lower() in _UNLIMITED:
        return None
    size = word.removesuffix("/s").strip()
    if not size or not size[-1].isalpha():
        raise InvalidInputError(
            "not a bandwidth", where=flag, value=repr(text), do="Write a number and a unit: 60MB/s, 1GiB/s"
        )
    try:
        return float(parse_size(size, flag=flag))
    except InvalidInputError as error:
        raise InvalidInputError(
            "not a bandwidth", where=flag, value=repr(text), do="Write 60MB/s, 1GiB/s or unlimited"
        ) from error
