"""Ctrl-C in the middle of each command that takes long: no mount, no process and no half a file is left.

The command has a terminal of its own, and Ctrl-C is typed there: the kernel then interrupts the whole
foreground process group, as it does for people.
"""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recorded_job import Job

from mlopt_cli.main import main
from traces.store import Trace

DEADLINE_S = 120.0
#: Takes the terminal on stdin as its own, as a login shell's child has it.
WITH_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
#: Reads its data and says so, then goes on until a signal ends it.
ENDLESS_JOB = """
import pathlib, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
data, ready = map(pathlib.Path, sys.argv[1:])
while True:
    for path in sorted(data.rglob("*.bin")):
        path.read_bytes()
    ready.touch()
"""
#: The demo on less data.
SMALL_DEMO = (
    "import sys; from mlopt_cli.demo import data\n"
    "data.DataSpec.__init__.__defaults__ = (60, 6, 1 << 20, 1)\n"
    "from mlopt_cli.main import main; sys.exit(main(sys.argv[1:]))"
)
MLOPT = (sys.executable, "-m", "mlopt_cli.main")


class Typed:
    """A command at a terminal of its own, which can be typed at."""

    def __init__(self, words: list[str], folder: Path) -> None:
        self.mark = f"MLOPT_TEST={uuid.uuid4()}"
        self.folder = folder
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        name, _, value = self.mark.partition("=")
        self.keyboard, screen = pty.openpty()
        self.shown = bytearray()
        self.process = subprocess.Popen(
            [sys.executable, "-c", WITH_TERMINAL, *words],
            stdin=screen, stdout=screen, stderr=screen, start_new_session=True, cwd=folder,
            env={**os.environ, name: value, "TMPDIR": str(self.scratch), "TERM": "xterm", "COLUMNS": "200",
                 "XDG_CACHE_HOME": str(folder / "cache")},
        )  # fmt: skip
        os.close(screen)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the terminal is gone with its last process
            while part := os.read(self.keyboard, 4096):
                self.shown += part

    def wait_until(self, is_working: Callable[[], bool], within_s: float = DEADLINE_S) -> None:
        """Wait until the command does what it is interrupted in."""
        poll(lambda: is_working() or self.process.poll() is not None, within_s)
        assert self.process.poll() is None, self.shown.decode(errors="replace")
        assert is_working(), self.shown.decode(errors="replace")

    def shows(self, text: str) -> Callable[[], bool]:
        """Make a question: is this on the screen?"""
        return lambda: text.encode() in self.shown

    def type_ctrl_c(self) -> int:
        """Interrupt and wait for the end."""
        os.write(self.keyboard, b"\x03")
        return self.end()

    def end(self) -> int:
        """Wait for the end; nothing may be left of the command."""
        code = self.process.wait(DEADLINE_S)
        poll(lambda: not self.left_processes())
        self.reader.join(DEADLINE_S)
        assert self.left_processes() == [], self.shown.decode(errors="replace")
        assert mounts_below(self.folder) == []
        assert sorted(self.scratch.iterdir()) == []
        assert b"Traceback" not in self.shown, self.shown.decode(errors="replace")
        return code

    def left_processes(self) -> list[str]:
        """List who descends from the command, in whatever session."""
        return [words for pid, words in processes(self.mark) if pid != os.getpid()]

    def close(self) -> None:
        """End whatever a failed test left."""
        for pid, _ in processes(self.mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(DEADLINE_S)
        for place in mounts_below(self.folder):
            subprocess.run(["umount", "-l", place], check=False)
        self.reader.join(DEADLINE_S)
        os.close(self.keyboard)


def processes(mark: str) -> list[tuple[int, str]]:
    """Find the processes that have a mark in their environment; zombies have none."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append((int(folder.name), words))
    return found


def mounts_below(folder: Path) -> list[str]:
    """List mountpoints below a folder."""
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [place for place in places if place.startswith(f"{folder}/")]


def poll(is_so: Callable[[], bool], within_s: float = DEADLINE_S) -> None:
    """Wait until something is so, or the deadline is over."""
    deadline = time.monotonic() + within_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.fixture
def typed(tmp_path: Path) -> Iterator[Callable[..., Typed]]:
    """Start commands of mlopt, each at its own terminal."""
    started: list[Typed] = []

    def start(*words: object, program: tuple[str, ...] = MLOPT) -> Typed:
        started.append(Typed([*program, *map(str, words)], tmp_path))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def endless(tmp_path: Path, job: Job) -> tuple[list[str], Callable[[], bool]]:
    """Make a job without an end; return its words and the question whether it has read its data."""
    script, ready = tmp_path / "endless.py", tmp_path / "ready"
    script.write_text(ENDLESS_JOB)
    return [sys.executable, str(script), str(job.data), str(ready)], ready.exists


@pytest.mark.strace
def test_record_ends_as_the_job_does_and_keeps_what_it_saw(
    typed: Callable[..., Typed], endless: tuple[list[str], Callable[[], bool]], job: Job, tmp_path: Path
) -> None:
    words, is_working = endless
    command = typed("record", "-o", tmp_path / "t.duckdb", "--source", job.data, "--", *words)
    command.wait_until(is_working)
    poll(lambda: (tmp_path / "t.duckdb.log").exists())
    assert command.type_ctrl_c() == 130
    with Trace.open(tmp_path / "t.duckdb") as trace:
        assert trace.connection.execute("SELECT count(*) FROM access WHERE op = 'read'").fetchall()[0][0] > 0
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"t.duckdb", "endless.py", "ready", "scratch", "cache"}


@pytest.mark.strace
@pytest.mark.fuse
def test_run_ends_as_the_command_does_and_nothing_is_mounted(
    typed: Callable[..., Typed], endless: tuple[list[str], Callable[[], bool]], job: Job
) -> None:
    words, is_working = endless
    command = typed("run", "--source", job.data, "--memory", "64MiB", "--", *words)
    command.wait_until(is_working)
    assert command.type_ctrl_c() == 130
    assert mounts_below(job.folder) == []


@pytest.mark.strace
def test_simulate(typed: Callable[..., Typed], job: Job) -> None:
    sizes = [word for size in range(400) for word in ("--memory", f"{size + 500}K")]
    command = typed("simulate", job.trace, *sizes)
    command.wait_until(command.shows("simulating"))
    assert command.type_ctrl_c() == 130
    assert b"interrupted" in command.shown


@pytest.mark.strace
def test_learn_writes_nothing(typed: Callable[..., Typed], job: Job, tmp_path: Path) -> None:
    command = typed(
        "learn", job.trace, "-o", tmp_path / "t.yaml", "--storage", "s3", "--assume-epochs", "4000"
    )
    command.wait_until(command.shows("searching"))
    assert command.type_ctrl_c() == 130
    assert not list(tmp_path.glob("t.yaml*"))


@pytest.mark.strace
def test_replay(typed: Callable[..., Typed], job: Job) -> None:
    command = typed("replay", job.trace, job.data, "--speed", "0.001")
    command.wait_until(command.shows("replaying"))
    assert command.type_ctrl_c() == 130


@pytest.mark.strace
@pytest.mark.fuse
@pytest.mark.parametrize("row", ["source", "lru"])
def test_verify(row: str, typed: Callable[..., Typed], job: Job) -> None:
    words = ("--source", job.data, "-r", "lru", "--memory", "64MiB", "--storage", "nfs", "--repeat", "50")
    command = typed("verify", job.trace, *words)
    command.wait_until(command.shows(f"measuring {row}"))
    poll(lambda: any("replay" in words for _, words in processes(command.mark)))
    assert command.type_ctrl_c() == 130


@pytest.mark.strace
@pytest.mark.fuse
def test_probe_writes_no_model(typed: Callable[..., Typed], emulated: Path, tmp_path: Path) -> None:
    command = typed("probe", emulated, "-o", tmp_path / "storage.json")
    command.wait_until(command.shows("measuring"))
    os.write(command.keyboard, b"\x03")
    assert command.process.wait(DEADLINE_S) == 130
    assert not list(tmp_path.glob("storage.json*"))
    poll(lambda: not command.left_processes())
    assert command.left_processes() == []


@pytest.mark.fuse
def test_probe_of_fuse(typed: Callable[..., Typed], tmp_path: Path) -> None:
    command = typed("probe", "--fuse")
    command.wait_until(lambda: bool(mounts_below(tmp_path)))
    assert command.type_ctrl_c() == 130
    assert not list((tmp_path / "cache").rglob("*.json"))


@pytest.mark.strace
@pytest.mark.fuse
def test_rules_of_a_tree_on_a_slow_storage(
    typed: Callable[..., Typed], tmp_path_factory: pytest.TempPathFactory
) -> None:
    tree, slow = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("slow")
    for number in range(200):
        (tree / f"{number}").mkdir()
        (tree / f"{number}" / "file").write_bytes(b"x")
    assert main(["emulate", str(tree), str(slow), "--latency", "300ms"]) == 0
    try:
        command = typed("test-rules", slow)
        command.wait_until(command.shows("files"))
        assert command.type_ctrl_c() == 130
    finally:
        assert main(["umount", str(slow), "--lazy"]) == 0


FOREGROUND = [("mount", ("--memory", "64MiB"), 143), ("emulate", (), 143)]


@pytest.mark.strace
@pytest.mark.fuse
@pytest.mark.parametrize(("verb", "more", "_code"), FOREGROUND)
def test_foreground_mounts(
    verb: str, more: tuple[str, ...], _code: int, typed: Callable[..., Typed], job: Job, tmp_path: Path
) -> None:
    place = tmp_path / "mnt"
    place.mkdir()
    command = typed(verb, job.data, place, "--foreground", *more)
    command.wait_until(lambda: (place / "index.json").exists())
    assert command.type_ctrl_c() == 130


@pytest.mark.strace
@pytest.mark.fuse
@pytest.mark.parametrize(("verb", "more", "code"), FOREGROUND)
def test_a_terminated_foreground_mount_is_gone(
    verb: str, more: tuple[str, ...], code: int, typed: Callable[..., Typed], job: Job, tmp_path: Path
) -> None:
    place = tmp_path / "mnt"
    place.mkdir()
    command = typed(verb, job.data, place, "--foreground", *more)
    command.wait_until(lambda: (place / "index.json").exists())
    command.process.send_signal(signal.SIGTERM)
    assert command.end() == code


@pytest.mark.strace
@pytest.mark.fuse
@pytest.mark.parametrize("verb", ["mount", "emulate"])
def test_a_terminated_daemon_unmounts(
    verb: str, typed: Callable[..., Typed], job: Job, tmp_path: Path
) -> None:
    place = tmp_path / "mnt"
    place.mkdir()
    command = typed(verb, job.data, place)
    assert command.process.wait(DEADLINE_S) == 0
    assert mounts_below(tmp_path) == [str(place)]
    daemons = processes(command.mark)
    assert daemons
    for pid, words in daemons:
        if "warden" not in words:
            os.kill(pid, signal.SIGTERM)
    poll(lambda: not mounts_below(tmp_path))
    command.end()


@pytest.mark.strace
@pytest.mark.fuse
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("step", "words"), [("$ mlopt record ", " record "), ("$ python ", "train.py")], ids=["record", "measure"]
)
def test_demo(step: str, words: str, typed: Callable[..., Typed], tmp_path: Path) -> None:
    command = typed("demo", "--keep", tmp_path / "demo", program=(sys.executable, "-c", SMALL_DEMO))
    command.wait_until(command.shows(step), within_s=400.0)
    poll(lambda: any(words in running for _, running in processes(command.mark)))
    assert command.type_ctrl_c() == 130
