"""Opening traces: every defect has its name; logs torn anywhere are completed."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from mlopt_engine._native import Tap
from mlopt_engine.errors import TraceUnreadableError
from traces.capture.build import Recorded, build
from traces.schema import SCHEMA_VERSION
from traces.store import Trace, log_path, spool_path

T0 = 1_000_000_000
HEAD = {
    "argv": ["job"], "cwd": "/", "host": "h", "kernel": "k", "ncpu": 2, "mem_bytes": 1, "tap": "strace",
    "tap_options": "", "sources": ["/data"], "inherited": [], "fuse_mounts": [],
    "fuse_daemons": [], "t0_ns": T0,
}  # fmt: skip


def text(n_files: int) -> bytes:
    lines = []
    for i in range(n_files):
        at = 1 + i / 1000
        lines += [
            f'10 {at:.6f} openat(AT_FDCWD, "/data/{i}", O_RDONLY) = 3 <0.0001>',
            f'10 {at + 0.0002:.6f} read(3, ""..., 4096) = 4096 <0.0001>',
            f'10 {at + 0.0004:.6f} read(3, "", 4096) = 0 <0.0001>',
            f"10 {at + 0.0006:.6f} close(3) = 0 <0.0001>",
        ]
    return ("\n".join(lines) + "\n10 9.0 +++ exited with 0 +++\n").encode()


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    tap = Tap(b"/", [])
    tap.feed(text(10))
    tap.finish()
    path = tmp_path / "t.duckdb"
    build(path, [Recorded(tap, dict(HEAD), {"exit_code": 0, "dur_ns": 8})])
    return path


def test_the_schema_is_the_contracts(trace: Path) -> None:
    with Trace.open(trace) as opened:
        tables = {row[0] for row in opened.connection.execute("SHOW TABLES").fetchall()}
        assert tables == {"meta", "run", "process", "cpu", "file", "access", "marker"}
        rows = opened.connection.execute(
            'SELECT seq, t_ns, pid, tid, op, "offset", length, result FROM access ORDER BY seq LIMIT 3'
        ).fetchall()
        assert rows == [
            (0, 0, 10, 10, "open", None, None, 0),
            (1, 200_000, 10, 10, "read", 0, 4096, 4096),
            (2, 400_000, 10, 10, "read", 4096, 4096, 0),
        ]
        file = opened.connection.execute(
            "SELECT path, root_id, size_first, kind FROM file LIMIT 1"
        ).fetchall()
        assert file == [(b"/data/0", 0, 4096, None)]
        assert len(opened.sha256) == 64
    assert list(trace.parent.iterdir()) == [trace]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(None, "trace-missing", id="missing"),
        pytest.param(b"", "trace-empty", id="empty"),
        pytest.param(b"hello, world, I am a text", "trace-foreign", id="no DuckDB file"),
    ],
)
def test_what_is_no_trace_is_refused(tmp_path: Path, content: bytes | None, code: str) -> None:
    path = tmp_path / "t.duckdb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TraceUnreadableError) as caught:
        Trace.open(path)
    assert caught.value.code == code
    assert caught.value.do


def test_truncated_traces_are_refused_at_any_length(trace: Path) -> None:
    whole = trace.read_bytes()
    refused = 0
    for length in range(1, len(whole), len(whole) // 23):
        trace.write_bytes(whole[:length])
        with pytest.raises(TraceUnreadableError):
            Trace.open(trace)
        refused += 1
    assert refused > 20


def test_a_newer_layout_is_refused_with_both_versions(trace: Path) -> None:
    with duckdb.connect(str(trace)) as connection:
        connection.execute(
            "UPDATE meta SET value = ? WHERE key = 'schema_version'", [str(SCHEMA_VERSION + 1)]
        )
    with pytest.raises(TraceUnreadableError, match=f"schema {SCHEMA_VERSION + 1}"):
        Trace.open(trace)


def test_a_duckdb_file_that_is_no_trace_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE x (y INTEGER)")
    with pytest.raises(TraceUnreadableError):
        Trace.open(path)


def log_of_a_killed_recorder(trace: Path, content: bytes) -> bytes:
    """A log as a recorder leaves it that was killed after its last flush."""
    spool_path(trace).write_bytes(content)
    tap = Tap(b"/", [])
    tap.begin(str(log_path(trace)), str(spool_path(trace)), json.dumps(HEAD).encode())
    tap.tick(T0, False)
    return log_path(trace).read_bytes()


def test_a_log_torn_anywhere_gives_what_came_before(tmp_path: Path) -> None:
    trace = tmp_path / "t.duckdb"
    content = text(50)
    log = log_of_a_killed_recorder(trace, content)
    head_end = 8 + 9 + len(json.dumps(HEAD))
    completed = 0
    for cut in range(0, len(log) + 1, max(1, len(log) // 17)):
        log_path(trace).write_bytes(log[:cut])
        spool_path(trace).write_bytes(content)
        if cut < head_end:
            with pytest.raises(TraceUnreadableError, match="damaged"):
                Trace.open(trace)
            continue
        with Trace.open(trace) as opened:
            # Whatever the log lost, the tracer's own file still has.
            assert opened.connection.execute("SELECT count(*) FROM access").fetchall() == [(200,)]
            assert opened.connection.execute("SELECT complete FROM run").fetchall() == [(False,)]
            assert any("killed" in note for note in opened.notes)
        trace.unlink()
        completed += 1
    assert completed > 10


def test_text_punched_out_and_not_logged_is_counted_as_lost(tmp_path: Path) -> None:
    trace = tmp_path / "t.duckdb"
    content = text(50)
    log = log_of_a_killed_recorder(trace, content)
    head_end = 8 + 9 + len(json.dumps(HEAD))
    log_path(trace).write_bytes(log[:head_end])
    hole = len(content) // 2
    spool_path(trace).write_bytes(b"\0" * hole + content[hole:])
    with Trace.open(trace) as opened:
        rows, lost = opened.connection.execute(
            "SELECT (SELECT count(*) FROM access), lost_bytes FROM run"
        ).fetchall()[0]
        assert lost == hole
        assert 50 < rows < 150
        assert any(str(hole) in note for note in opened.notes)


def test_a_long_trace_needs_at_most_24_bytes_per_access(tmp_path: Path) -> None:
    tap = Tap(b"/", [])
    n = 30_000
    tap.feed(text(n))
    tap.finish()
    path = tmp_path / "t.duckdb"
    build(path, [Recorded(tap, dict(HEAD), {"exit_code": 0, "dur_ns": 8})])
    with Trace.open(path) as opened:
        assert opened.connection.execute("SELECT count(*) FROM access").fetchall() == [(4 * n,)]
        blocks = opened.connection.execute(
            "SELECT count(DISTINCT block_id) FROM pragma_storage_info('access') WHERE block_id >= 0"
        ).fetchall()[0][0]
    assert blocks * 262_144 <= 24 * 4 * n
