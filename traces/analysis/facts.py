"""What a trace tells of its job and machine, and how it read each file: facts for conditions."""

from __future__ import annotations

import json
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlopt_engine import observe_job, observe_reads
from mlopt_engine.job import ProcessEvidence, job_facts
from traces.schema import FACT_MARKER
from traces.store import Trace
from traces.workload import OP_READ, OP_READDIR, Workload

#: Paths, sizes, readers, files, offsets and lengths of reads.
_Columns = tuple[
    list[bytes],
    NDArray[np.int64],
    NDArray[np.uint32],
    NDArray[np.uint32],
    NDArray[np.int64],
    NDArray[np.int64],
]


class FileUse(NamedTuple):
    """How a job read one file, as the engine's scan takes it.

    Attributes
    ----------
    path : bytes
        Relative to the source.
    size : int
        Its size [bytes].
    mtime_ns : int
        Modification time [ns], 0 when unknown.
    pattern : str or None
        Its access pattern where one shows.
    reads : int
        Reads of it.
    read_bytes : int
        Bytes read of it [bytes].
    """

    path: bytes
    size: int
    mtime_ns: int
    pattern: str | None
    reads: int
    read_bytes: int


def run_facts(trace: Trace, run_id: int = 0) -> dict[str, str | int]:
    """Tell what job a run was, and on what machine.

    Parameters
    ----------
    trace : Trace
        The trace.
    run_id : int
        Which run.

    Returns
    -------
    dict
        Facts by name: from command lines, from what the recording saw of the processes, of the machine.
    """
    rows = trace.connection.execute(
        "SELECT pid, argv FROM process WHERE run_id = ? AND role = 'job' AND tid = pid "
        "ORDER BY start_ns NULLS LAST, pid",
        [run_id],
    ).fetchall()
    run = trace.connection.execute(
        "SELECT argv, ncpu, mem_bytes, epoch(t0)::BIGINT FROM run WHERE run_id = ?", [run_id]
    ).fetchone()
    if run is None:
        return {}
    argv, cpus, memory_bytes, start_s = run
    first = rows[0][0] if rows else 0
    evidence = [ProcessEvidence(first, tuple(argv or ()))]
    evidence += [ProcessEvidence(pid, tuple(words)) for pid, words in rows if words]
    facts = job_facts(evidence)
    facts |= {
        name: json.loads(value)
        for name, value in trace.connection.execute(
            "SELECT name, value FROM marker WHERE run_id = ? AND kind = ? ORDER BY t_ns",
            [run_id, FACT_MARKER],
        ).fetchall()
    }
    machine = {
        "system.cpu_count": cpus,
        "system.total_memory": memory_bytes,
        "system.time": start_s,
    }
    facts |= {name: int(value) for name, value in machine.items() if value is not None}
    if not rows:
        facts.pop("workload.process_id", None)
    return facts


def workload_facts(work: Workload) -> dict[str, str | int]:
    """Tell what a job's accesses show of it.

    Parameters
    ----------
    work : Workload
        The job.

    Returns
    -------
    dict
        Files per batch, and readers.
    """
    reads = work.op == OP_READ
    if not reads.any():
        return {}
    facts: dict[str, str | int] = {
        "workload.workers": len(np.unique(work.worker[reads])),
    }
    in_batch = reads & (work.batch >= 0)
    if in_batch.any():
        pairs = np.unique(np.stack([work.batch[in_batch], work.file[in_batch].astype(np.int64)]), axis=1)
        _, files = np.unique(pairs[0], return_counts=True)
        facts["workload.batch_size"] = int(np.median(files))
    return facts


class JobChange(NamedTuple):
    """What a job's reads showed of it from one access on.

    Attributes
    ----------
    access : int
        The access after which it showed.
    facts : dict of str to str or int
        By name; what does not show is not in it.
    """

    access: int
    facts: dict[str, str | int]


def job_changes(work: Workload) -> list[JobChange]:
    """Tell what a job's reads show of it, by the observer that the mount has.

    Parameters
    ----------
    work : Workload
        The job.

    Returns
    -------
    list of JobChange
        In the order of time: phases, epochs, and sizes as far as they were read.
    """
    reads = np.flatnonzero(work.op == OP_READ)
    said = work.facts.get("workload.type")
    changes = observe_job(*_columns(work, reads), work=None if said is None else str(said))
    return [JobChange(int(reads[row]), json.loads(facts)) for row, facts in changes]


def facts_of_job(work: Workload) -> dict[str, str | int]:
    """Tell all that is known of a job, to judge its files by as a whole.

    Parameters
    ----------
    work : Workload
        The job.

    Returns
    -------
    dict
        Facts by name: as they were when it ended, but for the phase, which is the one in which most bytes
        were read.
    """
    changes = job_changes(work)
    if not changes:
        return work.facts
    read = np.where(work.op == OP_READ, work.length, 0)
    starts = [0, *(change.access for change in changes[1:])]
    phases: Counter[str | int | None] = Counter()
    for change, size in zip(changes, np.add.reduceat(read, starts), strict=True):
        phases[change.facts.get("workload.phase")] += int(size)
    (most, _), *_ = phases.most_common(1)
    phase = {} if most is None else {"workload.phase": most}
    shown = {name: value for name, value in changes[-1].facts.items() if name != "workload.phase"}
    return shown | phase | work.facts


def file_uses(work: Workload) -> list[FileUse]:
    """Tell how each file was read, by the observer that the mount has.

    Parameters
    ----------
    work : Workload
        The job.

    Returns
    -------
    list of FileUse
        In the order of the job's files; folders that the job listed are none of them.
    """
    folders = set(np.unique(work.file[work.op == OP_READDIR]).tolist())
    reads = np.flatnonzero(work.op == OP_READ)
    seen = observe_reads(*_columns(work, reads))
    columns = zip(work.files.path, work.files.size, work.files.mtime_ns, seen, strict=True)
    return [
        FileUse(path, int(size), int(mtime_ns), *use)
        for number, (path, size, mtime_ns, use) in enumerate(columns)
        if number not in folders
    ]


def _columns(work: Workload, reads: NDArray[np.int64]) -> _Columns:
    """Shape a job's reads as the engine takes them."""
    return (
        work.files.path,
        np.ascontiguousarray(work.files.size, np.int64),
        np.ascontiguousarray(work.worker[reads], np.uint32),
        np.ascontiguousarray(work.file[reads], np.uint32),
        np.ascontiguousarray(work.offset[reads], np.int64),
        np.ascontiguousarray(work.length[reads], np.int64),
    )
