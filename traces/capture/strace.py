"""Recording with strace: a process apart, whose file is tailed while the job runs.

The job stays our child (`strace -DDD` makes the tracer a grandchild in a session of its own): its exit
code, its signals and its terminal are untouched. strace writes to a plain file, so a kill of this process
stops neither. If strace dies, seccomp makes every traced call of the job fail with ENOSYS: the job is
killed at once.
"""

from __future__ import annotations

import json
import os
import platform
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlopt_engine._native import Tap, redact, traced_calls
from mlopt_engine.errors import InvalidInputError, MissingPrerequisiteError, UserError
from mlopt_engine.job import job_facts
from mlopt_engine.processes import evidence_of, family_of
from traces.capture.build import Recorded, build, drain
from traces.store import TraceWriter, log_path, spool_path

#: Between two samples of CPU times [s]; reading 10 threads costs about .1 ms of it.
SAMPLE_S = 0.025
#: How long a tracer may take to attach before it is given up [s].
ATTACH_S = 10.0
#: First look at the job's processes, then after twice as long, up to this [s].
FIRST_LOOK_S = 0.3
LONGEST_PAUSE_S = 60.0
#: Rows (64 bytes each) that are kept before they go to the unfinished database: some 200 ms of work.
ROWS_IN_MEMORY = 1_000_000
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True)
class RecordOptions:
    """What to record, and where to.

    Attributes
    ----------
    command : list of str
        The job.
    trace : Path
        The database.
    sources : list of Path
        Source directories; inferred when empty.
    calibrate : bool
        Run the command once more, untraced.
    force : bool
        Replace an existing trace.
    note : callable
        Called with sentences for people.
    """

    command: list[str]
    trace: Path
    sources: list[Path] = field(default_factory=list)
    calibrate: bool = False
    force: bool = False
    note: Callable[[str], None] = lambda _: None


def record(options: RecordOptions) -> int:
    """Run a command and record how it reads its files.

    Parameters
    ----------
    options : RecordOptions
        What and where to.

    Returns
    -------
    int
        The command's exit code, 128+N when a signal ended it, 126 or 127 when it could not be run.

    Raises
    ------
    UserError
        When the trace exists, strace is missing or died, or nothing can be written.
    """
    trace = options.trace.absolute()
    _check_target(trace, force=options.force)
    strace = shutil.which("strace")
    if strace is None:
        raise MissingPrerequisiteError(
            "strace is not installed",
            do="Install it: apt-get install strace (or dnf, pacman)",
            code="no-strace",
        )
    sources = [_source(source) for source in options.sources]
    unusable = _unusable(options.command[0])
    if unusable:
        options.note(f"cannot run '{options.command[0]}': {unusable[1]}")
        return unusable[0]
    traced = _Run(options, sources, strace)
    code = traced.execute()
    runs = [traced.recorded]
    if options.calibrate and code == 0:
        options.note("running once more without the tracer")
        untraced = _Run(options, sources, None)
        code = untraced.execute()
        runs.append(untraced.recorded)
    roots = build(trace, runs, traced.writer)
    if roots and not sources:
        # rules see paths relative to it: a recipe learned here fits a mount of this directory, not of another
        found = ", ".join(os.fsdecode(root) for root in roots)
        options.note(f"the data is taken to lie in {found}; --source DIR names another directory")
    for run in (traced, *([untraced] if len(runs) > 1 else [])):
        run.remove_files()
    return code


def _check_target(trace: Path, *, force: bool) -> None:
    if not trace.parent.is_dir():
        raise InvalidInputError(
            "there is no directory to write the trace to", where="-o", value=str(trace.parent), do="Create it"
        )
    if trace.is_dir():
        raise InvalidInputError(
            "the trace's name is a directory", where=str(trace), do="Choose another with -o"
        )
    existing = [path for path in (trace, log_path(trace)) if path.exists()]
    if existing and not force:
        raise InvalidInputError(
            "the trace exists" if existing[0] == trace else "an unfinished recording of that name exists",
            where=str(existing[0]),
            do="Choose another name with -o, or replace it with --force"
            if existing[0] == trace
            else f"Finish it with 'mlopt report {trace}', or replace it with --force",
            code="trace-exists",
        )
    for path in (log_path(trace), spool_path(trace)):
        path.unlink(missing_ok=True)


def _source(path: Path) -> Path:
    if not path.is_dir():
        raise InvalidInputError(
            "the source is no directory" if path.exists() else "there is no such source directory",
            where="--source",
            value=str(path),
            do="Give a directory that the job reads",
        )
    return path.absolute()


def _unusable(program: str) -> tuple[int, str] | None:
    """Exit code and reason as a shell gives them for a command that cannot be run."""
    if shutil.which(program) is not None:
        return None
    path = Path(program)
    if "/" in program and path.exists():
        return 126, "it is a directory" if path.is_dir() else "it is not executable"
    return 127, "command not found"


