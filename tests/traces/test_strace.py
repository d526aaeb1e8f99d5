"""Recording real processes with the real strace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from traces.capture import strace
from traces.store import Trace, log_path, spool_path

pytestmark = [
    pytest.mark.strace,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]
PYTHON = [sys.executable, "-I", "-S", "-c"]
RECORD = [sys.executable, "-m", "mlopt_cli.main", "record"]
DEADLINE_S = 30.0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small source directory."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a", "b", "c"):
        (source / name).write_bytes(name.encode() * 5000)
    (source / os.fsdecode(b'odd\n"\\\xff')).write_bytes(b"x" * 100)
    return source


def record(trace: Path, *words: str, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*RECORD, "-o", str(trace), *flags, "--", *words], capture_output=True, timeout=60, check=False
    )


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def accesses(trace: Path, root: Path) -> list[tuple[str, str, int | None, int | None]]:
    """Operation, path below the root, offset, result of each access below the root, in order."""
    with Trace.open(trace) as opened:
        rows = opened.connection.execute(
            """SELECT op, path, "offset", result FROM access JOIN file USING (file_id)
            WHERE run_id = 0 AND starts_with(path_text, ?) ORDER BY seq""",
            [f"{root}/"],
        ).fetchall()
    prefix = len(os.fsencode(root)) + 1
    return [(op, os.fsdecode(bytes(path)[prefix:]), offset, result) for op, path, offset, result in rows]


def reads(trace: Path, root: Path) -> list[tuple[str, int | None, int | None]]:
    return [row[1:] for row in accesses(trace, root) if row[0] == "read" and row[3]]


JOB = """
import os, sys
d = os.fsencode(sys.argv[1])
dir_fd = os.open(d, os.O_RDONLY)
f = os.open(b'a', os.O_RDONLY, dir_fd=dir_fd)
os.read(f, 10)
g = os.dup(f); os.read(g, 20); os.close(f)
if os.fork() == 0:
    os.read(g, 5); os._exit(0)
os.wait()
os.pread(g, 7, 100); os.readv(g, [bytearray(3), bytearray(4)]); os.preadv(g, [bytearray(6)], 50)
os.chdir(d)
h = os.open(b'b', os.O_RDONLY); os.set_inheritable(h, True)
if (child := os.posix_spawn('/bin/cat', ['cat', '/proc/self/fd/%d' % h][:1], os.environ,
    file_actions=[(os.POSIX_SPAWN_DUP2, h, 0)])): os.waitpid(child, 0)
