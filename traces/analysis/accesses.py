"""The accesses of a trace that count: reads, opens, path lookups and listings of data below the source."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlopt_engine.errors import InvalidInputError
from traces.store import Trace
from traces.workload import OP_OPEN, OP_READ, OP_READDIR, OP_STAT, Files

#: A mapping that may execute is program text, not data.
_QUERY = f"""
SELECT t_ns, coalesce(dur_ns, 0) AS dur_ns, tid, pid, coalesce(handle, 0) AS handle, file_id,
  coalesce("offset", 0) AS "offset", CASE WHEN op = 'mmap' THEN coalesce(length, 0)
  ELSE greatest(coalesce(result, 0), 0) END AS length, op = 'mmap' AS mapped,
  CASE op WHEN 'open' THEN {OP_OPEN} WHEN 'stat' THEN {OP_STAT} WHEN 'readdir' THEN {OP_READDIR}
  ELSE {OP_READ} END AS op
FROM access WHERE run_id = 0 AND file_id IN (SELECT file_id FROM chosen) AND result >= 0
AND (op IN ('open', 'readdir') OR (op = 'stat' AND handle IS NULL)
  OR (op IN ('read', 'copy') AND result > 0) OR (op = 'mmap' AND (flags & 6) = 0))
ORDER BY t_ns, seq
"""  # noqa: S608 - our own numbers


@dataclass(frozen=True)
class Accesses:
    """Accesses below the source as columns, ordered by start.

    Attributes
    ----------
    files : Files
        The files, dense by first appearance.
    t_ns, end_ns : ndarray of int64, shape (n,)
        Start and end [ns since the run's start].
    tid, pid : ndarray of int64, shape (n,)
        Thread and process.
    handle : ndarray of int64, shape (n,)
        Open file description, 0 for none.
    op : ndarray of uint8, shape (n,)
        As in `Workload`.
    file : ndarray of int64, shape (n,)
        Index into `files`.
    offset, length : ndarray of int64, shape (n,)
        What was read [bytes].
    mapped : ndarray of bool, shape (n,)
        A mapping, taken for one read of all of it.
    source : str
        What paths are relative to.
    """

    files: Files
    t_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    tid: NDArray[np.int64]
    pid: NDArray[np.int64]
    handle: NDArray[np.int64]
    op: NDArray[np.uint8]
    file: NDArray[np.int64]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    mapped: NDArray[np.bool_]
    source: str


def load(trace: Trace, source: str | None) -> Accesses:
    """Read the accesses below a source.

    Parameters
    ----------
    trace : Trace
        The trace.
    source : str or None
        A directory; the recorded or inferred ones (their common parent) if None.

    Returns
    -------
    Accesses
        Files that the job wrote are left out.

    Raises
    ------
    InvalidInputError
        When nothing was read below `source`.
    """
    base = _base(trace, source)
    prefix = base.rstrip(b"/") + b"/"
    connection = trace.connection
    rows = connection.execute(
        """SELECT file_id, path, coalesce(size_first, -1), coalesce(mtime_ns, 0) FROM file
        WHERE root_id IS NOT NULL OR ? ORDER BY file_id""",
        [source is not None],
    ).fetchall()
    written = {
        row[0]
        for row in connection.execute(
            "SELECT DISTINCT file_id FROM access WHERE run_id = 0 AND op IN ('write', 'truncate') "
            "AND file_id IS NOT NULL"
        ).fetchall()
    }
    chosen = {
        row[0]: (bytes(row[1]), row[2], row[3])
        for row in rows
        if row[0] not in written and (bytes(row[1]).startswith(prefix) or bytes(row[1]) == base)
    }
    connection.execute("CREATE OR REPLACE TEMP TABLE chosen (file_id UINTEGER)")
    if chosen:
        connection.register("ids", {"file_id": np.array(sorted(chosen), np.uint32)})
        connection.execute("INSERT INTO chosen SELECT file_id FROM ids")
        connection.unregister("ids")
    columns = trace.columns(_QUERY)
    if source is not None and not (columns["op"] == OP_READ).any():
        raise InvalidInputError(
            "the job read nothing below this directory",
            where="--source",
            value=source,
            do=f"Its data seem to be in {', '.join(trace.roots) or 'no one place'}",
        )
    return _dense(columns, chosen, prefix, os.fsdecode(base))


def _base(trace: Trace, source: str | None) -> bytes:
    if source is not None:
        return os.fsencode(str(Path(source).absolute()))
    roots = [os.fsencode(root) for root in trace.roots]
    return os.path.commonpath(roots) if roots else b"/nonexistent"


def _dense(
    columns: dict[str, NDArray[Any]], chosen: dict[int, tuple[bytes, int, int]], prefix: bytes, source: str
) -> Accesses:
    ids = columns["file_id"].astype(np.int64)
    unique, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    file = rank[inverse] if len(ids) else ids
    info = [chosen[int(i)] for i in unique[order]]
    end = columns["offset"].astype(np.int64) + columns["length"].astype(np.int64)
    is_read = columns["op"] == OP_READ
    furthest = np.zeros(len(info), np.int64)
    np.maximum.at(furthest, file[is_read], end[is_read])
    known = np.array([size for _, size, _ in info], np.int64)
    size = np.where(known >= 0, known, furthest)
    mapped = columns["mapped"].astype(bool)
    offset = columns["offset"].astype(np.int64)
    length = columns["length"].astype(np.int64)
    length = np.where(mapped, np.clip(size[file] - offset, 0, length), length) if len(ids) else length
    files = Files(
        [path[len(prefix) :] for path, _, _ in info], size, np.array([m for _, _, m in info], np.int64)
    )
    start = columns["t_ns"].astype(np.int64)
    return Accesses(
        files=files,
        t_ns=start,
        end_ns=start + columns["dur_ns"].astype(np.int64),
        tid=columns["tid"].astype(np.int64),
        pid=columns["pid"].astype(np.int64),
        handle=columns["handle"].astype(np.int64),
        op=columns["op"].astype(np.uint8),
        file=file,
        offset=offset,
        length=length,
        mapped=mapped,
        source=source,
    )
