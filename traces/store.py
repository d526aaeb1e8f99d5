"""A trace as one DuckDB file: opened with every defect named, written under a temporary name."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import mlopt_engine
from mlopt_engine._native import operation_names
from mlopt_engine.errors import TraceUnreadableError
from traces.schema import MIGRATIONS, SCHEMA_VERSION, TABLES

UNKNOWN = int(np.iinfo(np.int64).min)
NONE = int(np.iinfo(np.uint32).max)
_DUCKDB_MAGIC = b"DUCK"
_HEADER_BYTES = 4096


def log_path(trace: Path) -> Path:
    """Name the log that a recording of `trace` writes first.

    Parameters
    ----------
    trace : Path
        The database.

    Returns
    -------
    Path
        Beside it.
    """
    return trace.with_name(trace.name + ".log")


def spool_path(trace: Path) -> Path:
    """Name the file that the tracer writes.

    Parameters
    ----------
    trace : Path
        The database.

    Returns
    -------
    Path
        Beside it.
    """
    return trace.with_name(trace.name + ".strace")


class Trace:
    """An open trace, read-only.

    Parameters
    ----------
    path : Path
        The file.
    connection : duckdb.DuckDBPyConnection
        Open on it.
    """

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.path = path
        self.connection = connection
        self.notes: list[str] = []
        """What happened on opening: a log that was completed, and what it had lost."""
        self._sha256: str | None = None

    @classmethod
    def open(cls, path: Path) -> Trace:
        """Open a trace; what a killed recorder left is completed first.

        Parameters
        ----------
        path : Path
            The file.

        Returns
        -------
        Trace
            To be closed, or used as a context manager.

        Raises
        ------
        TraceUnreadableError
            When it is missing, empty, truncated, no trace, of a newer layout, or still being recorded.
        """
        path = Path(path)
        notes: list[str] = []
        if not path.exists() and log_path(path).exists():
            from traces.capture.completion import complete

            notes = complete(path)
        _check_file(path)
        try:
            connection = duckdb.connect(str(path), read_only=True)
            version = _version(connection)
        except duckdb.CatalogException as error:
            raise TraceUnreadableError(
                "this is a DuckDB database, but no trace of mlopt",
                where=str(path),
                do="Give a file that 'mlopt record' wrote",
                code="no-trace",
            ) from error
        except duckdb.Error as error:
            raise TraceUnreadableError(
                f"the trace is damaged: {str(error).splitlines()[0]}",
                where=str(path),
                do="Record it again, or restore the file",
                code="trace-damaged",
            ) from error
        if version > SCHEMA_VERSION:
            connection.close()
            raise TraceUnreadableError(
                "the trace was written by a newer mlopt",
                where=str(path),
                value=f"schema {version}, this one reads up to {SCHEMA_VERSION}",
                do="Upgrade mlopt",
                code="trace-newer",
            )
        if version < SCHEMA_VERSION:
            connection.close()
            connection = _migrate(path, version)
        trace = cls(path, connection)
        trace.notes = notes
        return trace

    @property
    def sha256(self) -> str:
        """The content's hash, hexadecimal."""
        if self._sha256 is None:
            with self.path.open("rb") as stream:
                self._sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return self._sha256

    @property
    def roots(self) -> list[str]:
        """Source directories, in the order of `file.root_id`."""
        rows = self.connection.execute("SELECT roots FROM run ORDER BY run_id LIMIT 1").fetchall()
        return [os.fsdecode(bytes(root)) for root in (rows[0][0] if rows and rows[0][0] else [])]

    def columns(self, query: str, parameters: list[Any] | None = None) -> dict[str, NDArray[Any]]:
        """Run a query and take its result as arrays.

        Parameters
        ----------
        query : str
            SQL; numbers only, no column with nulls.
        parameters : list, optional
            For its question marks.

        Returns
        -------
        dict
            Column name to array.
        """
        found = self.connection.execute(query, parameters or []).fetchnumpy()
        return {
            name: column.filled() if isinstance(column, np.ma.MaskedArray) else np.asarray(column)
            for name, column in found.items()
        }

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def __enter__(self) -> Trace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_file(path: Path) -> None:
    where = str(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
            size = os.fstat(stream.fileno()).st_size
    except FileNotFoundError as error:
        raise TraceUnreadableError(
            "there is no such trace",
            where=where,
            do=f"Make one: mlopt record -o {where} -- COMMAND",
            code="trace-missing",
        ) from error
    except OSError as error:
        raise TraceUnreadableError(
            f"the trace cannot be read: {error.strerror}",
            where=where,
            do="Check path and permissions",
            code="trace-unreadable",
        ) from error
    if size == 0:
        raise TraceUnreadableError(
            "the trace is empty", where=where, do="Record it again", code="trace-empty"
        )
    if head[8:12] != _DUCKDB_MAGIC:
        raise TraceUnreadableError(
            "this is no trace of mlopt",
            where=where,
            value=repr(head[:8]),
            do="Give a file that 'mlopt record' wrote",
            code="trace-foreign",
        )
    expected = _expected_bytes(path)
    if size < expected:
        raise TraceUnreadableError(
            "the trace is truncated",
            where=where,
            value=f"{size} of {expected} bytes",
            do="Copy it again, or record again",
            code="trace-truncated",
        )


def _expected_bytes(path: Path) -> int:
    """Length that the newer of the two headers tells: DuckDB opens shorter files and fails when it reads."""
    with path.open("rb") as stream:
        stream.seek(_HEADER_BYTES)
        headers = [stream.read(_HEADER_BYTES) for _ in range(2)]
    if any(len(header) < _HEADER_BYTES for header in headers):
        return 3 * _HEADER_BYTES
    # checksum, iteration, meta block, free list, number of blocks, size of a block
    fields = max((struct.unpack_from("<6Q", header) for header in headers), key=lambda found: found[1])
    return 3 * _HEADER_BYTES + int(fields[4]) * int(fields[5])


def _version(connection: duckdb.DuckDBPyConnection) -> int:
    rows = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchall()
    if not rows or not str(rows[0][0]).isdigit():
        raise duckdb.InvalidInputException("no schema version in it")
    connection.execute("SELECT count(*) FROM run, process").fetchall()
    return int(rows[0][0])


def _migrate(path: Path, version: int) -> duckdb.DuckDBPyConnection:
    """Bring an older trace up to date in memory; the file stays as it is."""
    memory = duckdb.connect(":memory:")
    memory.execute(f"ATTACH '{_quoted(path)}' AS old (READ_ONLY)")
    memory.execute("COPY FROM DATABASE old TO memory")
    memory.execute("DETACH old")
    for step in range(version, SCHEMA_VERSION):
        if step not in MIGRATIONS:
            raise TraceUnreadableError(
                "no way is known from this trace's layout to today's",
                where=str(path),
                value=f"schema {version}",
                do="Record it again",
                code="trace-older",
            )
        for statement in MIGRATIONS[step]:
            memory.execute(statement)
    return memory


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


class TraceWriter:
    """Builds a trace under a temporary name; it appears under its own only when it is whole.

    Parameters
    ----------
    path : Path
        Final name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = path.with_name(path.name + ".tmp")
        self._remove()
        mask = os.umask(0o077)
        try:
            self.connection = duckdb.connect(str(self._temporary))
        finally:
            os.umask(mask)
        for statement in TABLES:
            self.connection.execute(statement)
        self._next_seq = 0
        self._last_t_ns = 0
        self._in_order = True

    def add_accesses(self, run_id: int, t0_ns: int, columns: Mapping[str, NDArray[Any]]) -> None:
        """Append accesses.

        Parameters
        ----------
        run_id : int
            The run.
        t0_ns : int
            Its start, by the tracer's clock [ns].
        columns : mapping
            As `Tap.take_rows` gives them.
        """
        count = len(columns["t_ns"])
        if not count:
            return
        self._in_order &= int(columns["t_ns"][0]) >= self._last_t_ns
        self._last_t_ns = int(columns["t_ns"][-1])
        arrays = dict(columns)
        arrays["seq"] = np.arange(self._next_seq, self._next_seq + count, dtype=np.uint64)
        table = pa.table(
            {name: pa.array(array) for name, array in arrays.items() if name != "op"}
            | {"op": pa.DictionaryArray.from_arrays(pa.array(arrays["op"]), pa.array(operation_names()))}
        )
        self._next_seq += count
        self.connection.register("batch", table)
        self.connection.execute(
            f"""INSERT INTO access SELECT {run_id}, seq, t_ns - {t0_ns}, nullif(dur_ns, {UNKNOWN}), pid, tid,
            nullif(handle, {NONE}), op, nullif(file_id, {NONE}), nullif("offset", {UNKNOWN}),
            nullif(length, {UNKNOWN}), nullif(result, {UNKNOWN}), flags FROM batch"""  # noqa: S608 - our own numbers
        )
        self.connection.unregister("batch")

    def add_samples(self, run_id: int, t0_ns: int, columns: Mapping[str, NDArray[Any]]) -> None:
        """Append CPU samples.

        Parameters
        ----------
        run_id : int
            The run.
        t0_ns : int
            Its start, by the tracer's clock [ns].
        columns : mapping
            As `Tap.take_samples` gives them.
        """
        if not len(columns["t_ns"]):
            return
        self.connection.register("batch", pa.table({k: pa.array(v) for k, v in columns.items()}))
        self.connection.execute(
            f"INSERT INTO cpu SELECT {run_id}, tid, t_ns - {t0_ns}, cpu_ns, delay_ns FROM batch"  # noqa: S608
        )
        self.connection.unregister("batch")

    def add(self, table: str, rows: Mapping[str, list[Any]], types: Mapping[str, pa.DataType]) -> None:
        """Append rows to a small table.

        Parameters
        ----------
        table : str
            Its name.
        rows : mapping
            Column name to values, None for unknown.
        types : mapping
            Arrow types of columns that cannot be guessed.
        """
        batch = pa.table({name: pa.array(values, types.get(name)) for name, values in rows.items()})
        self.connection.register("batch", batch)
        self.connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM batch")  # noqa: S608
        self.connection.unregister("batch")

    def finish(self, meta: Mapping[str, object]) -> None:
        """Complete the trace and give it its name.

        Parameters
        ----------
        meta : mapping
            More rows of the table meta.
        """
        rows = {"schema_version": SCHEMA_VERSION, "mlopt": mlopt_engine.__version__} | dict(meta)
        values = [value if isinstance(value, str) else json.dumps(value) for value in rows.values()]
        self.add("meta", {"key": list(rows), "value": values}, {})
        if not self._in_order:
            self._sort()
        self.connection.execute("CHECKPOINT")
        self.connection.close()
        with self._temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        self._temporary.replace(self.path)

    def abandon(self) -> None:
        """Give up: nothing stays under any name."""
        self.connection.close()
        self._remove()

    def _sort(self) -> None:
        """Put right what a call that outlasted a batch put out of order."""
        self.connection.execute("CREATE TABLE sorted AS FROM access ORDER BY run_id, t_ns, seq")
        self.connection.execute("DROP TABLE access")
        self.connection.execute(TABLES[[t.startswith("CREATE TABLE access") for t in TABLES].index(True)])
        self.connection.execute(
            "INSERT INTO access SELECT * REPLACE ((row_number() OVER () - 1)::UBIGINT AS seq) FROM sorted"
        )
        self.connection.execute("DROP TABLE sorted")

    def _remove(self) -> None:
        for path in (self._temporary, self._temporary.with_name(self._temporary.name + ".wal")):
            path.unlink(missing_ok=True)
