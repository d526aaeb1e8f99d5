"""A recorded job as simulator, learner and replayer need it: who reads what, after how much work."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    cpu_ns: NDArray[np.int64]
    wait_ns: NDArray[np.int64]
    prefetch_batches: int


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

    @property
    def working_set_bytes(self) -> int:
        """Unique bytes of the files read [bytes]."""
        read = np.unique(self.file[self.op == OP_READ])
        return int(self.files.size[read].sum())