def traced_words(strace: str, text: Path, command: list[str]) -> list[str]:
    """Return the command line that runs a job under strace with the calls that a trace is made of.

    Parameters
    ----------
    strace : str
        The program.
    text : Path
        Where it writes.
    command : list of str
        The job.

    Returns
    -------
    list of str
        Its words.
    """
    calls, vectored = traced_calls()
    return [
        strace, "-DDD", "-f", "--seccomp-bpf", "--quiet=attach,personality", "-s", "0",
        "--absolute-timestamps=format:unix,precision:ns", "--syscall-times=ns",
        # A question mark before a name: no error where an architecture lacks the call.
        "-e", "trace=" + ",".join(f"?{name}" for name in calls),
        "-e", "abbrev=!" + ",".join(vectored),
        "-o", str(text), "--", *command,
    ]  # fmt: skip


class _Run:
    """One run of the job, traced or (calibration) only sampled."""

    def __init__(self, options: RecordOptions, sources: list[Path], strace: str | None) -> None:
        self._options = options
        self._strace = strace
        trace = options.trace.absolute()
        suffix = "" if strace else ".untraced"
        self._log = log_path(trace).with_name(log_path(trace).name + suffix)
        self._spool = spool_path(trace).with_name(spool_path(trace).name + suffix)
        inherited = _inherited()
        head = _facts(options.command, sources, inherited, "strace" if strace else "cpu")
        tap = Tap(os.fsencode(head["cwd"]), inherited)
        self.recorded = Recorded(tap, head)
        self._tracer: int | None = None
        self._tracer_died = threading.Event()
        self._job: subprocess.Popen[bytes] | None = None
        self._facts: dict[str, str | int] = {}
        self.writer: TraceWriter | None = None
        """The database, once there were more rows than memory should hold."""

    def execute(self) -> int:
        """Run the job to its end; returns its exit code."""
        self._log.unlink(missing_ok=True)
        self._spool.touch(mode=0o600)
        tap, head = self.recorded.tap, self.recorded.head
        head["t0_ns"] = time.time_ns()
        tap.begin(str(self._log), str(self._spool), json.dumps(head).encode())
        tap.watch(os.getpid(), "recorder")
        for daemon in head["fuse_daemons"]:
            tap.watch(daemon, "daemon")
        early: list[int] = []
        before = {
            number: signal.signal(number, lambda got, _: early.append(got))
            for number in _FORWARDED
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        try:
            code = self._run(tap, set(before), early)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return code

    def remove_files(self) -> None:
        """Remove log and text: the database has all of them."""
        self._log.unlink(missing_ok=True)
        self._spool.unlink(missing_ok=True)

    def _run(self, tap: Tap, forwarded: set[signal.Signals], early: list[int]) -> int:
        command = self._options.command
        words = traced_words(self._strace, self._spool, command) if self._strace else command
        job = self._job = subprocess.Popen(words, close_fds=False)
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, forwarded)
        try:
            for number in early:
                job.send_signal(number)
            if self._strace:
                self._attach(job, tap)
            else:
                tap.watch(job.pid, "job")
            self._follow(job, tap, forwarded)
        except BaseException:
            self._kill_job()
            if self.writer is not None:
                self.writer.abandon()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        code = job.returncode if job.returncode >= 0 else 128 - job.returncode
        if self._tracer_died.is_set():
            end: dict[str, object] = {"exit_code": code, "tracer_died": True}
            self.recorded.notes.append("strace died, the job was stopped")
        else:
            end = {"exit_code": code}
        end["facts"] = self._facts
        end["dur_ns"] = time.time_ns() - self.recorded.head["t0_ns"]
        tap.end(json.dumps(end).encode())
        self.recorded.end = end
        return self._verdict(tap, code)

    def _verdict(self, tap: Tap, code: int) -> int:
        if self._tracer_died.is_set():
            build(self._options.trace.absolute(), [self.recorded], self.writer)
            self.remove_files()
            raise UserError(
                "strace died while the job ran; without it the job's calls fail, so the job was stopped",
                where=str(self._options.trace),
                do="The trace holds what happened until then. Record again",
                code="tracer-died",
            )
        calls = tap.counts()["calls"]
        if self._strace and code != 0 and calls == 0:
            self.remove_files()
            raise MissingPrerequisiteError(
                "strace could not trace the job (its message is above)",
                do="Check that ptrace is allowed here: 'mlopt doctor'",
                code="no-ptrace",
            )
        if self._strace and code == 1 and calls == 1:
            self.remove_files()
            return 126  # the only call was an exec that failed: strace has said why
        return code

    def _attach(self, job: subprocess.Popen[bytes], tap: Tap) -> None:
        """Learn who traces the job, and watch that process."""
        deadline = time.monotonic() + ATTACH_S
        while job.poll() is None and time.monotonic() < deadline:
            tracer = _tracer_of(job.pid)
            if tracer:
                self._tracer = tracer
                tap.watch(tracer, "tracer")
                threading.Thread(
                    target=self._watch_tracer, args=(os.pidfd_open(tracer),), daemon=True
                ).start()
                return
            select.select([], [], [], 0.001)

    def _watch_tracer(self, pidfd: int) -> None:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.poll()
        os.close(pidfd)
        # The kernel tells us of the job's end only after the tracer let go of it: alive means orphaned.
        job = self._job
        if job is not None and _is_running(job.pid):
            self._tracer_died.set()
            _kill_tree(job.pid)

    def _follow(self, job: subprocess.Popen[bytes], tap: Tap, forwarded: set[signal.Signals]) -> None:
        """Sample and tail until job and tracer are gone; pass on signals that were meant for the job."""
        told = False
        next_look, pause = time.monotonic() + FIRST_LOOK_S, FIRST_LOOK_S
        while True:
            running = job.poll() is None
            if running and self._strace and time.monotonic() >= next_look:
                self._facts |= job_facts(evidence_of(family_of(job.pid)))
                pause = min(2 * pause, LONGEST_PAUSE_S)
                next_look = time.monotonic() + pause
            traced = self._tracer is not None and _is_running(self._tracer)
            tap.tick(time.time_ns(), self._strace is None)
            if self._strace and tap.rows_waiting > ROWS_IN_MEMORY:
                self.writer = self.writer or TraceWriter(self._options.trace.absolute())
                drain(self.writer, 0, self.recorded)
            if self._tracer_died.is_set():
                self._kill_left()
                job.wait()
                return
            if not running and not traced:
                return
            if not running and not told and self._strace:
                told = True
                left = {thread[0] for thread in tap.threads() if thread[4] is None}
                if left:
                    self._options.note(
                        f"the command has ended; waiting for {len(left)} process(es) that it left running"
                    )
            info = signal.sigtimedwait(forwarded or {signal.SIGCHLD}, SAMPLE_S)
            # A terminal's Ctrl-C (si_code > 0: from the kernel) reached the whole process group, the job too.
            if info is not None and info.si_code <= 0:
                if running:
                    job.send_signal(info.si_signo)
                else:
                    for pid in {thread[0] for thread in tap.threads() if thread[4] is None}:
                        _kill(pid, info.si_signo)

    def _kill_job(self) -> None:
        if self._job is not None:
            _kill_tree(self._job.pid)
        self._kill_left()

    def _kill_left(self) -> None:
        """Kill what the trace knows to live: also processes that lost their parent."""
        for pid in {thread[0] for thread in self.recorded.tap.threads() if thread[4] is None}:
            _kill(pid, signal.SIGKILL)


