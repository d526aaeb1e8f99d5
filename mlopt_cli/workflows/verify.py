"""Predicted and measured side by side: the simulator's rows, then the same job for real in each of them."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from mlopt_cli.workflows.memory_cgroup import MemoryCgroup, is_available, memory_cgroup
from mlopt_cli.workflows.probe import daemon_of
from mlopt_engine.errors import InvalidInputError, RefusedError
from simulator.sweep import PAGE_CACHE, SOURCE, Row
from traces.workload import OP_READ

if TYPE_CHECKING:
    from traces.workload import Workload

#: CPU time of others above this share of the cores makes a measurement worthless [1].
FOREIGN_RATIO = 0.15
#: How often a running measurement is looked at [s].
_POLL_SECONDS = 0.05
_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Measurement:
    """One run of the job.

    Attributes
    ----------
    epoch_s : list of float
        Time of each epoch; empty for a command of the user's, which has no epochs that are seen [s].
    total_s : float
        The whole run [s].
    source_bytes : int or None
        Read from the source in the whole run; None where nobody counts [bytes].
    foreign_ratio : float
        CPU time of others, as a share of all cores [1].
    """

    epoch_s: list[float]
    total_s: float
    source_bytes: int | None
    foreign_ratio: float

    @property
    def seconds(self) -> float:
        """Mean time of the epochs after the first, or of the whole run of a command [s]."""
        rest = self.epoch_s[1:] or self.epoch_s or [self.total_s]
        return sum(rest) / len(rest)


@dataclass(frozen=True)
class VerifySpec:
    """What to measure.

    Attributes
    ----------
    trace : Path
        The trace; replayed unless there is a command.
    directory : Path
        The source.
    memory_bytes : int
        The budget [bytes].
    plans : dict of str to str
        Compiled recipes by name.
    keeps_page_cache : bool
        Whether the source's pages stay in this machine's page cache.
    repeat : int
        Runs of each row.
    command : list of str
        The user's command; empty for a replay.
    advance : callable
        Told the row that is measured and the share done [1].
    """

    trace: Path
    directory: Path
    memory_bytes: int
    plans: dict[str, str]
    keeps_page_cache: bool
    repeat: int
    command: list[str]
    advance: Callable[[str, float], None]


@dataclass
class Verified:
    """What the measurements gave.

    Attributes
    ----------
    runs : dict of str to list of Measurement
        By row.
    notes : list of (str, str)
        Code and sentence of each thing that was left out or went wrong.
    """

    runs: dict[str, list[Measurement]] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)


def check_files(workload: Workload, directory: Path) -> None:
    """Refuse a directory that lacks files of the trace.

    Parameters
    ----------
    workload : Workload
        The job.
    directory : Path
        The source.

    Raises
    ------
    InvalidInputError
        When the directory or a file that the job read is missing.
    """
    if not directory.is_dir():
        raise InvalidInputError("DIR is not a directory", where="--source", value=str(directory),
                                do="Name the directory that holds the recorded files")  # fmt: skip
    read = np.unique(workload.file[workload.op == OP_READ])
    names = [os.fsdecode(workload.files.path[index]) for index in read]
    missing = [name for name in names if not os.path.lexists(directory / name)]
    if missing:
        raise InvalidInputError(
            f"{len(missing)} of {len(names)} files of the trace are missing",
            where=str(directory / missing[0]),
            do="Name the directory that the recorded paths are relative to",
            code="files-missing",
        )


def measure(spec: VerifySpec) -> Verified:
    """Measure each row, the rows in turn, so that slow drifts of the machine fall on all of them.

    Parameters
    ----------
    spec : VerifySpec
        What to measure.

    Returns
    -------
    Verified
        The runs of each row. A run disturbed by others is repeated, up to twice as many runs in all.

    Raises
    ------
    RefusedError
        When a run fails.
    """
    found = Verified()
    with _terminated_as_interrupted():
        rows = dict(_rows(spec, found))
        for turn in range(2 * spec.repeat):
            for name, once in rows.items():
                done = found.runs.setdefault(name, [])
                if turn < spec.repeat or len(_quiet(done)) < spec.repeat:
                    spec.advance(name, turn / (2 * spec.repeat))
                    done.append(once())
    for name, done in found.runs.items():
        quiet = _quiet(done)
        if len(quiet) < len(done):
            worst = max(run.foreign_ratio for run in done)
            found.notes.append((
                "foreign-load",
                f"{name}: others took up to {worst:.0%} of the CPUs; {len(done) - len(quiet)} of {len(done)} "
                + ("runs were rejected" if quiet else "runs are doubtful, none was quiet"),
            ))  # fmt: skip
        found.runs[name] = quiet or done
    return found


def row_dict(row: Row, runs: list[Measurement], *, is_command: bool) -> dict[str, Any]:
    """Put a row's prediction and measurement side by side.

    Parameters
    ----------
    row : Row
        The prediction.
    runs : list of Measurement
        Its runs; empty when it was not measured.
    is_command : bool
        Whether the user's command was run: then whole runs are compared, else steady epochs.

    Returns
    -------
    dict
        The row of ``simulate`` with ``predicted``, ``measured``, ``error_ratio`` (predicted / measured - 1)
        and ``spread_ratio`` (longest less shortest run by the median).
    """
    outcome = row.outcome
    predicted = sum(outcome.epoch_s) if is_command else outcome.steady_epoch_s
    document = row.to_dict() | {
        "predicted": {
            "seconds_s": predicted,
            "total_s": sum(outcome.epoch_s),
            "source_bytes": sum(outcome.source_bytes),
        },
        "measured": None,
        "error_ratio": None,
        "spread_ratio": None,
    }
    if not runs:
        return document
    times = [run.seconds for run in runs]
    served = [run.source_bytes for run in runs if run.source_bytes is not None]
    middle = median(times)
    document["measured"] = {
        "seconds_s": middle,
        "total_s": median(run.total_s for run in runs),
        "source_bytes": int(median(served)) if served else None,
        "runs": [
            {
                "epoch_s": run.epoch_s,
                "total_s": run.total_s,
                "source_bytes": run.source_bytes,
                "foreign_ratio": run.foreign_ratio,
            }
            for run in runs
        ],
    }
    if middle > 0:
        document["spread_ratio"] = (max(times) - min(times)) / middle
        document["error_ratio"] = predicted / middle - 1
    return document


def _quiet(runs: list[Measurement]) -> list[Measurement]:
    return [run for run in runs if run.foreign_ratio <= FOREIGN_RATIO]


def _rows(spec: VerifySpec, found: Verified) -> Iterator[tuple[str, Callable[[], Measurement]]]:
    """Name what can be measured here and how; note the rest."""
    anonymous: list[int] = []
    groups = is_available()
    yield SOURCE, lambda: _plain(spec, anonymous if groups and spec.keeps_page_cache else None)
    if not spec.keeps_page_cache:
        found.notes.append(
            ("not-measured", "page cache: the source keeps no page cache, it is predicted only")
        )
    elif not groups:
        found.notes.append(("not-measured", "page cache: a budget for it needs root and a memory cgroup"))
    else:
        yield PAGE_CACHE, lambda: _limited(spec, max(anonymous) + spec.memory_bytes)
    for name, plan in spec.plans.items():
        yield name, lambda plan=plan: _under(spec, plan)  # type: ignore[misc]


def _plain(spec: VerifySpec, anonymous: list[int] | None) -> Measurement:
    if anonymous is None:
        return _timed(spec, _words(spec, spec.directory), None, lambda: _served(spec.directory))
    with memory_cgroup("mlopt-verify") as group:
        _forget_pages(spec.directory)
        words = _words(spec, spec.directory)
        return _timed(spec, words, None, lambda: _served(spec.directory), group, anonymous)


def _limited(spec: VerifySpec, limit: int) -> Measurement:
    with memory_cgroup("mlopt-verify-cache") as group:
        group.limit(limit)
        _forget_pages(spec.directory)
        return _timed(spec, _words(spec, spec.directory), None, lambda: _served(spec.directory), group)


def _under(spec: VerifySpec, plan_json: str) -> Measurement:
    """Run the job behind a fresh mount."""
    with tempfile.TemporaryDirectory(prefix="mlopt-verify-") as scratch:
        if spec.command:
            return _launched(spec, plan_json, Path(scratch))
        from runtime.session import mounted

        # Not inside of the scratch folder: what removes a tree must never meet a mount.
        mountpoint = Path(tempfile.mkdtemp(prefix="mlopt-verify-mount-"))
        try:
            with mounted(spec.directory, mountpoint, plan_json) as mount:
                return _timed(
                    spec,
                    _words(spec, mountpoint),
                    mount.pid,
                    lambda: int(mount.status()["stats"]["source_read_bytes"]),
                )
        finally:
            with contextlib.suppress(OSError):
                mountpoint.rmdir()


def _launched(spec: VerifySpec, plan_json: str, scratch: Path) -> Measurement:
    """Run the user's command with the mount laid over its source, in a process of its own."""
    (scratch / "plan.json").write_text(plan_json, encoding="utf-8")
    stats = scratch / "stats.json"
    program = (
        "import sys; from pathlib import Path; from runtime.launcher import RunOptions, run; "
        "sys.exit(run(sys.argv[1], Path(sys.argv[2]).read_text(), sys.argv[4:], "
        "RunOptions(stats_file=Path(sys.argv[3]))))"
    )
    words = [sys.executable, "-P", "-c", program, str(spec.directory), str(scratch / "plan.json"), str(stats)]

    def served() -> int:
        return int(json.loads(stats.read_text())["source_read_bytes"]) if stats.exists() else 0

    return _timed(spec, [*words, *spec.command], None, served)


