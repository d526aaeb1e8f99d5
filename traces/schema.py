"""The tables of a trace and the version of their layout."""

from __future__ import annotations

from mlopt_engine._native import operation_names

#: Layout of the tables below; raised with each change, with a step in `MIGRATIONS`.
SCHEMA_VERSION = 1

#: Statements that lead from a version to the next, by the version they start from.
MIGRATIONS: dict[int, tuple[str, ...]] = {}

_OPERATIONS = ", ".join(f"'{name}'" for name in operation_names())

#: Statements that make an empty trace.
TABLES: tuple[str, ...] = (
    f"CREATE TYPE operation AS ENUM ({_OPERATIONS})",
    "CREATE TABLE meta (key VARCHAR NOT NULL, value VARCHAR)",
    """CREATE TABLE run (
        run_id UTINYINT NOT NULL, argv VARCHAR[], cwd VARCHAR, host VARCHAR, kernel VARCHAR, ncpu INTEGER,
        mem_bytes BIGINT, tap VARCHAR, tap_options VARCHAR, overhead_ns_per_call DOUBLE, t0 TIMESTAMP,
        dur_ns BIGINT, exit_code INTEGER, calls BIGINT, lost_events BIGINT, lost_bytes BIGINT,
        complete BOOLEAN NOT NULL, roots BLOB[])""",
    """CREATE TABLE process (
        run_id UTINYINT NOT NULL, pid INTEGER NOT NULL, tid INTEGER NOT NULL, ppid INTEGER, start_ns BIGINT,
        end_ns BIGINT, comm VARCHAR, argv VARCHAR[], cpu_ns BIGINT, role VARCHAR NOT NULL)""",
    """CREATE TABLE cpu (
        run_id UTINYINT NOT NULL, tid INTEGER NOT NULL, t_ns BIGINT NOT NULL, cpu_ns BIGINT NOT NULL,
        delay_ns BIGINT NOT NULL)""",
    """CREATE TABLE file (
        file_id UINTEGER NOT NULL, root_id INTEGER, path BLOB NOT NULL, path_text VARCHAR NOT NULL,
        kind VARCHAR, size_first BIGINT, size_last BIGINT, mtime_ns BIGINT, dev BIGINT, ino BIGINT)""",
    """CREATE TABLE access (
        run_id UTINYINT NOT NULL, seq UBIGINT NOT NULL, t_ns BIGINT NOT NULL, dur_ns BIGINT,
        pid INTEGER NOT NULL, tid INTEGER NOT NULL, handle UINTEGER, op operation NOT NULL, file_id UINTEGER,
        "offset" BIGINT, length BIGINT, result BIGINT, flags UINTEGER NOT NULL)""",
    "CREATE TABLE marker (run_id UTINYINT NOT NULL, t_ns BIGINT NOT NULL, kind VARCHAR NOT NULL, "
    "name VARCHAR, value VARCHAR)",
)

#: Kind of the markers that a recording leaves of its job: name and value (JSON) are a fact.
FACT_MARKER = "fact"