def _kill_tree(root: int) -> None:
    """Kill a process and its descendants, those included that are born meanwhile."""
    while _is_running(root):
        alive = _descendants(root)
        for pid in (*alive, *(() if alive else (root,))):
            _kill(pid, signal.SIGKILL)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _status(pid: int, key: str) -> str:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{key}:")), "")


def _is_running(pid: int) -> bool:
    state = _status(pid, "State")
    return bool(state) and state[0] not in "ZX"


def _tracer_of(pid: int) -> int:
    return int(_status(pid, "TracerPid") or 0)


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    todo = [pid]
    while todo:
        for children in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            try:
                new = {int(word) for word in children.read_text().split()} - found
            except OSError:
                continue
            found |= new
            todo.extend(new)
    return found


def _inherited() -> list[tuple[int, bytes, int]]:
    """Files that the job will find open: ours that survive an exec."""
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the directory changes while it is walked
        fd = int(name)
        try:
            path = os.readlink(f"/proc/self/fd/{fd}".encode())  # noqa: PTH115 - bytes
            if (
                not os.get_inheritable(fd)
                or not path.startswith(b"/")
                or path.startswith((b"/dev/", b"/proc/"))
            ):
                continue
            found.append((fd, path, os.lseek(fd, 0, os.SEEK_CUR)))
        except OSError:
            continue
    return found


def _facts(
    command: list[str], sources: list[Path], inherited: list[tuple[int, bytes, int]], tap: str
) -> dict[str, Any]:
    mounts, daemons = _fuse()
    return {
        "argv": [word.decode(errors="replace") for word in redact([os.fsencode(word) for word in command])],
        "cwd": str(Path.cwd()),
        "host": platform.node(),
        "kernel": platform.release(),
        "ncpu": len(os.sched_getaffinity(0)),
        "mem_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "tap": tap,
        "tap_options": "seccomp-bpf" if tap == "strace" else "",
        "sources": [str(source) for source in sources],
        "inherited": [(fd, path.decode("latin-1"), at) for fd, path, at in inherited],
        "fuse_mounts": mounts,
        "fuse_daemons": daemons,
    }


def _fuse() -> tuple[list[str], list[int]]:
    """Mounted FUSE file systems, and the processes that serve some."""
    mounts = []
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("fuse") and not after.startswith("fusectl"):
            mounts.append(before.split()[4].encode().decode("unicode_escape"))
    if not mounts:
        return [], []
    daemons = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            links = [os.readlink(fd) for fd in (process / "fd").iterdir()]  # noqa: PTH115 - some vanish
        except OSError:
            continue
        if "/dev/fuse" in links:
            daemons.append(int(process.name))
    return mounts, daemons
