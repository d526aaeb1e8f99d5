"""Small steps from the search's winner: other depths and shares, and other divisions of the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from joblib import Parallel, delayed

from learner.treatments import BLOCK_BYTES, Choice

#: Steps taken at most; the grid leaves few.
MAX_STEPS = 8
#: A step must shorten the epochs by this share.
LEAST_GAIN = 0.002
MAX_DEPTH = 256
#: Smaller blocks cost the storage more requests than any column saves.
LEAST_BLOCK_BYTES = 64 << 10


@dataclass(frozen=True)
class Setting:
    """A choice of parameters and a division of the budget.

    Attributes
    ----------
    choice : Choice
        The parameters.
    held : tuple of (str, int)
        Bytes for each class that gets any, by name [bytes].
    """

    choice: Choice
    held: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Limits:
    """What steps may not exceed.

    Attributes
    ----------
    usable_bytes : int
        What there is to divide [bytes].
    needs : mapping of str to int
        What holding all of a class costs, for the classes that are read again [bytes].
    """

    usable_bytes: int
    needs: Mapping[str, int]


def refine(
    start: Setting, limits: Limits, score: Callable[[Setting], float], *, jobs: int = 1
) -> tuple[Setting, float]:
    """Walk downhill: take the best neighbour while it is better.

    Parameters
    ----------
    start : Setting
        Where to start.
    limits : Limits
        What steps may not exceed.
    score : callable
        Cost of a setting.
    jobs : int
        Settings scored at once.

    Returns
    -------
    tuple of Setting and float
        The lowest setting found and its cost.
    """
    here, cost = start, score(start)
    for _ in range(MAX_STEPS):
        options = list(dict.fromkeys(neighbours(here, limits)))
        costs = Parallel(n_jobs=jobs, prefer="threads")(delayed(score)(option) for option in options)
        if not options or min(costs) >= cost * (1 - LEAST_GAIN):
            break
        cost = min(costs)
        here = options[costs.index(cost)]
    return here, cost


def neighbours(setting: Setting, limits: Limits) -> Iterator[Setting]:
    """List settings one step away, in a fixed order.

    Parameters
    ----------
    setting : Setting
        Where to step from.
    limits : Limits
        What steps may not exceed.

    Yields
    ------
    Setting
        Each neighbour.
    """
    for choice in _choices(setting.choice):
        yield replace(setting, choice=choice)
    for held in _divisions(dict(setting.held), limits):
        yield replace(setting, held=tuple(sorted(held.items())))


def _choices(choice: Choice) -> Iterator[Choice]:
    if choice.stage_ratio > 0:
        for step in (-0.1, -0.05, 0.05, 0.1):
            ratio = round(choice.stage_ratio + step, 2)
            if 0 < ratio <= 1:
                yield replace(choice, stage_ratio=ratio)
        for depth in (choice.depth // 2, choice.depth * 3 // 4, choice.depth * 3 // 2):
            if 1 <= depth <= MAX_DEPTH:
                yield replace(choice, depth=depth)
    if choice.stream is not None:
        for depth in (choice.stream_depth // 2, choice.stream_depth * 2):
            if 1 <= depth <= MAX_DEPTH:
                yield replace(choice, stream_depth=depth)
    if choice.inside_bytes:
        for window in (choice.inside_bytes // 2, choice.inside_bytes * 2):
            if window >= 1 << 20:
                yield replace(choice, inside_bytes=window)
    if choice.block_bytes:
        for block in (choice.block_bytes // 2, choice.block_bytes * 2):
            if LEAST_BLOCK_BYTES <= block < BLOCK_BYTES:
                yield replace(choice, block_bytes=block)
    if choice.window_bytes:
        for window in (choice.window_bytes // 2, choice.window_bytes * 2):
            if window >= 1 << 20:
                yield replace(choice, window_bytes=window)


def _divisions(held: dict[str, int], limits: Limits) -> Iterator[dict[str, int]]:
    """Hold one more class as a whole, or one less; the classes held in part share the rest."""
    whole = {name for name, size in held.items() if size >= limits.needs[name]}
    partly = [name for name in sorted(held) if name not in whole]
    for name in sorted(limits.needs):
        chosen = whole - {name} if name in whole else whole | {name}
        spent = sum(limits.needs[each] for each in chosen)
        rest = [each for each in partly if each not in chosen] or ([name] if name in whole else [])
        if spent > limits.usable_bytes:
            continue
        yield {each: limits.needs[each] for each in chosen} | _shared(
            rest, held, limits.usable_bytes - spent, limits.needs
        )


def _shared(names: list[str], held: Mapping[str, int], room: int, needs: Mapping[str, int]) -> dict[str, int]:
    total = sum(held[name] for name in names)
    shares = {name: min(room * held[name] // max(total, 1), needs[name] - 1) for name in names}
    return {name: size for name, size in shares.items() if size > 0}
