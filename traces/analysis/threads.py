"""CPU time and run-queue delay of threads at any moment, from the samples; and who is a reader."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from traces.analysis.accesses import Accesses
from traces.store import Trace
from traces.workload import OP_READ

#: A thread with less than this share of the reads is no reader of its own.
_READER_SHARE = 0.005
#: Above this many cores at once a process's readers do not share one lock.
_LOCK_CORES = 1.15
#: Part of the tracer's CPU time per call that the traced thread itself pays (prediction study, section 3).
TRACED_SHARE = 0.45


@dataclass(frozen=True)
class Clock:
    """Cumulative CPU time and delay of one thread.

    Attributes
    ----------
    t_ns, cpu_ns, delay_ns : ndarray of int64, shape (n_samples,)
        When, and how much since the thread's start [ns].
    """

    t_ns: NDArray[np.int64]
    cpu_ns: NDArray[np.int64]
    delay_ns: NDArray[np.int64]

    def cpu_between(self, start_ns: float, end_ns: float) -> float:
        """CPU time used in an interval [ns]."""
        at = np.interp([start_ns, end_ns], self.t_ns, self.cpu_ns)
        return float(at[1] - at[0])

    def delay_between(self, start_ns: float, end_ns: float) -> float:
        """Time runnable without a CPU in an interval [ns]."""
        at = np.interp([start_ns, end_ns], self.t_ns, self.delay_ns)
        return float(at[1] - at[0])


@dataclass(frozen=True)
class Thread:
    """A thread of the job.

    Attributes
    ----------
    tid, pid : int
        Its numbers.
    start_ns : int
        Its birth [ns since the run's start].
    comm : str
        Its name, empty when it was too short-lived to be looked at.
    clock : Clock
        Its samples.
    """

    tid: int
    pid: int
    start_ns: int
    comm: str
    clock: Clock


def load_threads(trace: Trace, run_id: int, role: str = "job") -> dict[int, Thread]:
    """Read threads and their samples.

    Parameters
    ----------
    trace : Trace
        The trace.
    run_id : int
        Which run.
    role : str
        Whose threads.

    Returns
    -------
    dict
        By thread number.
    """
    samples = trace.columns(
        "SELECT tid, t_ns, cpu_ns, delay_ns FROM cpu WHERE run_id = ? ORDER BY tid, t_ns", [run_id]
    )
    tids, first, counts = np.unique(samples["tid"], return_index=True, return_counts=True)
    pieces = {int(t): slice(int(f), int(f + c)) for t, f, c in zip(tids, first, counts, strict=True)}
    rows = trace.connection.execute(
        "SELECT tid, pid, coalesce(start_ns, 0), coalesce(comm, '') FROM process "
        "WHERE run_id = ? AND role = ?",
        [run_id, role],
    ).fetchall()
    threads = {}
    for tid, pid, start, comm in rows:
        piece = pieces.get(tid, slice(0, 0))
        columns = [
            np.concatenate([[origin], samples[name][piece].astype(np.int64)])
            for name, origin in (("t_ns", start), ("cpu_ns", 0), ("delay_ns", 0))
        ]
        threads[tid] = Thread(tid, pid, start, comm, Clock(*columns))
    return threads


def readers(accesses: Accesses) -> list[int]:
    """Find the threads that read below the source, by first access.

    Parameters
    ----------
    accesses : Accesses
        Of the whole run.

    Returns
    -------
    list of int
        Thread numbers.
    """
    is_read = accesses.op == OP_READ
    tids, first, counts = np.unique(accesses.tid[is_read], return_index=True, return_counts=True)
    needed = _READER_SHARE * is_read.sum()
    order = np.argsort(first)
    return [int(tids[i]) for i in order if counts[i] >= needed]


def gap_cpu(
    clock: Clock, start_ns: NDArray[np.int64], end_ns: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Share out a thread's CPU time and delay among the gaps before its calls.

    Samples are 25 ms apart, gaps are often shorter: within an interval of samples the CPU time goes to
    gaps by their length, and none to the calls, where the thread mostly waits.

    Parameters
    ----------
    clock : Clock
        The thread's samples.
    start_ns, end_ns : ndarray of int64, shape (n,)
        Its calls, in order.

    Returns
    -------
    tuple of ndarray of float64, shape (n,)
        CPU time, delay and length of the gap before each call [ns].
    """
    previous_end = np.maximum.accumulate(np.concatenate([[clock.t_ns[0]], end_ns[:-1]]))
    gap = np.maximum(start_ns - previous_end, 0).astype(float)
    # Gap time passed at a moment: whole gaps before it, and the part of the one it lies in.
    passed = np.concatenate([[0.0], np.cumsum(gap)])
    index = np.searchsorted(start_ns, clock.t_ns, side="left")
    inside = np.zeros(len(clock.t_ns))
    open_gap = index < len(start_ns)
    inside[open_gap] = np.clip(clock.t_ns[open_gap] - previous_end[index[open_gap]], 0, gap[index[open_gap]])
    at_samples = passed[np.minimum(index, len(gap))] + inside
    cpu = np.diff(np.interp(passed, at_samples, clock.cpu_ns))
    delay = np.diff(np.interp(passed, at_samples, clock.delay_ns))
    return np.maximum(cpu, 0), np.maximum(delay, 0), gap


def lock_groups(threads: dict[int, Thread], workers: list[list[int]]) -> NDArray[np.int32]:
    """Find workers that share an interpreter lock: threads of one Python process that never use two cores.

    Parameters
    ----------
    threads : dict
        Of the job.
    workers : list of list of int
        Threads that played each worker's part.

    Returns
    -------
    ndarray of int32, shape (n_workers,)
        Equal numbers share a lock, -1 has none.
    """
    lock = np.full(len(workers), -1, np.int32)
    by_process: dict[int, list[int]] = {}
    for worker, tids in enumerate(workers):
        by_process.setdefault(threads[tids[0]].pid if tids[0] in threads else -1, []).append(worker)
    for number, (pid, members) in enumerate(sorted(by_process.items())):
        if len(members) < 2 or pid < 0:
            continue
        main = threads.get(pid)
        is_python = main is None or "python" in main.comm or not main.comm
        if is_python and _busiest_cores(threads, pid) <= _LOCK_CORES:
            lock[members] = number
    return lock


def _busiest_cores(threads: dict[int, Thread], pid: int, window_ns: int = 200_000_000) -> float:
    """CPU time of a process per wall time in its busiest window [cores], the 90th percentile."""
    clocks = [thread.clock for thread in threads.values() if thread.pid == pid]
    start = min(int(clock.t_ns[0]) for clock in clocks)
    end = max(int(clock.t_ns[-1]) for clock in clocks)
    edges = np.arange(start, end + 1, window_ns)
    if len(edges) < 2:
        return 0.0
    total = sum(np.interp(edges, clock.t_ns, clock.cpu_ns) for clock in clocks)
    return float(np.percentile(np.diff(np.asarray(total)) / window_ns, 90))
