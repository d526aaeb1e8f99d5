"""Workers, and the batches that they fetch from a queue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from traces.analysis.accesses import Accesses
from traces.analysis.threads import Thread
from traces.store import Trace
from traces.workload import OP_OPEN, OP_READ

#: A worker that fetched fewer batches than this tells nothing about their size.
_FEW_SEGMENTS = 3


@dataclass(frozen=True)
class Structure:
    """Who reads, and in what batches.

    Attributes
    ----------
    workers : list of list of int
        Threads that played each worker's part, one after another.
    worker : ndarray of uint32, shape (n,)
        Of each access.
    batch : ndarray of int32, shape (n,)
        Of each access, -1 outside batches; in the consumer's order.
    batch_files : int or None
        Files per batch, None without batches.
    fetchers : list of int
        Threads that fetch batches.
    """

    workers: list[list[int]]
    worker: NDArray[np.uint32]
    batch: NDArray[np.int32]
    batch_files: int | None
    fetchers: list[int]


def fetches(trace: Trace, tids: list[int]) -> dict[int, NDArray[np.int64]]:
    """Times at which threads read from what is no file: the pipe that tells a worker its next batch.

    Parameters
    ----------
    trace : Trace
        The trace.
    tids : list of int
        Threads.

    Returns
    -------
    dict
        Thread to ends of those reads [ns], for threads that have any.
    """
    rows = trace.columns(
        """SELECT tid, t_ns + coalesce(dur_ns, 0) AS t_ns FROM access WHERE run_id = 0 AND op = 'read'
        AND file_id IS NULL AND coalesce(result, 0) > 0 ORDER BY t_ns"""
    )
    return {tid: rows["t_ns"][rows["tid"] == tid] for tid in tids if (rows["tid"] == tid).any()}


def find(
    accesses: Accesses,
    epoch: NDArray[np.int32],
    reader_tids: list[int],
    fetched: dict[int, NDArray[np.int64]],
    threads: dict[int, Thread],
) -> Structure:
    """Put together workers and batches.

    Parameters
    ----------
    accesses : Accesses
        Of the whole run.
    epoch : ndarray of int32, shape (n,)
        Of each access.
    reader_tids : list of int
        Threads that read, by first access.
    fetched : dict
        From `fetches`.
    threads : dict
        Of the job.

    Returns
    -------
    Structure
        Threads that follow one another in time play one worker's part.
    """
    workers, of_tid = _assign(accesses, reader_tids, threads)
    worker = np.array([of_tid.get(int(tid), 0) for tid in accesses.tid], np.uint32)
    main = min((thread.pid for thread in threads.values()), default=-1, key=lambda pid: _birth(threads, pid))
    shared = [tids for tids in _by_process(reader_tids, threads).values() if len(tids) > 1]
    segments: dict[int, NDArray[np.int64]] = {}
    sizes: list[int] = []
    for tid in reader_tids:
        pid = threads[tid].pid if tid in threads else tid
        if tid in fetched and pid != main:
            segment, files = _segments(accesses, tid, fetched[tid])
            if len(files) >= _FEW_SEGMENTS:
                segments[tid] = segment
                sizes.extend(files)
    if segments:
        batch = _number(accesses, epoch, worker, segments)
        return Structure(workers, worker, batch, max(1, int(np.median(sizes))), list(segments))
    if shared:
        tids = [tid for group in shared for tid in group]
        return Structure(workers, worker, _one_each(accesses, tids), 1, tids)
    return Structure(workers, worker, np.full(len(worker), -1, np.int32), None, [])


def _birth(threads: dict[int, Thread], pid: int) -> int:
    return min(thread.start_ns for thread in threads.values() if thread.pid == pid)


def _by_process(tids: list[int], threads: dict[int, Thread]) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = {}
    for tid in tids:
        if tid in threads and tid != threads[tid].pid:
            groups.setdefault(threads[tid].pid, []).append(tid)
    return groups


def _assign(
    accesses: Accesses, reader_tids: list[int], threads: dict[int, Thread]
) -> tuple[list[list[int]], dict[int, int]]:
    """Workers that are made anew in each epoch get the number of one that has ended."""
    span = {}
    for tid in reader_tids:
        mine = np.flatnonzero(accesses.tid == tid)
        span[tid] = (int(accesses.t_ns[mine[0]]), int(accesses.end_ns[mine[-1]]))
    workers: list[list[int]] = []
    of_tid: dict[int, int] = {}
    for tid in sorted(reader_tids, key=lambda t: span[t]):
        is_main = tid in threads and threads[tid].pid == tid
        for number, members in enumerate(workers):
            last_is_main = members[-1] in threads and threads[members[-1]].pid == members[-1]
            if span[members[-1]][1] <= span[tid][0] and is_main == last_is_main:
                members.append(tid)
                of_tid[tid] = number
                break
        else:
            of_tid[tid] = len(workers)
            workers.append([tid])
    return workers or [[0]], of_tid


def _segments(
    accesses: Accesses, tid: int, fetched: NDArray[np.int64]
) -> tuple[NDArray[np.int64], list[int]]:
    """Which fetch each access of a thread follows, and files read between two fetches."""
    mine = np.flatnonzero(accesses.tid == tid)
    segment = np.searchsorted(fetched, accesses.t_ns[mine], side="right")
    opened = segment[(accesses.op[mine] == OP_OPEN)]
    if not len(opened):
        opened = segment[accesses.op[mine] == OP_READ]
    counts = np.bincount(opened)
    result = np.full(len(accesses.t_ns), -1, np.int64)
    result[mine] = segment
    return result, [int(count) for count in counts[1:] if count]


def _number(
    accesses: Accesses,
    epoch: NDArray[np.int32],
    worker: NDArray[np.uint32],
    segments: dict[int, NDArray[np.int64]],
) -> NDArray[np.int32]:
    """Number batches as the consumer takes them: in turns where workers have equally many, else by time."""
    found: list[tuple[int, int, int, int, NDArray[np.int64]]] = []
    for tid, segment in segments.items():
        for number in np.unique(segment[segment > 0]):
            members = np.flatnonzero(segment == number)
            if not (accesses.op[members] == OP_READ).any():
                continue
            first = members[0]
            found.append((int(epoch[first]), tid, int(accesses.t_ns[first]), int(worker[first]), members))
    batch = np.full(len(accesses.t_ns), -1, np.int32)
    next_number = 0
    for e in sorted({item[0] for item in found}):
        inside = sorted((item for item in found if item[0] == e), key=lambda item: item[2])
        turn: dict[int, int] = {}
        keyed = []
        starters: dict[int, int] = {}
        for item in inside:
            starters.setdefault(item[3], len(starters))
            keyed.append((turn.get(item[3], 0), starters[item[3]], item))
            turn[item[3]] = turn.get(item[3], 0) + 1
        if max(turn.values()) - min(turn.values()) <= 1:
            keyed.sort(key=lambda key: key[:2])
        for _, _, item in keyed:
            batch[item[4]] = next_number
            next_number += 1
    return batch


def _one_each(accesses: Accesses, tids: list[int]) -> NDArray[np.int32]:
    """Threads without a pipe: each open begins an item of its own."""
    batch = np.full(len(accesses.t_ns), -1, np.int32)
    starts: list[tuple[int, NDArray[np.int64]]] = []
    for tid in tids:
        mine = np.flatnonzero(accesses.tid == tid)
        item = np.cumsum(accesses.op[mine] == OP_OPEN)
        for number in np.unique(item[item > 0]):
            members = mine[item == number]
            if (accesses.op[members] == OP_READ).any():
                starts.append((int(accesses.t_ns[members[0]]), members))
    for number, (_, members) in enumerate(sorted(starts, key=lambda start: start[0])):
        batch[members] = number
    return batch
