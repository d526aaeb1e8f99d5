"""What a trace tells of its job and machine, and how it read each file: facts for conditions."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np

from mlopt_engine import observe_reads
from mlopt_engine.job import ProcessEvidence, job_facts
from traces.schema import FACT_MARKER
from traces.store import Trace
from traces.workload import OP_READ, OP_READDIR, Workload


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
        Files per batch, readers, and the size of what it reads [bytes].
    """
    reads = work.op == OP_READ
    if not reads.any():
        return {}
    facts: dict[str, str | int] = {
        "workload.dataset_size": work.working_set_bytes,
        "workload.workers": len(np.unique(work.worker[reads])),
    }
    in_batch = reads & (work.batch >= 0)
    if in_batch.any():
        pairs = np.unique(np.stack([work.batch[in_batch], work.file[in_batch].astype(np.int64)]), axis=1)
        _, files = np.unique(pairs[0], return_counts=True)
        facts["workload.batch_size"] = int(np.median(files))
    return facts


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
    seen = observe_reads(
        work.files.path,
        np.ascontiguousarray(work.files.size, np.int64),
        np.ascontiguousarray(work.worker[reads], np.uint32),
        np.ascontiguousarray(work.file[reads], np.uint32),
        np.ascontiguousarray(work.offset[reads], np.int64),
        np.ascontiguousarray(work.length[reads], np.int64),
    )
    columns = zip(work.files.path, work.files.size, work.files.mtime_ns, seen, strict=True)
    return [
        FileUse(path, int(size), int(mtime_ns), *use)
        for number, (path, size, mtime_ns, use) in enumerate(columns)
        if number not in folders
    ]
