"""Small jobs made in memory, as a trace's analysis would give them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from traces.workload import OP_OPEN, OP_READ, Files, Workload


@dataclass(frozen=True)
class Group:
    """Files of one directory and how the job reads them."""

    name: str
    count: int
    size: int
    order: str = "shuffled"
    epochs: tuple[int, ...] | None = None
    read_bytes: int = 1 << 20


def build(groups: Sequence[Group], *, epochs: int, workers: int = 2, seed: int = 1) -> Workload:
    """Make a job that reads the groups one after another in each epoch, files dealt to workers in turn."""
    rng = np.random.default_rng(seed)
    paths, sizes, rows = [], [], []
    members: list[np.ndarray] = []
    for group in groups:
        start = len(paths)
        labels = ("cat", "dog", "owl")
        paths += [group.name.format(index, labels[index % 3]).encode() for index in range(group.count)]
        sizes += [group.size] * group.count
        members.append(np.arange(start, len(paths)))
    for epoch in range(epochs):
        for group, files in zip(groups, members, strict=True):
            if group.epochs is not None and epoch not in group.epochs:
                continue
            order = rng.permutation(files) if group.order == "shuffled" else files
            offsets = range(0, group.size, group.read_bytes)
            # workers run side by side: their n-th files start together, then their reads alternate
            for turn in range(0, len(order), workers):
                side_by_side = list(enumerate(order[turn : turn + workers]))
                rows += [(worker, file, 0, 0, epoch, OP_OPEN) for worker, file in side_by_side]
                rows += [
                    (worker, file, offset, min(group.read_bytes, group.size - offset), epoch, OP_READ)
                    for offset in offsets
                    for worker, file in side_by_side
                ]
    worker, file, offset, length, epoch_of, op = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    return Workload(
        files=Files(paths, np.array(sizes, np.int64), np.zeros(len(paths), np.int64)),
        worker=worker.astype(np.uint32),
        op=op.astype(np.uint8),
        file=file.astype(np.uint32),
        offset=offset.astype(np.int64),
        length=length.astype(np.int64),
        cpu_ns=np.where(op == OP_READ, 200_000, 0).astype(np.int64),
        wait_ns=np.zeros(n, np.int64),
        duration_ns=(5_000_000 + length * 16).astype(np.int64),
        epoch=epoch_of.astype(np.int32),
        batch=np.full(n, -1, np.int32),
        lock=np.full(workers, -1, np.int32),
        consumer=None,
        epoch_seconds=np.full(epochs, 1.0),
        epoch_tail_cpu_ns=np.zeros(epochs, np.int64),
        shuffled=any(group.order == "shuffled" for group in groups),
        sources=["/data"],
    )


@pytest.fixture(scope="session")
def make_job() -> Callable[..., Workload]:
    return build


@pytest.fixture(scope="session")
def group() -> type[Group]:
    return Group


@pytest.fixture
def demo_job() -> Workload:
    """The demo in small: shuffled images in class folders, one big file read once, index and validation."""
    return build(
        [
            Group("index.json", 1, 40_000, "same"),
            Group("archive/corpus.bin", 1, 80 << 20, "same", epochs=(0,)),
            Group("train/{1}/{0:04}.png", 300, 100_000),
            Group("val/{:04}.png", 60, 100_000, "same"),
        ],
        epochs=5,
        workers=4,
    )