odd = os.open(b'odd\\n"\\\\\\xff', os.O_RDONLY); os.read(odd, 1000)
c = os.open(b'c', os.O_RDONLY)
out = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)
os.sendfile(out, c, 0, 1000); os.copy_file_range(c, out, 500)
os.stat('a'); os.listdir('.')
import mmap
mmap.mmap(c, 0, prot=mmap.PROT_READ).close()
"""


def test_every_way_of_reading_is_seen_with_its_offset(tmp_path: Path, data: Path) -> None:
    trace = tmp_path / "t.duckdb"
    done = record(trace, *PYTHON, JOB, str(data), str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    seen = reads(trace, data)
    # a: 10 + 20 through a dup, 5 in a forked child, then pread, readv (at 35) and preadv.
    assert [row[1:] for row in seen if row[0] == "a"] == [
        (0, 10),
        (10, 20),
        (30, 5),
        (100, 7),
        (35, 7),
        (50, 6),
    ]
    # b is read by cat, whose standard input it is after posix_spawn (vfork), dup2 and exec.
    assert ("b", 0, 5000) in seen
    assert (os.fsdecode(b'odd\n"\\\xff'), 0, 100) in seen
    others = [row for row in accesses(trace, data) if row[0] in ("copy", "mmap", "stat", "readdir")]
    assert ("copy", "c", 0, 1000) in others
    assert ("mmap", "c", 0, 0) in others
    assert any(row[:2] == ("stat", "a") for row in others)
    with Trace.open(trace) as opened:
        assert opened.roots == [str(data)]
        run = opened.connection.execute("SELECT complete, lost_events, exit_code FROM run").fetchall()
        assert run == [(True, 0, 0)]
        assert opened.connection.execute(
            "SELECT count(*) FROM process WHERE role = 'tracer' AND cpu_ns > 0"
        ).fetchall() == [(1,)]
        listed = opened.connection.execute("SELECT count(*) FROM access WHERE op = 'readdir' AND result > 0")
        assert listed.fetchall()[0][0] >= 1
    assert trace.stat().st_mode & 0o777 == 0o600
    assert not log_path(trace).exists()
    assert not spool_path(trace).exists()


def test_a_directory_that_was_inferred_is_named_and_one_that_was_given_is_not(
    tmp_path: Path, data: Path
) -> None:
    words = (*PYTHON, f"open({str(data / 'a')!r}, 'rb').read()")
    done = record(tmp_path / "t.duckdb", *words)
    assert f"the data is taken to lie in {data}; --source DIR names another".encode() in done.stderr
    done = record(tmp_path / "u.duckdb", *words, flags=("--source", str(data)))
    assert b"taken to lie" not in done.stderr


def test_threads_share_descriptors_and_inherited_files_are_known(tmp_path: Path, data: Path) -> None:
    trace = tmp_path / "t.duckdb"
    code = (
        "import os, threading\n"
        "fd = os.open('b', os.O_RDONLY)\n"
        "t = [threading.Thread(target=os.pread, args=(fd, 10, 100 * i)) for i in range(4)]\n"
        "[x.start() for x in t]; [x.join() for x in t]\n"
        "os.read(0, 30)\n"
    )
    with (data / "a").open("rb") as stream:
        stream.seek(1000)
        os.lseek(stream.fileno(), 1000, os.SEEK_SET)
        done = subprocess.run(
            [*RECORD, "-o", str(trace), "--source", str(data), "--", *PYTHON, code],
            stdin=stream, cwd=data, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = reads(trace, data)
    assert sorted(row[1] for row in seen if row[0] == "b") == [0, 100, 200, 300]
    assert ("a", 1000, 30) in seen


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(("sh", "-c", "exit 7"), 7, id="own exit code"),
        pytest.param(("sh", "-c", "kill -9 $$"), 137, id="killed by a signal"),
        pytest.param(("no-such-command-here",), 127, id="not found"),
        pytest.param(("/etc/hostname",), 126, id="not executable"),
    ],
)
def test_the_exit_code_is_the_jobs(tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    done = record(tmp_path / "t.duckdb", *words)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr


def test_streams_are_the_jobs_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [*RECORD, "-o", str(tmp_path / "t.duckdb"), "--", "sh", "-c", "cat; echo problem >&2"],
        input=b"some input", capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == b"some input"
    assert done.stderr.startswith(b"problem\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_reach_the_job(tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready"
    script = f"trap 'exit 9' {number.name[3:]}; touch {ready}; while :; do sleep 0.05; done"
    job = subprocess.Popen([*RECORD, "-o", str(tmp_path / "t.duckdb"), "--", "bash", "-c", script])
    wait_until(ready.exists)
    job.send_signal(number)
    assert job.wait(DEADLINE_S) == 9


SLOW_JOB = """
import os, sys
for n in range(100):
    for name in 'abc':
        open(os.path.join(sys.argv[1], name), 'rb').read()
    if n == 49:
        open(sys.argv[2], 'w').close()
        while not os.path.exists(sys.argv[3]): __import__('time').sleep(.01)
