"""Jobs made by hand, for tests, benchmarks and first steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traces.workload import OP_OPEN, OP_READ, Consumer, Files, Workload


@dataclass(frozen=True)
class JobShape:
    """What a synthetic job looks like.

    Attributes
    ----------
    files : int
        Files; each is opened once and read whole in each epoch.
    file_bytes : int
        Size of each [bytes].
    read_bytes : int or None
        Bytes of one read call; None reads a file at once [bytes].
    epochs : int
        Passes over the files.
    workers : int
        Readers.
    shuffled : bool
        Each epoch has an order of its own.
    cpu_ns : int
        CPU of a reader for each file, burnt behind its first read [ns].
    batch_files : int
        Files in a batch; 0 for a job without batches.
    consumer_cpu_ns : int
        CPU of the consumer for each batch [ns].
    consumer_wait_ns : int
        Waiting of the consumer for each batch [ns].
    prefetch_batches : int
        Batches that a reader may be ahead.
    shares_lock : bool
        Whether the readers are threads of one interpreter.
    seed : int
        Of the orders.
    """

    files: int = 100
    file_bytes: int = 100_000
    read_bytes: int | None = None
    epochs: int = 3
    workers: int = 1
    shuffled: bool = True
    cpu_ns: int = 0
    batch_files: int = 0
    consumer_cpu_ns: int = 0
    consumer_wait_ns: int = 0
    prefetch_batches: int = 2
    shares_lock: bool = False
    seed: int = 0


def synthetic_workload(shape: JobShape) -> Workload:
    """Make the workload of a job of that shape.

    Parameters
    ----------
    shape : JobShape
        Files, epochs, readers, batches.

    Returns
    -------
    Workload
        Batches go to the workers in turn, files without batches too.
    """
    random = np.random.default_rng(shape.seed)
    step = shape.read_bytes or shape.file_bytes
    offsets = np.arange(0, shape.file_bytes, step)
    per_file = 1 + len(offsets)
    orders = [
        random.permutation(shape.files) if shape.shuffled else np.arange(shape.files)
        for _ in range(shape.epochs)
    ]
    order = np.concatenate(orders)
    position = np.tile(np.arange(shape.files), shape.epochs)
    epoch = np.repeat(np.arange(shape.epochs), shape.files)
    group = max(1, shape.batch_files)
    batches = -(-shape.files // group)
    item_batch = epoch * batches + position // group
    op = np.tile(np.concatenate([[OP_OPEN], np.full(len(offsets), OP_READ)]), len(order))
    cpu = np.zeros((len(order), per_file), np.int64)
    cpu[:, min(1, per_file - 1)] = shape.cpu_ns
    consumer = None
    if shape.batch_files:
        total = batches * shape.epochs
        consumer = Consumer(
            cpu_ns=np.full(total, shape.consumer_cpu_ns, np.int64),
            wait_ns=np.full(total, shape.consumer_wait_ns, np.int64),
            prefetch_batches=shape.prefetch_batches,
        )
    lengths = np.minimum(step, shape.file_bytes - offsets)
    n = len(order) * per_file

    def spread(values: np.typing.NDArray[np.integer]) -> np.typing.NDArray[np.integer]:
        return np.repeat(values, per_file)

    return Workload(
        files=Files(
            path=[b"train/%06d.bin" % number for number in range(shape.files)],
            size=np.full(shape.files, shape.file_bytes, np.int64),
            mtime_ns=np.zeros(shape.files, np.int64),
        ),
        worker=spread((position // group) % shape.workers).astype(np.uint32),
        op=op.astype(np.uint8),
        file=spread(order).astype(np.uint32),
        offset=np.tile(np.concatenate([[0], offsets]), len(order)).astype(np.int64),
        length=np.tile(np.concatenate([[0], lengths]), len(order)).astype(np.int64),
        cpu_ns=cpu.ravel(),
        wait_ns=np.zeros(n, np.int64),
        duration_ns=np.zeros(n, np.int64),
        epoch=spread(epoch).astype(np.int32),
        batch=spread(item_batch).astype(np.int32) if shape.batch_files else np.full(n, -1, np.int32),
        lock=np.full(shape.workers, 0 if shape.shares_lock else -1, np.int32),
        consumer=consumer,
        epoch_seconds=np.zeros(shape.epochs),
        epoch_tail_cpu_ns=np.zeros(shape.epochs, np.int64),
        shuffled=shape.shuffled,
        sources=["/data"],
    )
