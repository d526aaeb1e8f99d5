"""Says in one sentence what a sweep found."""

from __future__ import annotations

from collections.abc import Callable

from simulator.sweep import Row

#: What is saved beyond a size counts as nothing below this: the resolution of the seeds [1].
NOTHING_RATIO = 0.01


def sentence(rows: list[Row], format_size: Callable[[float], str]) -> str:
    """Say what the best recipe saves, with how much memory, and where more gives nothing.

    Parameters
    ----------
    rows : list of Row
        A whole sweep.
    format_size : callable
        Writes a size for people.

    Returns
    -------
    str
        As ``200 MiB with pinned saves 41 % of the epoch (page cache: 12 %); beyond 400 MiB nothing.``
    """
    candidates = [row for row in rows if not row.is_baseline]
    if not candidates:
        return "No recipe was asked about."
    best = max(candidates, key=lambda row: (row.saved_ratio, -row.outcome.memory_bytes))
    if best.saved_ratio < NOTHING_RATIO:
        return f"No recipe saves anything: '{best.recipe}' comes closest with {best.saved_ratio:+.0%}."
    same = sorted(
        (row for row in candidates if row.recipe == best.recipe), key=lambda row: row.outcome.memory_bytes
    )
    enough = next(row for row in same if row.saved_ratio > best.saved_ratio - NOTHING_RATIO)
    text = (
        f"{format_size(enough.outcome.memory_bytes)} with '{enough.recipe}' saves "
        f"{enough.saved_ratio:.0%} of the epoch"
    )
    beside = next(
        (
            row
            for row in rows
            if row.is_baseline and 0 < row.outcome.memory_bytes == enough.outcome.memory_bytes
        ),
        None,
    )
    if beside is not None:
        text += f" (the page cache with as much: {beside.saved_ratio:.0%})"
    if enough is not same[-1]:
        text += f"; beyond {format_size(enough.outcome.memory_bytes)} nothing"
    return text + "."
