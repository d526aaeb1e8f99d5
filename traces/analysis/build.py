"""From a trace to a `Workload`: accesses with the work between them, the tracer's own cost taken out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from traces.analysis import batches, epochs
from traces.analysis.accesses import Accesses, load
from traces.analysis.facts import run_facts, workload_facts
from traces.analysis.threads import (
    TRACED_SHARE,
    Thread,
    gap_cpu,
    load_threads,
    lock_groups,
    readers,
)
from traces.store import Trace
from traces.workload import Consumer, Workload

#: Batches that a reader may be ahead of the consumer: the default of PyTorch's DataLoader.
PREFETCH_BATCHES = 2
#: Waiting below this share of a worker's gaps is noise of sampling.
_WAIT_SHARE = 0.15
#: A single gap longer than this tells its waiting by itself: two samples lie in it [ns].
_LONG_GAP_NS = 60_000_000
#: Readers that wait for the queue this share of the time have a consumer that is the slower side.
_QUEUE_SHARE = 0.3
#: What no tracer's correction takes: part of the CPU time that must stay.
_LEAST_LEFT = 0.1


@dataclass(frozen=True)
class Correction:
    """Factors that take the tracer's cost out of CPU times [1].

    Attributes
    ----------
    readers, others : float
        For threads that read, and for the rest of the job.
    source : str
        ``untraced run``, ``tracer's cost`` or ``none``.
    """

    readers: float
    others: float
    source: str


@dataclass(frozen=True)
class Spans:
    """When epochs start and end, and to which each access belongs.

    Attributes
    ----------
    start_ns, end_ns : ndarray of int64, shape (n_epochs,)
        [ns since the run's start].
    epoch : ndarray of int32, shape (n,)
        Of each access.
    """

    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    epoch: NDArray[np.int32]


@dataclass(frozen=True)
class Analysis:
    """A workload and what it was made from.

    Attributes
    ----------
    workload : Workload
        The result.
    accesses : Accesses
        As recorded.
    structure : Structure
        Workers and batches.
    epochs : Epochs
        Starts.
    threads : dict
        Of the job.
    correction : Correction
        What was taken out of CPU times.
    """

    workload: Workload
    accesses: Accesses
    structure: batches.Structure
    epochs: epochs.Epochs
    threads: dict[int, Thread]
    correction: Correction


def workload(trace: Trace, *, source: str | None = None) -> Workload:
    """Describe a recorded job as simulator, learner and replayer need it.

    Parameters
    ----------
    trace : Trace
        The trace.
    source : str, optional
        Directory that counts; the recorded ones if omitted.

    Returns
    -------
    Workload
        Of the traced run; CPU times are those of the untraced run where there is one.
    """
    return analyse(trace, source).workload


def analyse(trace: Trace, source: str | None = None) -> Analysis:
    """Analyse a trace, keeping what the result was made from.

    Parameters
    ----------
    trace : Trace
        The trace.
    source : str, optional
        Directory that counts.

    Returns
    -------
    Analysis
        Empty columns where nothing was read.
    """
    accesses = load(trace, source)
    threads = load_threads(trace, 0)
    run_end = _run_end(trace, accesses)
    found = epochs.detect(accesses)
    epoch = np.clip(np.searchsorted(found.start_ns, accesses.t_ns, side="right") - 1, 0, None).astype(
        np.int32
    )
    reader_tids = readers(accesses)
    structure = batches.find(accesses, epoch, reader_tids, batches.fetches(trace, reader_tids), threads)
    lock = lock_groups(threads, structure.workers)
    correction = _correction(trace, threads, reader_tids)
    cpu, wait, queue_share = _work(accesses, structure, threads, lock, correction)
    ends = _epoch_ends(accesses, epoch, found.start_ns, run_end)
    spans = Spans(found.start_ns, ends, epoch)
    consumer, tail = _consumer(accesses, structure, threads, spans, correction, cpu, queue_share)
    result = Workload(
        files=accesses.files,
        worker=structure.worker,
        op=accesses.op,
        file=accesses.file.astype(np.uint32),
        offset=accesses.offset,
        length=accesses.length,
        cpu_ns=cpu.astype(np.int64),
        wait_ns=wait.astype(np.int64),
        duration_ns=accesses.end_ns - accesses.t_ns,
        epoch=epoch,
        batch=structure.batch,
        lock=lock,
        consumer=consumer,
        epoch_seconds=(ends - found.start_ns) / 1e9,
        epoch_tail_cpu_ns=tail,
        shuffled=found.shuffled,
        sources=[accesses.source],
    )
    # What the processes said stands above what the accesses show.
    result = replace(result, facts=workload_facts(result) | run_facts(trace))
    return Analysis(result, accesses, structure, found, threads, correction)


def _run_end(trace: Trace, accesses: Accesses) -> int:
    rows = trace.connection.execute("SELECT dur_ns FROM run WHERE run_id = 0").fetchall()
    last = int(accesses.end_ns.max()) if len(accesses.end_ns) else 0
    return max(int(rows[0][0] or 0), last)


def _epoch_ends(
    accesses: Accesses, epoch: NDArray[np.int32], starts: NDArray[np.int64], run_end: int
) -> NDArray[np.int64]:
    """An epoch ends where the next starts; the last ends with as much of a tail as the others have."""
    if not len(starts):
        return starts
    ends = np.append(starts[1:], run_end)
    if len(starts) > 1:
        last_access = [int(accesses.end_ns[epoch == e].max()) for e in range(len(starts))]
        tails = [int(ends[e]) - last_access[e] for e in range(len(starts) - 1)]
        ends[-1] = min(run_end, last_access[-1] + int(np.median(tails)))
    return ends


def _correction(trace: Trace, threads: dict[int, Thread], reader_tids: list[int]) -> Correction:
    traced = _cpu_of(threads, reader_tids)
    if trace.connection.execute("SELECT count(*) FROM run").fetchall()[0][0] > 1:
        untraced = load_threads(trace, 1)
        twins = _twins(threads, untraced)
        found = [twins[tid] for tid in reader_tids if tid in twins]
        if len(found) == len(reader_tids) and traced[0]:
            true = _cpu_of(untraced, found)
            return Correction(true[0] / traced[0], true[1] / traced[1] if traced[1] else 1.0, "untraced run")
        ratio = sum(_cpu_of(untraced, [])) / max(sum(traced), 1)
        return Correction(ratio, ratio, "untraced run")
    rows = trace.connection.execute(
        "SELECT coalesce(overhead_ns_per_call, 0), coalesce(calls, 0) FROM run WHERE run_id = 0"
    ).fetchall()
    per_call, calls = rows[0]
    counts = dict(
        trace.connection.execute("SELECT tid, count(*) FROM access WHERE run_id = 0 GROUP BY tid").fetchall()
    )
    total = sum(counts.values())
    if not per_call or not total:
        return Correction(1.0, 1.0, "none")
    # Calls that leave no row (lseek, fcntl) cost the same; they are taken to be spread as the others.
    cost = TRACED_SHARE * float(per_call) * calls / total
    mine = set(reader_tids)
    by_readers = cost * sum(count for tid, count in counts.items() if tid in mine)
    by_others = cost * sum(count for tid, count in counts.items() if tid not in mine and tid in threads)
    return Correction(
        max(_LEAST_LEFT, 1 - by_readers / traced[0]) if traced[0] else 1.0,
        max(_LEAST_LEFT, 1 - by_others / traced[1]) if traced[1] else 1.0,
        "tracer's cost",
    )


def _cpu_of(threads: dict[int, Thread], reader_tids: list[int]) -> tuple[int, int]:
    """CPU time of readers and of the others [ns]."""
    mine = set(reader_tids)
    total = {tid: int(thread.clock.cpu_ns[-1]) for tid, thread in threads.items()}
    return sum(cpu for tid, cpu in total.items() if tid in mine), sum(
        cpu for tid, cpu in total.items() if tid not in mine
    )


def _twins(traced: dict[int, Thread], untraced: dict[int, Thread]) -> dict[int, int]:
    """Threads of two runs that play the same part: by order of birth among those that did some work."""
    floor = 0.01
    lists = []
    for threads in (traced, untraced):
        total = sum(int(thread.clock.cpu_ns[-1]) for thread in threads.values())
        busy = [thread for thread in threads.values() if thread.clock.cpu_ns[-1] >= floor * total]
        lists.append([thread.tid for thread in sorted(busy, key=lambda t: (t.start_ns, t.tid))])
    return dict(zip(*lists, strict=True)) if len(lists[0]) == len(lists[1]) else {}


def _work(
    accesses: Accesses,
    structure: batches.Structure,
    threads: dict[int, Thread],
    lock: NDArray[np.int32],
    correction: Correction,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """CPU time and waiting before each access, and the share of time that fetchers wait for the queue."""
    cpu = np.zeros(len(accesses.t_ns))
    wait = np.zeros(len(accesses.t_ns))
    queue_ns = span_ns = 0.0
    for number, tids in enumerate(structure.workers):
        for tid in tids:
            mine = np.flatnonzero(accesses.tid == tid)
            if tid not in threads or not len(mine):
                continue
            used, delay, gap = gap_cpu(threads[tid].clock, accesses.t_ns[mine], accesses.end_ns[mine])
            idle = np.maximum(gap - used - delay, 0)
            batch = structure.batch[mine]
            boundary = np.concatenate([[True], batch[1:] != batch[:-1]])
            consuming = _consuming(accesses, structure, mine, gap)
            cpu[mine] = np.where(consuming, 0.0, used) * correction.readers
            if tid in structure.fetchers:
                queue_ns += float(idle[boundary].sum())
                span_ns += float(accesses.end_ns[mine[-1]] - accesses.t_ns[mine[0]])
            if lock[number] < 0:
                wait[mine] = np.where(consuming, 0.0, _true_wait(idle, gap, boundary, batch))
    return cpu, wait, queue_ns / span_ns if span_ns else 0.0


def _consuming(
    accesses: Accesses, structure: batches.Structure, mine: NDArray[np.int64], gap: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Gaps in which batches were fetched: in these a reader outside the batches is the consumer at work."""
    if not structure.fetchers or structure.batch[mine].max() >= 0:
        return np.zeros(len(mine), bool)
    fetched = accesses.t_ns[structure.batch >= 0]
    start = accesses.t_ns[mine]
    result: NDArray[np.bool_] = np.searchsorted(fetched, start) > np.searchsorted(fetched, start - gap)
    return result


def _true_wait(
    idle: NDArray[np.float64], gap: NDArray[np.float64], boundary: NDArray[np.bool_], batch: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Waiting inside batches, or of a reader without a queue; between batches it is the queue's."""
    counted = ~boundary | (batch < 0)
    counted[0] = False
    long = counted & (gap > _LONG_GAP_NS) & (idle > _WAIT_SHARE * gap)
    short = counted & ~long
    share = idle[short].sum() / gap[short].sum() if gap[short].sum() else 0.0
    wait = np.zeros(len(gap))
    wait[long] = idle[long]
    if share > _WAIT_SHARE:
        wait[short] = gap[short] * share
    return wait


def _consumer(
    accesses: Accesses,
    structure: batches.Structure,
    threads: dict[int, Thread],
    spans: Spans,
    correction: Correction,
    charged: NDArray[np.float64],
    queue_share: float,
) -> tuple[Consumer | None, NDArray[np.int64]]:
    """The consumer's work per batch, and the job's CPU time after the last access of each epoch."""
    starts, ends, epoch = spans.start_ns, spans.end_ns, spans.epoch
    fetchers = set(structure.fetchers)
    n_batches = int(structure.batch.max()) + 1 if len(structure.batch) else 0
    tail = np.zeros(len(starts), np.int64)
    cpu, wait = np.zeros(n_batches, np.int64), np.zeros(n_batches, np.int64)
    takers = [thread for tid, thread in threads.items() if tid not in fetchers]
    own = {tid for tids in structure.workers for tid in tids} - fetchers
    main = next((t for t in takers if t.tid == t.pid), None)
    for e in range(len(starts)):
        inside = epoch == e
        if not inside.any():
            continue
        last = int(accesses.end_ns[inside].max())
        after = sum(t.clock.cpu_between(last, ends[e]) for t in threads.values()) * correction.others
        mine = np.unique(structure.batch[inside & (structure.batch >= 0)])
        if not n_batches or not len(mine):
            tail[e] = int(after)
            continue
        total = sum(t.clock.cpu_between(starts[e], ends[e]) for t in takers) * correction.others
        # CPU before the consumer's own reads is charged to these reads already.
        total -= charged[inside & np.isin(accesses.tid, list(own))].sum()
        queued = min(PREFETCH_BATCHES * max(len(structure.workers) - len(own), 1), len(mine))
        per_batch = (
            max(total - after, 0) / (len(mine) - queued) if len(mine) > 2 * queued else total / len(mine)
        )
        cpu[mine] = int(max(min(per_batch, total / len(mine)), 0))
        tail[e] = int(max(0.0, total - cpu[mine].sum()))
        if main is not None and queue_share > _QUEUE_SHARE:
            span = last - starts[e]
            idle = span - main.clock.cpu_between(starts[e], last) - main.clock.delay_between(starts[e], last)
            wait[mine] = int(max(idle, 0) / len(mine)) if idle > _WAIT_SHARE * span else 0
    return (
        Consumer(cpu, wait, PREFETCH_BATCHES, _consumer_worker(structure, own)) if n_batches else None
    ), tail


def _consumer_worker(structure: batches.Structure, own: set[int]) -> int:
    return next((number for number, tids in enumerate(structure.workers) if own & set(tids)), -1)
