"""What can be done with a class of files, and the grid of such choices that the search tries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from learner.classes import FileClass
from simulator.storage import StorageModel

PAGE_BYTES = 4096
BLOCK_BYTES = 1 << 20
#: What the budget is charged for each listed file [bytes] (CONTRACTS 6).
FILE_OVERHEAD_BYTES = 2048
#: Files of at least this size are worth reading ahead inside.
STREAM_BYTES = 2 * BLOCK_BYTES
WINDOWS = (4 << 20, 16 << 20, 64 << 20)
#: Beside the prefetch modes: a stream action, whose window does not have to grow first.
STREAM = "stream"
#: What the engine keeps free for it, whatever the recipe says, as a part of the budget.
STREAM_PART = 10
POLICIES = ("pinned", "lru", "fifo")
STAGE_RATIOS = (0.0, 0.15, 0.3, 0.5, 0.75, 1.0)
#: Of shards that are read ahead inside: a few windows are enough.
INSIDE_RATIOS = (0.15, 0.25, 0.5)
#: Of shards that are streamed; what a stream needs beside it the engine keeps free, 1 holds nothing.
STREAMED_RATIOS = (0.1, 0.5, 1.0)
#: Of files that are fetched whole at their first byte: room for those that are being read.
WHOLE_RATIOS = (0.3, 0.6, 1.0)
#: Tried beside `BLOCK_BYTES`: two columns of a table, or samples picked from a shard, need no 1 MiB each. A
#: pass over tables took .11 s with these, .61 s with 1 MiB (simulated).
SMALL_BLOCK_BYTES = 256 << 10
#: A class whose readers wait less than this share of all waiting does not choose the size of blocks.
BLOCK_WAIT_SHARE = 0.1


@dataclass(frozen=True)
class Treatment:
    """What happens to one class.

    Attributes
    ----------
    target : FileClass
        The class.
    policy : str or None
        Cache policy, None for no cache.
    share : float
        Share of the memory tier for the cache, 0 to 1.
    mode : str or None
        Prefetch mode, ``stream`` for a stream action, None for neither.
    stage_share : float
        Share of the memory tier for staged blocks, 0 to 1.
    depth : int
        Fetches outstanding at most.
    window_bytes : int or None
        How far ahead inside a file [bytes], for ``sequential`` and ``stream``.
    stays : bool
        Whether streamed blocks stay behind the reader while there is room.
    """

    target: FileClass
    policy: str | None = None
    share: float = 0.0
    mode: str | None = None
    stage_share: float = 0.0
    depth: int = 0
    window_bytes: int | None = None
    stays: bool = False

    def actions(self) -> list[dict[str, object]]:
        """Write it as actions of a recipe.

        Returns
        -------
        list of dict
            Empty when nothing is done.
        """
        actions: list[dict[str, object]] = []
        if self.policy is not None and self.share > 0:
            parameters = {"tier": "memory", "policy": self.policy, "share": self.share}
            if self.policy == "pinned":
                parameters["lock"] = True  # else a kernel that reclaims early takes what is held
            actions.append({"type": "cache", "target": "file", "parameters": parameters})
        if self.mode == STREAM:
            chunk = max((self.window_bytes or 0) // max(self.depth, 1), PAGE_BYTES)
            stream: dict[str, object] = {"chunk_bytes": f"{chunk >> 10}KiB", "streams": self.depth}
            if self.stays:
                stream["drop_behind"] = False
            actions.append({"type": "stream", "target": "file", "parameters": stream})
        elif self.mode is not None:
            prefetch: dict[str, object] = {"mode": self.mode, "share": self.stage_share, "depth": self.depth}
            if self.window_bytes is not None:
                prefetch["window_bytes"] = f"{self.window_bytes >> 20}MiB"
            actions.append({"type": "prefetch", "target": "file", "parameters": prefetch})
        return actions


@dataclass(frozen=True)
class Choice:
    """One point of the grid.

    Attributes
    ----------
    policy : str
        For classes that get a part of what they need.
    stage_ratio : float
        Share of their bytes that becomes staging for ``epoch_set``, 0 to 1.
    depth : int
        Fetches outstanding of ``epoch_set``.
    stream : str or None
        Prefetch mode or ``stream``, for data that is not held.
    window_bytes : int
        Its window inside a file [bytes].
    stream_depth : int
        Its fetches outstanding.
    inside : str or None
        Mode or ``stream``: the staging of large files that are held in part goes ahead inside of them instead
        of ahead of the epoch.
    inside_bytes : int
        How far [bytes].
    stays : bool
        Whether what is streamed inside stays behind the reader while there is room.
    block_bytes : int
        Size of the blocks; 0 for what the recipe has without it [bytes].
    """

    policy: str = "pinned"
    stage_ratio: float = 0.0
    depth: int = 0
    stream: str | None = None
    window_bytes: int = 0
    stream_depth: int = 0
    inside: str | None = None
    inside_bytes: int = 0
    stays: bool = False
    block_bytes: int = 0


@dataclass(frozen=True)
class Budget:
    """What the recipe may divide.

    Attributes
    ----------
    bytes : int
        The memory tier [bytes].
    usable_bytes : int
        Without what listed files and reads in flight take [bytes].
    """

    bytes: int
    usable_bytes: int

    def share(self, size: float) -> float:
        """Write bytes as a share of the tier, never more than they are.

        Parameters
        ----------
        size : float
            Bytes [bytes].

        Returns
        -------
        float
            With four decimals.
        """
        return int(size / self.bytes * 10_000) / 10_000


def make_budget(memory_bytes: int, features: pd.DataFrame, n_workers: int) -> Budget:
    """Take from a budget what cannot be held: 2 kB for each listed file, two blocks in flight per reader.

    Parameters
    ----------
    memory_bytes : int
        The memory tier [bytes].
    features : pandas.DataFrame
        The files.
    n_workers : int
        Readers.

    Returns
    -------
    Budget
        At least half of it is usable.
    """
    block = min(BLOCK_BYTES, int(np.quantile(features["size"], 0.9)) + PAGE_BYTES)
    reserve = FILE_OVERHEAD_BYTES * len(features) + 2 * block * max(n_workers, 1)
    return Budget(memory_bytes, max(memory_bytes - reserve, memory_bytes // 2))


def held_bytes(features: pd.DataFrame, target: FileClass) -> int:
    """Compute what holding a class costs: its files in whole pages.

    Parameters
    ----------
    features : pandas.DataFrame
        The files.
    target : FileClass
        The class.

    Returns
    -------
    int
        [bytes].
    """
    size = features["size"].to_numpy()[target.members]
    return int(((size + PAGE_BYTES - 1) // PAGE_BYTES * PAGE_BYTES).sum())


def depths(storage: StorageModel) -> tuple[int, ...]:
    """List prefetch depths worth trying: half, all and twice what the storage serves at once.

    Parameters
    ----------
    storage : StorageModel
        The storage.

    Returns
    -------
    tuple of int
        Ascending, between 2 and 128.
    """
    concurrency = max(int(storage.concurrency), 1)
    return tuple(sorted({min(max(int(concurrency * factor), 2), 128) for factor in (0.5, 1, 2)}))


def grid(
    storage: StorageModel, *, partly_held: Sequence[FileClass], streamed: Sequence[FileClass]
) -> list[Choice]:
    """List the choices, simpler ones first.

    Parameters
    ----------
    storage : StorageModel
        The storage, for depths.
    partly_held : sequence of FileClass
        Classes that get less than they need.
    streamed : sequence of FileClass
        Classes that are not held.

    Returns
    -------
    list of Choice
        The whole grid.
    """
    plain = [
        Choice(policy, ratio, depth, mode, window, stream_depth)
        for policy, ratio, depth in _held_choices(storage, bool(partly_held))
        for mode, window, stream_depth in _streams(storage, streamed)
    ]
    large = any(_has_large_files(target) for target in partly_held)
    choices = plain + (list(_inside_choices(storage)) if large else [])
    if not any(_chooses_blocks(target) for target in (*partly_held, *streamed)):
        return choices
    return choices + [
        replace(choice, block_bytes=SMALL_BLOCK_BYTES)
        for choice in choices
        if choice.inside is not None or choice.stage_ratio == 0
    ]


def _inside_choices(storage: StorageModel) -> Iterator[Choice]:
    """List how large files that are held in part are read ahead inside.

    Of 16 TFRecord shards with room for half, an epoch took 1.2 s with windows of 4 MiB and .9 s with streams
    whose blocks stay, instead of 1.6 s; of MDS shards 1.0 s with whole files behind lru instead of 2.9 s
    (simulated).
    """
    for ratio in INSIDE_RATIOS:
        for window in WINDOWS[:2]:
            depth = max(window // BLOCK_BYTES, 2)
            yield Choice("pinned", ratio, depth, inside="sequential", inside_bytes=window)
    for streams in depths(storage)[1:]:
        for policy in POLICIES:
            for ratio in STREAMED_RATIOS if policy == "pinned" else STREAMED_RATIOS[:-1]:
                for stays in (False, True):
                    ahead = streams * BLOCK_BYTES
                    yield Choice(policy, ratio, streams, inside=STREAM, inside_bytes=ahead, stays=stays)
    for policy in POLICIES:
        for ratio in WHOLE_RATIOS if policy == "pinned" else WHOLE_RATIOS[:-1]:
            yield Choice(policy, ratio, depths(storage)[-1], inside="whole_file")


def _chooses_blocks(target: FileClass) -> bool:
    """Say whether the size of blocks matters to a class: its files have more than one, and are waited for."""
    return target.bytes > SMALL_BLOCK_BYTES * target.n_files and target.wait_share >= BLOCK_WAIT_SHARE


def _streams(storage: StorageModel, streamed: Sequence[FileClass]) -> Iterator[tuple[str | None, int, int]]:
    """List mode, window and depth for what is not held."""
    yield None, 0, 0
    if any(_is_large(target) for target in streamed):
        for window in WINDOWS:
            yield "sequential", window, max(window // BLOCK_BYTES, 2)
        for streams in depths(storage)[1:]:
            yield STREAM, streams * BLOCK_BYTES, streams
        for depth in sorted({4, depths(storage)[-1]}):
            yield "whole_file", 0, depth
    if any(target.n_files > 1 for target in streamed):
        yield "epoch_set", 0, min(max(storage.concurrency, 2), 128)


def _held_choices(storage: StorageModel, partly_held: bool) -> Iterator[tuple[str, float, int]]:
    yield "pinned", 0.0, 0
    if not partly_held:
        return
    for policy in POLICIES[1:]:
        yield policy, 0.0, 0
    for ratio in STAGE_RATIOS[1:]:
        for depth in depths(storage):
            yield "pinned", ratio, depth


def treatments(
    choice: Choice,
    *,
    budget: Budget,
    needs: Mapping[str, int],
    held: Mapping[str, int],
    classes: Sequence[FileClass],
) -> list[Treatment]:
    """Turn a choice into what happens to each class.

    Parameters
    ----------
    choice : Choice
        A point of the grid.
    budget : Budget
        What there is.
    needs : mapping of str to int
        What holding all of each class costs [bytes].
    held : mapping of str to int
        What the knapsack gave to each class [bytes].
    classes : sequence of FileClass
        All classes.

    Returns
    -------
    list of Treatment
        For the classes to which something happens, in the order of `classes`.
    """
    made: list[Treatment] = []
    streamed = [target for target in classes if not held.get(target.name)]
    stage = _stream_bytes(choice, budget, streamed)
    spent_on_streams = sum(stage.values())
    partial = {target.name for target in classes if 0 < held.get(target.name, 0) < needs[target.name]}
    whole_bytes = sum(size for name, size in held.items() if name not in partial)
    partial_bytes = sum(held[name] for name in partial)
    room = max(budget.usable_bytes - spent_on_streams - whole_bytes, 0)
    scale = min(room / partial_bytes, 1.0) if partial_bytes else 1.0
    for target in classes:
        if target.name in partial:
            made.append(_partly_held(choice, budget, target, held[target.name] * scale))
        elif held.get(target.name):
            # the cap is rounded down to 1e-4 of the tier; a whole class must fit below it
            share = round(budget.share(held[target.name]) + 1e-4, 4)
            made.append(Treatment(target, "pinned", share))
        elif target.name in stage:
            window = choice.window_bytes or None
            made.append(
                Treatment(
                    target,
                    mode=choice.stream,
                    stage_share=budget.share(stage[target.name]),
                    depth=choice.stream_depth,
                    window_bytes=window,
                )
            )
    return _distinct(made)


def _partly_held(choice: Choice, budget: Budget, target: FileClass, size: float) -> Treatment:
    if choice.stage_ratio == 0:
        return Treatment(target, choice.policy, budget.share(size))
    staged = size * choice.stage_ratio
    inside = choice.inside if _has_large_files(target) else None
    return Treatment(
        target,
        choice.policy if choice.stage_ratio < 1 else None,
        budget.share(size - staged),
        inside or "epoch_set",
        budget.share(staged),
        choice.depth,
        choice.inside_bytes or None if inside else None,
        stays=choice.stays and inside == STREAM,
    )


def _stream_bytes(choice: Choice, budget: Budget, streamed: Sequence[FileClass]) -> dict[str, int]:
    """Decide how much staging each streamed class gets under the choice's mode."""
    if choice.stream is None:
        return {}
    if choice.stream == "epoch_set":
        fitting = [target for target in streamed if target.n_files > 1]
        wanted = budget.usable_bytes // 2
    elif choice.stream == STREAM:
        fitting = [target for target in streamed if _is_large(target)]
        wanted = budget.bytes // STREAM_PART
    else:
        fitting = [target for target in streamed if _is_large(target)]
        # what is ahead of one reader, and the block that it reads from
        ahead = choice.window_bytes or 2 * choice.stream_depth * BLOCK_BYTES
        wanted = ahead + 2 * BLOCK_BYTES
    each = min(wanted, budget.usable_bytes // 2 // max(len(fitting), 1))
    return {target.name: each for target in fitting if budget.share(each) > 0}


def _is_large(target: FileClass) -> bool:
    return _has_large_files(target) and target.sequential_ratio > 0.5


def _has_large_files(target: FileClass) -> bool:
    return target.bytes >= STREAM_BYTES * target.n_files


def _distinct(made: Sequence[Treatment]) -> list[Treatment]:
    """Keep the caps of classes apart: equal cache actions would share one cap (one policy instance)."""
    seen: set[tuple[str | None, float]] = set()
    distinct = []
    for treatment in made:
        share = treatment.share
        while treatment.policy is not None and share > 0 and (treatment.policy, share) in seen:
            share = round(share + 1e-4, 4)
        seen.add((treatment.policy, share))
        distinct.append(treatment if share == treatment.share else replace(treatment, share=share))
    return distinct
