"""What to do with the log of a recorder that died: finish its work and say what was lost."""

from __future__ import annotations

import json
from pathlib import Path

from mlopt_engine._native import Tap
from mlopt_engine.errors import TraceUnreadableError
from traces.capture.build import Recorded, build
from traces.store import log_path, spool_path


def complete(trace: Path) -> list[str]:
    """Build the database of a recording from its log and what the tracer wrote after it.

    Parameters
    ----------
    trace : Path
        The database to be.

    Returns
    -------
    list of str
        What was lost, for people.

    Raises
    ------
    TraceUnreadableError
        When the job still runs, or not even the log's first frame survived.
    """
    log, spool = log_path(trace), spool_path(trace)
    still = _still_traced(spool)
    if still is not None:
        raise TraceUnreadableError(
            "the job is still running and being traced",
            where=str(trace),
            value=f"strace is process {still}",
            do="Wait for the job to end, then repeat",
            code="trace-recording",
        )
    recorded = read_log(trace)
    build(trace, [recorded])
    for path in (log, spool):
        path.unlink(missing_ok=True)
    return recorded.notes


def read_log(trace: Path) -> Recorded:
    """Replay a log.

    Parameters
    ----------
    trace : Path
        The database that it belongs to.

    Returns
    -------
    Recorded
        The run as far as it survived.

    Raises
    ------
    TraceUnreadableError
        When the log's first frame is damaged.
    """
    log, spool = log_path(trace), spool_path(trace)
    head = Tap(b"/", []).replay(str(log), None)["head"]
    if head is None:
        raise TraceUnreadableError(
            "the recording's log is damaged from its first byte on",
            where=str(log),
            do="Delete it and record again",
            code="log-damaged",
        )
    facts = json.loads(head)
    inherited = [(fd, path.encode("latin-1"), at) for fd, path, at in facts["inherited"]]
    tap = Tap(facts["cwd"].encode(errors="surrogateescape"), inherited)
    found = tap.replay(str(log), str(spool) if spool.exists() else None)
    end = json.loads(found["end"]) if found["end"] else {}
    notes = []
    if not end:
        last = found["last_sample_ns"]
        since = f" after {(last - facts['t0_ns']) / 1e9:.1f} s" if last else ""
        notes.append(f"the recorder was killed: the job's calls are whole, its CPU times end{since}")
    if found["lost_bytes"]:
        notes.append(f"{found['lost_bytes']} bytes of the recording's log are damaged or missing")
    return Recorded(tap, facts, end, found["lost_bytes"], notes)


def _still_traced(spool: Path) -> int | None:
    """Find the strace that writes this file."""
    needle = str(spool.absolute()).encode()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"strace") and needle in words:
            return int(process.name)
    return None
