"""Parts of a recorded job: its first epochs, a stretch of time, a sample of its files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from traces.workload import OP_READ, Files, Workload

#: A file with more reads than this in the record is sampled by ranges, not kept or left out as a whole.
READS_PER_RANGE_SAMPLE = 64


def count_epochs(workload: Workload) -> int:
    """Count the epochs.

    Parameters
    ----------
    workload : Workload
        A job.

    Returns
    -------
    int
        At least 1 when there is an access.
    """
    return int(workload.epoch.max()) + 1 if len(workload.epoch) else 0


def first_epochs(workload: Workload, count: int) -> Workload:
    """Cut a job after some epochs.

    Parameters
    ----------
    workload : Workload
        A job.
    count : int
        Epochs to keep.

    Returns
    -------
    Workload
        The job as it was until then.
    """
    part = select(workload, workload.epoch < count)
    return replace(
        part,
        epoch_seconds=workload.epoch_seconds[:count],
        epoch_tail_cpu_ns=workload.epoch_tail_cpu_ns[:count],
    )


def first_part(workload: Workload, share: float) -> Workload:
    """Cut a job where a share of its bytes was read.

    Parameters
    ----------
    workload : Workload
        A job, its accesses sorted by start time.
    share : float
        Share of the bytes to keep, 0 to 1.

    Returns
    -------
    Workload
        The job as it was until then, files that it had not touched left out.
    """
    read = np.cumsum(np.where(workload.op == OP_READ, workload.length, 0))
    return select(workload, read <= share * float(read[-1]))


def sample_files(workload: Workload, rate: float, seed: int) -> Workload:
    """Keep a random share of a job: files of few reads as a whole, the first ranges of the others.

    Work, batches and recorded times shrink alike, so a smaller budget on the sample acts as the whole one on
    the whole job [1]_.

    Parameters
    ----------
    workload : Workload
        A job.
    rate : float
        Share to keep, 0 to 1.
    seed : int
        Chooses the files.

    Returns
    -------
    Workload
        The sample.

    References
    ----------
    .. [1] Waldspurger et al., Efficient MRC construction with SHARDS, FAST 2015.
    """
    n_files = len(workload.files.path)
    reads = np.bincount(workload.file[workload.op == OP_READ].astype(np.int64), minlength=n_files)
    by_range = reads > READS_PER_RANGE_SAMPLE
    kept = np.random.default_rng(seed).random(n_files) < rate
    size = np.where(
        by_range, np.maximum((workload.files.size * rate).astype(np.int64), 1), workload.files.size
    )
    inside = workload.offset < size[workload.file]
    mask = np.where(by_range[workload.file], inside, kept[workload.file])
    files = replace(workload.files, size=size)
    length = np.where(
        by_range[workload.file],
        np.minimum(workload.length, size[workload.file] - workload.offset),
        workload.length,
    )
    part = select(replace(workload, files=files, length=length), mask.astype(bool))
    return replace(
        part,
        epoch_seconds=workload.epoch_seconds * rate,
        epoch_tail_cpu_ns=(workload.epoch_tail_cpu_ns * rate).astype(np.int64),
    )


def select(workload: Workload, mask: NDArray[np.bool_]) -> Workload:
    """Keep some accesses, the files they touch, and the consumer's work in proportion.

    Parameters
    ----------
    workload : Workload
        A job.
    mask : ndarray of bool, shape (n,)
        Which accesses to keep.

    Returns
    -------
    Workload
        The rest of the job, files, epochs' numbers and batches dense again.
    """
    used, file = np.unique(workload.file[mask], return_inverse=True)
    first = np.full(len(used), len(file))
    np.minimum.at(first, file, np.arange(len(file)))
    appearance = np.argsort(first, kind="stable")
    rank = np.empty(len(used), np.int64)
    rank[appearance] = np.arange(len(used))
    kept = used[appearance]
    files = Files(
        path=[workload.files.path[index] for index in kept],
        size=workload.files.size[kept],
        mtime_ns=workload.files.mtime_ns[kept],
    )
    batch, consumer = workload.batch[mask].copy(), workload.consumer
    if consumer is not None:
        n_batches = len(consumer.cpu_ns)
        in_batch = workload.batch >= 0
        before = np.bincount(workload.batch[in_batch], minlength=n_batches)
        after = np.bincount(batch[batch >= 0], minlength=n_batches)
        left = np.flatnonzero(after > 0)
        number = np.full(n_batches, -1, np.int32)
        number[left] = np.arange(len(left), dtype=np.int32)
        share = after[left] / before[left]
        batch[batch >= 0] = number[batch[batch >= 0]]
        consumer = replace(
            consumer,
            cpu_ns=(consumer.cpu_ns[left] * share).astype(np.int64),
            wait_ns=(consumer.wait_ns[left] * share).astype(np.int64),
        )
    return replace(
        workload,
        files=files,
        worker=workload.worker[mask],
        op=workload.op[mask],
        file=rank[file].astype(np.uint32),
        offset=workload.offset[mask],
        length=workload.length[mask],
        cpu_ns=workload.cpu_ns[mask],
        wait_ns=workload.wait_ns[mask],
        duration_ns=workload.duration_ns[mask],
        epoch=workload.epoch[mask],
        batch=batch,
        consumer=consumer,
    )
