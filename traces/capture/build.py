"""From a finished (or dead) recording to its database."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlopt_engine._native import Tap
from traces.capture.roots import ReadFile, infer_roots
from traces.schema import FACT_MARKER
from traces.store import TraceWriter

#: Files looked at side by side at the end: slow storage answers some at once, a local disk does not care.
_LOOKERS = 16


@dataclass
class Recorded:
    """One run of the job, as recorded.

    Attributes
    ----------
    tap : Tap
        Calls, samples, threads.
    head : dict
        Facts from before the start.
    end : dict
        How it ended; empty when the recorder died.
    lost_bytes : int
        Of log and text [bytes].
    notes : list of str
        What was lost, for people.
    """

    tap: Tap
    head: dict[str, Any]
    end: dict[str, Any] = field(default_factory=dict)
    lost_bytes: int = 0
    notes: list[str] = field(default_factory=list)


def build(path: Path, runs: list[Recorded], writer: TraceWriter | None = None) -> list[bytes]:
    """Write the database of a recording.

    Parameters
    ----------
    path : Path
        Its name.
    runs : list of Recorded
        The traced run, then untraced ones.
    writer : TraceWriter, optional
        The database, when rows of the first run were drained into it already.

    Returns
    -------
    list of bytes
        The source directories: those that were named, else what was inferred.
    """
    writer = writer or TraceWriter(path)
    try:
        for run_id, recorded in enumerate(runs):
            drain(writer, run_id, recorded)
            _add_threads(writer, run_id, recorded)
        roots = _add_files(writer, runs[0])
        for run_id, recorded in enumerate(runs):
            _add_run(writer, run_id, recorded, roots if run_id == 0 else [])
        writer.finish({"created": datetime.now(UTC).isoformat(), "notes": runs[0].notes})
    except BaseException:
        writer.abandon()
        raise
    return roots


def drain(writer: TraceWriter, run_id: int, recorded: Recorded) -> None:
    """Move the rows that are final from the recording to the database.

    Parameters
    ----------
    writer : TraceWriter
        The database.
    run_id : int
        Which run.
    recorded : Recorded
        The run.
    """
    t0 = recorded.head["t0_ns"]
    writer.add_accesses(run_id, t0, recorded.tap.take_rows())
    writer.add_samples(run_id, t0, recorded.tap.take_samples())


def _add_run(writer: TraceWriter, run_id: int, recorded: Recorded, roots: list[bytes]) -> None:
    head, end, counts = recorded.head, recorded.end, recorded.tap.counts()
    threads = recorded.tap.threads()
    main = threads[0] if threads else None
    ended = max((t[4] for t in threads if t[4] is not None), default=None)
    exit_code = end.get("exit_code")
    if exit_code is None and main is not None and main[5] is not None:
        exit_code = main[5] if main[5] >= 0 else 128 - main[5]
    dur = end.get("dur_ns") or (ended - head["t0_ns"] if ended else None)
    row = {
        "run_id": run_id,
        "argv": head["argv"],
        "cwd": head["cwd"],
        "host": head["host"],
        "kernel": head["kernel"],
        "ncpu": head["ncpu"],
        "mem_bytes": head["mem_bytes"],
        "tap": head["tap"],
        "tap_options": head["tap_options"],
        "overhead_ns_per_call": _overhead(writer, run_id, counts["calls"]),
        "t0": datetime.fromtimestamp(head["t0_ns"] / 1e9, UTC).replace(tzinfo=None),
        "dur_ns": dur,
        "exit_code": exit_code,
        "calls": counts["calls"],
        "lost_events": counts["unreadable"] + counts["unresolved"],
        "lost_bytes": recorded.lost_bytes,
        "complete": bool(end) and not recorded.lost_bytes,
        "roots": roots,
    }
    types = {"roots": pa.list_(pa.binary()), "argv": pa.list_(pa.string())}
    writer.add("run", {name: [value] for name, value in row.items()}, types)
    facts: dict[str, str | int] = end.get("facts") or {}
    if facts:
        columns: dict[str, list[Any]] = {
            "run_id": [run_id] * len(facts),
            "t_ns": [dur or 0] * len(facts),
            "kind": [FACT_MARKER] * len(facts),
            "name": list(facts),
            "value": [json.dumps(value) for value in facts.values()],
        }
        writer.add("marker", columns, {})


def _overhead(writer: TraceWriter, run_id: int, calls: int) -> float | None:
    """CPU time of the tracer per call in this very run [ns]."""
    found = writer.connection.execute(
        "SELECT sum(cpu_ns) FROM process WHERE run_id = ? AND role = 'tracer'", [run_id]
    ).fetchall()
    return float(found[0][0]) / calls if found[0][0] and calls else None


def _add_threads(writer: TraceWriter, run_id: int, recorded: Recorded) -> None:
    t0 = recorded.head["t0_ns"]
    used: dict[int, tuple[int, int, int]] = {
        tid: (cpu, first, last)
        for tid, cpu, first, last in writer.connection.execute(
            "SELECT tid, max(cpu_ns), min(t_ns), max(t_ns) FROM cpu WHERE run_id = ? GROUP BY tid", [run_id]
        ).fetchall()
    }
    known = {identity[1]: identity for identity in recorded.tap.identities()}
    rows: list[tuple[Any, ...]] = []
    seen = set()
    for pid, tid, ppid, start, end, _ in recorded.tap.threads():
        seen.add(tid)
        comm, argv = _names(known.get(tid))
        cpu = used[tid][0] if tid in used else None
        rows.append((pid, tid, ppid or None, start - t0, end - t0 if end else None, comm, argv, cpu, "job"))
    for tid, (pid, _, ppid, role, _, _) in known.items():
        if tid not in seen:
            comm, argv = _names(known[tid])
            cpu, first, last = used.get(tid, (None, None, None))
            rows.append((pid, tid, ppid or None, first, last, comm, argv, cpu, role))
    names = ("pid", "tid", "ppid", "start_ns", "end_ns", "comm", "argv", "cpu_ns", "role")
    columns: dict[str, list[Any]] = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    columns["run_id"] = [run_id] * len(rows)
    integers = dict.fromkeys(("pid", "tid", "ppid", "start_ns", "end_ns", "cpu_ns"), pa.int64())
    strings = {"comm": pa.string(), "role": pa.string(), "argv": pa.list_(pa.string())}
    writer.add("process", columns, integers | strings)


def _names(identity: tuple[int, int, int, str, bytes, bytes] | None) -> tuple[str | None, list[str] | None]:
    if identity is None:
        return None, None
    words = identity[5].split(b"\0") if identity[5] else []
    return identity[4].decode(errors="replace"), [word.decode(errors="replace") for word in words]


def _add_files(writer: TraceWriter, recorded: Recorded) -> list[bytes]:
    files = recorded.tap.files()
    sources = [os.fsencode(source) for source in recorded.head["sources"]]
    roots = sources or _infer(writer, recorded, [file[0] for file in files])
    root_ids = [_root_of(file[0], roots) for file in files]
    mine = [i for i, root in enumerate(root_ids) if root is not None and files[i][1] != "absent"]
    with ThreadPoolExecutor(_LOOKERS) as pool:
        found = zip(mine, pool.map(_look, [files[i][0] for i in mine]), strict=True)
        looked = {i: status for i, status in found if status is not None}
    rows: dict[str, list[Any]] = {
        "file_id": list(range(len(files))),
        "root_id": root_ids,
        "path": [file[0] for file in files],
        "path_text": [file[0].decode(errors="replace") for file in files],
        "kind": [file[1] or _kind(looked.get(i)) for i, file in enumerate(files)],
        "size_first": [_first(file[2], looked.get(i)) for i, file in enumerate(files)],
        "size_last": [_first(file[3], looked.get(i)) for i, file in enumerate(files)],
        "mtime_ns": [looked[i].st_mtime_ns if i in looked else None for i in range(len(files))],
        "dev": [looked[i].st_dev if i in looked else None for i in range(len(files))],
        "ino": [looked[i].st_ino if i in looked else None for i in range(len(files))],
    }
    integers = dict.fromkeys(("root_id", "size_first", "size_last", "mtime_ns", "dev", "ino"), pa.int64())
    writer.add("file", rows, integers | {"path": pa.binary(), "kind": pa.string(), "path_text": pa.string()})
    return roots


def _infer(writer: TraceWriter, recorded: Recorded, paths: list[bytes]) -> list[bytes]:
    found = writer.connection.execute(
        """SELECT file_id, sum(CASE WHEN op IN ('read', 'copy') THEN greatest(result, 0) WHEN op = 'mmap'
        THEN length ELSE 0 END) AS bytes FROM access WHERE run_id = 0 AND file_id IS NOT NULL GROUP BY file_id
        HAVING bytes > 0 AND count(*) FILTER (op = 'write' OR (op = 'mmap' AND (flags & 4) > 0)) = 0"""
    ).fetchall()
    read = [ReadFile(paths[file_id], int(total)) for file_id, total in found]
    mountpoints = [os.fsencode(mount) for mount in recorded.head.get("fuse_mounts", [])]
    return infer_roots(read, cwd=os.fsencode(recorded.head["cwd"]), mountpoints=mountpoints)


def _root_of(path: bytes, roots: list[bytes]) -> int | None:
    inside = [
        (len(root), i)
        for i, root in enumerate(roots)
        if path == root or path.startswith(root.rstrip(b"/") + b"/")
    ]
    return max(inside)[1] if inside else None


def _look(path: bytes) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - the path is bytes
    except (OSError, ValueError):
        return None


def _kind(found: os.stat_result | None) -> str | None:
    if found is None:
        return None
    mode = found.st_mode
    return "file" if stat.S_ISREG(mode) else "directory" if stat.S_ISDIR(mode) else "special"


def _first(known: int | None, found: os.stat_result | None) -> int | None:
    return known if known is not None else found.st_size if found is not None else None
