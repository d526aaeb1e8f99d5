"""A recorded job as simulator, learner and replayer need it: who reads what, after how much work."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

#: Values of `Workload.op`.
OP_OPEN, OP_READ, OP_STAT, OP_READDIR = 0, 1, 2, 3


@dataclass(frozen=True)
class Files:
    """The files that a job touched below the source, dense from 0 in order of first appearance.

    Attributes
    ----------
    path : list of bytes
        Relative to the source, bytes as they are.
    size : ndarray of int64, shape (n_files,)
        Size at the first access [bytes].
    mtime_ns : ndarray of int64, shape (n_files,)
        Modification time [ns since the Unix epoch], 0 when unknown.
    """

    path: list[bytes]
    size: NDArray[np.int64]
    mtime_ns: NDArray[np.int64]


@dataclass(frozen=True)
class Consumer:
    """What takes the readers' batches: the training step, with a bounded queue before it.

    Attributes
    ----------
    cpu_ns : ndarray of int64, shape (n_batches,)
        CPU time of the consumer for each batch [ns].
    wait_ns : ndarray of int64, shape (n_batches,)
        True waiting of the consumer for each batch (an accelerator, a sleep) [ns].
    prefetch_batches : int
        Batches that each reader may be ahead of the consumer (P of the DataLoader).
    worker : int
        The worker that is the consumer's own thread when that reads too (an index before the batches, a
        validation set after them: its accesses lie in the columns where they come in time); -1 when it
        does not read.
    """

    cpu_ns: NDArray[np.int64]
    wait_ns: NDArray[np.int64]
    prefetch_batches: int
    worker: int = -1


@dataclass(frozen=True)
class Workload:
    """Accesses in the order in which each worker makes them, with the work between; sorted by start time.

    Attributes
    ----------
    files : Files
        The files.
    worker : ndarray of uint32, shape (n,)
        Dense index of the reading thread.
    op : ndarray of uint8, shape (n,)
        One of OP_OPEN, OP_READ, OP_STAT, OP_READDIR.
    file : ndarray of uint32, shape (n,)
        Index into `files`.
    offset : ndarray of int64, shape (n,)
        First byte [bytes].
    length : ndarray of int64, shape (n,)
        Bytes that the call returned (not what it asked for) [bytes].
    cpu_ns : ndarray of int64, shape (n,)
        CPU time that the worker burns before this access, the tracer's cost taken out [ns].
    wait_ns : ndarray of int64, shape (n,)
        True waiting before this access: neither CPU, run queue, storage nor the batch queue [ns].
    duration_ns : ndarray of int64, shape (n,)
        Duration of the call as recorded [ns].
    epoch : ndarray of int32, shape (n,)
        Epoch of the access, from 0.
    batch : ndarray of int32, shape (n,)
        Batch of the access, dense from 0 in the consumer's order; -1 outside batches.
    lock : ndarray of int32, shape (n_workers,)
        Workers with the same number share one interpreter lock; -1 for none.
    consumer : Consumer or None
        None when the readers themselves are the whole job.
    epoch_seconds : ndarray of float64, shape (n_epochs,)
        Epoch times as recorded [s].
    epoch_tail_cpu_ns : ndarray of int64, shape (n_epochs,)
        CPU time of the job after the last access of an epoch (checkpoints, evaluation) [ns].
    shuffled : bool
        Whether the epochs' orders differ.
    sources : list of str
        Source directories that paths are relative to.
    facts : dict
        What is known of job and machine, as conditions name it.
    """

    files: Files
    worker: NDArray[np.uint32]
    op: NDArray[np.uint8]
    file: NDArray[np.uint32]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    cpu_ns: NDArray[np.int64]
    wait_ns: NDArray[np.int64]
    duration_ns: NDArray[np.int64]
    epoch: NDArray[np.int32]
    batch: NDArray[np.int32]
    lock: NDArray[np.int32]
    consumer: Consumer | None
    epoch_seconds: NDArray[np.float64]
    epoch_tail_cpu_ns: NDArray[np.int64]
    shuffled: bool
    sources: list[str]
    facts: dict[str, str | int] = field(default_factory=dict)

    @property
    def working_set_bytes(self) -> int:
        """Unique bytes of the files read [bytes]."""
        read = np.unique(self.file[self.op == OP_READ])
        return int(self.files.size[read].sum())


def assume_epochs(workload: Workload, n: int, seed: int) -> Workload:
    """Make missing epochs from recorded ones: repeated, and reshuffled where the record was shuffled.

    A made epoch copies a recorded one in time, workers, batches and CPU times; where the job shuffles, the
    files that are read once per epoch change places with others of like size, the rest stays.

    Parameters
    ----------
    workload : Workload
        As recorded.
    n : int
        Epochs wanted.
    seed : int
        Of the reshuffling.

    Returns
    -------
    Workload
        With at least `n` epochs; the same object where it has them.
    """
    have = len(workload.epoch_seconds)
    if n <= have or not have:
        return workload
    rng = np.random.default_rng(seed)
    # The first epoch holds what is read once (a start, a big file): copy the last one.
    template = np.flatnonzero(workload.epoch == have - 1)
    index = [np.arange(len(workload.op))]
    file, epoch, batch = [workload.file], [workload.epoch], [workload.batch]
    pattern = workload.batch[template]
    in_batch = pattern >= 0
    first = int(pattern[in_batch].min()) if in_batch.any() else 0
    per_epoch = int(pattern[in_batch].max()) - first + 1 if in_batch.any() else 0
    next_batch = int(workload.batch.max()) + 1 if len(workload.batch) else 0
    for made in range(n - have):
        index.append(template)
        file.append(_reshuffled(workload, template, rng) if workload.shuffled else workload.file[template])
        epoch.append(np.full(len(template), have + made, np.int32))
        batch.append(np.where(in_batch, pattern - first + next_batch + made * per_epoch, -1).astype(np.int32))
    chosen = np.concatenate(index)
    new_file = np.concatenate(file).astype(np.uint32)
    moved = new_file != workload.file[chosen]
    # A file of another size in the same place: whole-file reads take its length.
    old_size, new_size = workload.files.size[workload.file[chosen]], workload.files.size[new_file]
    whole = (workload.offset[chosen] == 0) & (workload.length[chosen] == old_size)
    length = np.where(moved & whole, new_size, np.minimum(workload.length[chosen], new_size))
    return replace(
        workload,
        worker=workload.worker[chosen],
        op=workload.op[chosen],
        file=new_file,
        offset=workload.offset[chosen],
        length=np.where(moved, length, workload.length[chosen]),
        cpu_ns=workload.cpu_ns[chosen],
        wait_ns=workload.wait_ns[chosen],
        duration_ns=workload.duration_ns[chosen],
        epoch=np.concatenate(epoch),
        batch=np.concatenate(batch),
        consumer=_longer_consumer(workload.consumer, first, per_epoch, n - have),
        epoch_seconds=np.append(workload.epoch_seconds, [workload.epoch_seconds[-1]] * (n - have)),
        epoch_tail_cpu_ns=np.append(
            workload.epoch_tail_cpu_ns, [workload.epoch_tail_cpu_ns[-1]] * (n - have)
        ),
    )


def _reshuffled(
    workload: Workload, template: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.uint32]:
    """Permute the files of batches (of all reads where there are no batches) within one epoch."""
    in_batch = workload.batch[template] >= 0
    movable = np.unique(workload.file[template[in_batch]] if in_batch.any() else workload.file[template])
    target = np.arange(len(workload.files.path), dtype=np.uint32)
    target[movable] = rng.permutation(movable)
    return target[workload.file[template]]


def _longer_consumer(consumer: Consumer | None, first: int, per_epoch: int, times: int) -> Consumer | None:
    if consumer is None:
        return None
    repeated = slice(first, first + per_epoch)
    return Consumer(
        np.concatenate([consumer.cpu_ns, *[consumer.cpu_ns[repeated]] * times]),
        np.concatenate([consumer.wait_ns, *[consumer.wait_ns[repeated]] * times]),
        consumer.prefetch_batches,
        consumer.worker,
    )