def _words(spec: VerifySpec, directory: Path) -> list[str]:
    if spec.command:
        return spec.command
    return [sys.executable, "-P", "-m", "mlopt_cli.main", "replay", str(spec.trace), str(directory), "--json"]


def _timed(
    spec: VerifySpec,
    words: list[str],
    daemon: int | None,
    served: Callable[[], int | None],
    group: MemoryCgroup | None = None,
    anonymous: list[int] | None = None,
) -> Measurement:
    """Run a command to its end, with the CPU time of everybody else beside it."""
    helpers = [pid for pid in (daemon, daemon_of(spec.directory)) if pid is not None]
    bytes_before = served()
    busy, own, begun = _busy_s(), _own_s(helpers), time.monotonic()
    output = _run(group.wrap(words) if group else words, group, anonymous, is_replay=not spec.command)
    wall = time.monotonic() - begun
    foreign = max(0.0, _busy_s() - busy - (_own_s(helpers) - own)) / (wall * (os.cpu_count() or 1))
    bytes_after = served()
    counted = None if bytes_before is None or bytes_after is None else bytes_after - bytes_before
    if spec.command:
        return Measurement([], wall, counted, foreign)
    result = json.loads(output)["result"]
    return Measurement(result["epoch_s"], result["total_s"], counted, foreign)


