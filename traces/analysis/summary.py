"""What `mlopt report` tells: a trace in one screen."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from traces.analysis.build import Analysis, analyse
from traces.store import Trace
from traces.workload import OP_READ

#: Above this size a mapped file is worth a warning: its page faults are not seen [bytes].
_LARGE_MAPPING = 1 << 20
_CLASSES_SHOWN = 8


@dataclass(frozen=True)
class Summary:
    """Facts about a trace as plain JSON values, and what to be warned of.

    Attributes
    ----------
    facts : dict
        As published for ``mlopt report --json``.
    warnings : list of tuple of str
        Code and sentence.
    """

    facts: dict[str, Any]
    warnings: list[tuple[str, str]]


def summarize(trace: Trace, source: str | None = None) -> Summary:
    """Describe a trace.

    Parameters
    ----------
    trace : Trace
        The trace.
    source : str, optional
        Directory that counts.

    Returns
    -------
    Summary
        Facts and warnings.
    """
    found = analyse(trace, source)
    work = found.workload
    reads = work.op == OP_READ
    read_bytes = int(work.length[reads].sum())
    working_set = work.working_set_bytes if reads.any() else 0
    facts = {
        "run": _run(trace, found),
        "sources": trace.roots if source is None else work.sources,
        "files": len(np.unique(work.file[reads])),
        "reads": int(reads.sum()),
        "read_bytes": read_bytes,
        "working_set_bytes": working_set,
        "reuse": read_bytes / working_set if working_set else None,
        "epochs": _epochs(found),
        "shuffled": work.shuffled,
        "inside_files": found.epochs.inside_files,
        "order_inside_files": _order(found),
        "classes": _classes(found),
        "workers": _workers(found),
        "consumer": _consumer(found),
        "storage": _latency(found),
    }
    return Summary(facts, _warnings(trace, found))


def _run(trace: Trace, found: Analysis) -> dict[str, Any]:
    names = (
        "argv, host, ncpu, tap, dur_ns, exit_code, calls, overhead_ns_per_call, "
        "lost_events, lost_bytes, complete"
    )
    row = trace.connection.execute(f"SELECT {names} FROM run WHERE run_id = 0").fetchall()[0]  # noqa: S608
    facts = dict(zip(names.split(", "), row, strict=True))
    return facts | {"cpu_times_from": found.correction.source}


def _epochs(found: Analysis) -> list[dict[str, Any]]:
    work = found.workload
    result = []
    for e, seconds in enumerate(work.epoch_seconds):
        mine = (work.epoch == e) & (work.op == OP_READ)
        waiting = _exposed_wait(found, e)
        result.append(
            {
                "duration_s": float(seconds),
                "reads": int(mine.sum()),
                "read_bytes": int(work.length[mine].sum()),
                "exposed_wait_s": waiting,
                "exposed_wait_ratio": waiting / float(seconds) if seconds else None,
            }
        )
    return result


def _exposed_wait(found: Analysis, epoch: int) -> float:
    """Time in which a reader waited for storage and no thread of the job had a CPU to itself [s].

    Each moment counts once, so that a wait of four readers side by side is not counted four times. Where some
    readers wait while others work, what the job computed in the epoch hides as much of the wait.
    """
    work, accesses = found.workload, found.accesses
    mine = np.flatnonzero(work.epoch == epoch)
    n_readers = len(np.unique(work.worker[mine][work.op[mine] == OP_READ]))
    if not n_readers:
        return 0.0
    edges = np.concatenate([accesses.t_ns[mine], accesses.end_ns[mine]])
    steps = np.concatenate([np.ones(len(mine)), -np.ones(len(mine))])
    order = np.argsort(edges, kind="stable")
    inside = np.cumsum(steps[order])[:-1]
    span = np.diff(edges[order])
    wall_in_calls = float(span[inside > 0].sum())
    cpu = sum(
        thread.clock.cpu_between(float(accesses.t_ns[mine[0]]), float(accesses.end_ns[mine].max()))
        for tid, thread in found.threads.items()
        if tid not in found.structure.fetchers and n_readers > 1
    )
    length = float(accesses.end_ns[mine].max() - accesses.t_ns[mine[0]])
    return max(0.0, min(wall_in_calls, length - cpu)) / 1e9


def _classes(found: Analysis) -> list[dict[str, Any]]:
    """Files by top directory and extension, most bytes first."""
    work = found.workload
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, path in enumerate(work.files.path):
        text = os.fsdecode(path).encode(errors="replace").decode()
        top = text.split("/", 1)[0] if "/" in text else "."
        groups[(top, os.path.splitext(text)[1].lower())].append(index)  # noqa: PTH122 - not a real path
    reads = np.flatnonzero(work.op == OP_READ)
    total = np.bincount(work.file[reads], work.length[reads].astype(float), minlength=len(work.files.path))
    n_reads = np.bincount(work.file[reads], minlength=len(work.files.path))
    result = []
    for (directory, extension), members in groups.items():
        if not n_reads[members].any():
            continue
        size = int(work.files.size[members][n_reads[members] > 0].sum())
        result.append(
            {
                "directory": directory,
                "extension": extension,
                "files": int((n_reads[members] > 0).sum()),
                "bytes": size,
                "reads": int(n_reads[members].sum()),
                "read_bytes": int(total[members].sum()),
                "reuse": float(total[members].sum() / size) if size else None,
            }
        )
    return sorted(result, key=lambda item: -item["read_bytes"])


def _order(found: Analysis) -> dict[str, float]:
    """Shares of reads that follow the one before in the same open file, keep its stride, or neither."""
    work, handle = found.workload, found.accesses.handle
    reads = np.flatnonzero((work.op == OP_READ) & (handle > 0))
    order = reads[np.lexsort((reads, handle[reads]))]
    same = handle[order][1:] == handle[order][:-1]
    step = (work.offset[order][1:] - work.offset[order][:-1])[same]
    after = (work.offset[order][:-1] + work.length[order][:-1])[same]
    sequential = work.offset[order][1:][same] == after
    strided = np.zeros(len(step), bool)
    strided[1:] = (step[1:] == step[:-1]) & ~sequential[1:] & (step[1:] > 0)
    n = len(step)
    if not n:
        return {"sequential": 1.0, "strided": 0.0, "random": 0.0}
    a, b = float(sequential.mean()), float(strided.mean())
    return {"sequential": a, "strided": b, "random": max(0.0, 1 - a - b)}


def _workers(found: Analysis) -> list[dict[str, Any]]:
    work = found.workload
    result = []
    for number, tids in enumerate(found.structure.workers):
        mine = work.worker == number
        reads = mine & (work.op == OP_READ)
        if not reads.any():
            continue
        result.append(
            {
                "worker": number,
                "threads": len(tids),
                "reads": int(reads.sum()),
                "read_bytes": int(work.length[reads].sum()),
                "cpu_s": float(work.cpu_ns[mine].sum() / 1e9),
                "cpu_ms_per_read": float(work.cpu_ns[mine].sum() / reads.sum() / 1e6),
                "think_ms_per_read": float(
                    (work.cpu_ns[mine].sum() + work.wait_ns[mine].sum()) / reads.sum() / 1e6
                ),
                "wait_s": float(work.wait_ns[mine].sum() / 1e9),
                "in_calls_s": float(work.duration_ns[mine].sum() / 1e9),
                "lock": int(work.lock[number]) if work.lock[number] >= 0 else None,
            }
        )
    return result


def _consumer(found: Analysis) -> dict[str, Any] | None:
    consumer = found.workload.consumer
    if consumer is None or not len(consumer.cpu_ns):
        return None
    return {
        "batches": len(consumer.cpu_ns),
        "batch_files": found.structure.batch_files,
        "prefetch_batches": consumer.prefetch_batches,
        "cpu_ms_per_batch": float(consumer.cpu_ns.mean() / 1e6),
        "wait_ms_per_batch": float(consumer.wait_ns.mean() / 1e6),
        "fetchers": len(np.unique(found.workload.worker[found.workload.batch >= 0])),
    }


def _latency(found: Analysis) -> dict[str, dict[str, float]]:
    """Durations of calls as recorded, the tracer's wall time included [ms]."""
    work = found.workload
    result = {}
    for name, number in (("open", 0), ("read", 1), ("stat", 2), ("readdir", 3)):
        durations: NDArray[np.int64] = work.duration_ns[work.op == number]
        if len(durations):
            p = np.percentile(durations, [10, 50, 99]) / 1e6
            result[name] = {
                "count": len(durations),
                "p10_ms": float(p[0]),
                "p50_ms": float(p[1]),
                "p99_ms": float(p[2]),
            }
    return result


def _warnings(trace: Trace, found: Analysis) -> list[tuple[str, str]]:
    warnings = [("recovered", note) for note in trace.notes]
    run = _run(trace, found)
    if run["lost_events"]:
        warnings.append(("lost-events", f"{run['lost_events']} lines of the tracer could not be understood"))
    if not run["complete"] and not trace.notes:
        warnings.append(("incomplete", "the recording did not come to its end"))
    mapped = np.unique(found.accesses.file[found.accesses.mapped])
    large = mapped[found.accesses.files.size[mapped] >= _LARGE_MAPPING] if len(mapped) else mapped
    if len(large):
        size = int(found.accesses.files.size[large].sum())
        warnings.append(
            (
                "mapped-files",
                f"the job maps {len(large)} large file(s), {size} bytes: reads through a mapping cannot be "
                "seen; each mapping is taken for one read of all of it",
            )
        )
    if not (found.workload.op == OP_READ).any():
        warnings.append(
            ("no-reads", "no read of data was seen; name the directory with --source when recording")
        )
    return warnings