open(sys.argv[2] + '.done', 'w').close()
"""


def test_kill_of_the_recorder_loses_no_call_and_report_completes(tmp_path: Path, data: Path) -> None:
    trace, ready, go = tmp_path / "t.duckdb", tmp_path / "ready", tmp_path / "go"
    words = [*PYTHON, SLOW_JOB, str(data), str(ready), str(go)]
    recorder = subprocess.Popen([*RECORD, "-o", str(trace), "--", *words], stderr=subprocess.DEVNULL)
    wait_until(ready.exists)
    recorder.kill()
    recorder.wait()
    early = report(trace)
    assert early.returncode == 4
    assert b"still running" in early.stderr
    go.touch()
    wait_until(Path(f"{ready}.done").exists)
    wait_until(lambda: b"still running" not in (late := report(trace)).stderr and late.returncode == 0)
    assert len(reads(trace, data)) == 300
    with Trace.open(trace) as opened:
        complete, exit_code = opened.connection.execute("SELECT complete, exit_code FROM run").fetchall()[0]
    assert (complete, exit_code) == (False, 0)
    assert not log_path(trace).exists()


def test_when_strace_dies_the_job_is_stopped_and_the_trace_kept(tmp_path: Path, data: Path) -> None:
    trace, ready = tmp_path / "t.duckdb", tmp_path / "ready"
    words = [*PYTHON, SLOW_JOB, str(data), str(ready), str(tmp_path / "never")]
    recorder = subprocess.Popen([*RECORD, "-o", str(trace), "--", *words], stderr=subprocess.PIPE)
    wait_until(ready.exists)
    job = child_of(recorder.pid)
    tracer = int(Path(f"/proc/{job}/status").read_text().split("TracerPid:")[1].split()[0])
    os.kill(tracer, signal.SIGKILL)
    stderr = recorder.communicate(timeout=DEADLINE_S)[1]
    assert recorder.returncode == 125
    assert b"strace died" in stderr
    assert not Path(f"/proc/{job}").exists()
    assert len(reads(trace, data)) == 150


def report(trace: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "mlopt_cli.main", "report", str(trace)],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def child_of(pid: int) -> int:
    children: Iterator[str] = iter(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return int(next(children))


def test_an_existing_trace_is_not_overwritten_without_force(tmp_path: Path) -> None:
    trace = tmp_path / "t.duckdb"
    trace.write_bytes(b"precious")
    done = record(trace, "true")
    assert done.returncode == 125
    assert b"--force" in done.stderr
    assert trace.read_bytes() == b"precious"
    assert record(trace, "true", flags=("--force",)).returncode == 0
    Trace.open(trace).close()


def test_secrets_do_not_reach_the_trace(tmp_path: Path) -> None:
    trace = tmp_path / "t.duckdb"
    done = record(trace, "sh", "-c", "sleep 0.2", "--token=canary-4711")
    assert done.returncode == 0
    with Trace.open(trace) as opened:
        assert opened.connection.execute("SELECT argv FROM run").fetchall()[0][0][-1] == "--token=***"
    assert b"canary-4711" not in trace.read_bytes()


def test_calibration_runs_the_command_again_untraced(tmp_path: Path, data: Path) -> None:
    trace, count = tmp_path / "t.duckdb", tmp_path / "count"
    code = (
        "import os, sys\n"
        "open(sys.argv[2], 'a').write('x')\n"
        "for n in range(30):\n"
        "    b = open(sys.argv[1] + '/a', 'rb').read(); sum(b * 20)\n"
    )
    done = record(trace, *PYTHON, code, str(data), str(count), flags=("--calibrate", "--source", str(data)))
    assert done.returncode == 0, done.stderr
    assert count.read_text() == "xx"
    with Trace.open(trace) as opened:
        runs = opened.connection.execute("SELECT run_id, tap FROM run ORDER BY run_id").fetchall()
        assert runs == [(0, "strace"), (1, "cpu")]
        cpu = opened.connection.execute("SELECT max(cpu_ns) FROM cpu WHERE run_id = 1").fetchall()[0][0]
        assert cpu > 10_000_000


def test_rows_drained_while_the_job_runs_are_whole_and_in_order(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strace, "ROWS_IN_MEMORY", 20)
    trace, go = tmp_path / "t.duckdb", tmp_path / "go"
    go.touch()
    words = [*PYTHON, SLOW_JOB, str(data), str(tmp_path / "ready"), str(go)]
    assert strace.record(strace.RecordOptions(command=words, trace=trace)) == 0
    assert len(reads(trace, data)) == 300
    with Trace.open(trace) as opened:
        out_of_order = opened.connection.execute(
            "SELECT count(*) FROM (SELECT t_ns < lag(t_ns) OVER (ORDER BY seq) AS late FROM access) "
            "WHERE late"
        ).fetchall()[0][0]
    assert out_of_order == 0