def _run(
    words: list[str], group: MemoryCgroup | None, anonymous: list[int] | None, *, is_replay: bool
) -> bytes:
    """Run a command; what a user's command prints goes to stderr, as stdout is for results."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as problems:
        try:
            process = subprocess.Popen(
                words,
                stdout=output if is_replay else sys.stderr.fileno(),
                stderr=problems if is_replay else None,
            )
        except OSError as error:
            raise InvalidInputError(
                f"the command cannot be run: {error.strerror}",
                where="CMD",
                value=words[0],
                do="Name a program",
            ) from error
        try:
            while process.poll() is None:
                if group is not None and anonymous is not None:
                    anonymous.append(group.anonymous_bytes())
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL_SECONDS)
        except BaseException:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
        output.seek(0)
        problems.seek(0)
        if process.returncode != 0:
            said = problems.read()[-500:].decode(errors="replace").strip()
            what = "the replay" if is_replay else "the command"
            raise RefusedError(
                f"{what} ended with {process.returncode}" + (f": {said}" if said else ""),
                where=" ".join(words[-3:]),
                code="run-failed",
            )
        return output.read()


def _served(directory: Path) -> int | None:
    """Ask the emulator, when one of ours is the source, what it served [bytes]."""
    from runtime import emulator

    if daemon_of(directory) is None:
        return None
    place = directory.resolve()
    mount = next((each for each in (place, *place.parents) if each.is_mount()), place)
    try:
        return int(emulator.Emulator(mount).status()["operations"]["read"]["bytes"])
    except (KeyError, InvalidInputError):
        return None


def _forget_pages(directory: Path) -> None:
    """Let the page cache forget the source's files: pages belong to the group that read them first."""
    for folder, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                file = os.open(Path(folder, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                finally:
                    os.close(file)


def _busy_s() -> float:
    """CPU time that all processes of this machine have used [s]."""
    words = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    user, nice, system, _, _, *rest = (int(word) for word in words[1:9])
    return (user + nice + system + sum(rest)) / float(os.sysconf("SC_CLK_TCK"))


def _own_s(helpers: list[int]) -> float:
    """CPU time of this process, of children that ended, and of the daemons that serve them [s]."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    for pid in helpers:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))
    return total


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM unmount as Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
