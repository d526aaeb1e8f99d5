"""One measured run of a job: its time, what its source served, and who else used the CPUs meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from mlopt_cli.workflows.memory_cgroup import MemoryCgroup, OutOfMemoryError
from mlopt_cli.workflows.probe import daemon_of
from mlopt_engine.errors import InvalidInputError, RefusedError

#: How often a running measurement is looked at [s].
_POLL_SECONDS = 0.05
_STOP_SECONDS = 10.0
_STDERR = 2
_KILLED = -9


@dataclass(frozen=True)
class Count:
    """What a source has served so far, as far as anybody counts.

    Attributes
    ----------
    source_bytes : int or None
        Read from the source [bytes].
    missed_bytes : int or None
        Bytes that readers waited for the source to bring; without a mount all that it served [bytes].
    """

    source_bytes: int | None = None
    missed_bytes: int | None = None

    def __sub__(self, before: Count) -> Count:
        """Count from then to now."""

        def less(now: int | None, then: int | None) -> int | None:
            return None if now is None or then is None else now - then

        return Count(
            less(self.source_bytes, before.source_bytes), less(self.missed_bytes, before.missed_bytes)
        )


@dataclass(frozen=True)
class Measurement:
    """One run of the job.

    Attributes
    ----------
    epoch_s : list of float
        Time of each epoch; empty for a command of the user's, which has no epochs that are seen [s].
    epoch_bytes : list of int
        Bytes that the job read in each epoch; for a command one number, of the record [bytes].
    total_s : float
        The whole run [s].
    counts : list of Count
        What the source served in each epoch, or in the whole run of a command.
    foreign_ratio : float
        CPU time of others, as a share of all cores [1].
    """

    epoch_s: list[float]
    epoch_bytes: list[int]
    total_s: float
    counts: list[Count]
    foreign_ratio: float

    @property
    def seconds(self) -> float:
        """Mean time of the epochs after the first, or of the whole run of a command [s]."""
        rest = self.epoch_s[1:] or self.epoch_s or [self.total_s]
        return sum(rest) / len(rest)

    @property
    def epoch_source_bytes(self) -> list[int] | None:
        """What the source served in each epoch, or in the whole run of a command; None if nobody counts."""
        served = [count.source_bytes for count in self.counts if count.source_bytes is not None]
        return served if served and len(served) == len(self.counts) else None

    @property
    def hit_ratio(self) -> float | None:
        """Share of the bytes that nobody waited for, in the epochs that `seconds` is about [1]."""
        first = 1 if len(self.counts) > 1 else 0
        missed = [count.missed_bytes for count in self.counts[first:]]
        known = [number for number in missed if number is not None]
        read = sum(self.epoch_bytes[first:])
        if not read or len(known) < len(missed):
            return None
        return max(0.0, 1.0 - sum(known) / read)

    def to_dict(self) -> dict[str, Any]:
        """Return the run of a row.

        Returns
        -------
        dict
            Plain JSON values.
        """
        return {
            "epoch_s": self.epoch_s,
            "total_s": self.total_s,
            "source_bytes": self.epoch_source_bytes,
            "hit_ratio": self.hit_ratio,
            "foreign_ratio": self.foreign_ratio,
        }


@dataclass(frozen=True)
class Task:
    """What to run, and whom to ask.

    Attributes
    ----------
    words : list of str
        The command line: a `stepped_replay`, or the user's command.
    is_replay : bool
        Which of them.
    recorded_bytes : int
        Bytes that the job read when it was recorded [bytes].
    count : callable
        Asks what the source served so far.
    around : list of str
        What a user's command is run by, as a mount that is laid over its source.
    helpers : list of int
        Processes that work for the run.
    group : MemoryCgroup or None
        Where it runs.
    anonymous : list of int or None
        Takes looks at the anonymous memory of the group [bytes].
    """

    words: list[str]
    is_replay: bool
    recorded_bytes: int
    count: Callable[[], Count]
    around: list[str] = field(default_factory=list)
    helpers: list[int] = field(default_factory=list)
    group: MemoryCgroup | None = None
    anonymous: list[int] | None = None

    def look(self) -> None:
        """Take note of the memory in use."""
        if self.group is not None and self.anonymous is not None:
            self.anonymous.append(self.group.anonymous_bytes())


def run(task: Task) -> Measurement:
    """Run a job to its end, with the CPU time of everybody else beside it.

    Parameters
    ----------
    task : Task
        The job.

    Returns
    -------
    Measurement
        What was seen.

    Raises
    ------
    InvalidInputError
        When the command cannot be run.
    RefusedError
        When it fails.
    OutOfMemoryError
        When its memory cgroup was too small for it.
    """
    marks = [task.count()]
    busy, own, begun = _busy_s(), _own_s(task.helpers), time.monotonic()
    result = _until_end(task, marks)
    wall = time.monotonic() - begun
    foreign = max(0.0, _busy_s() - busy - (_own_s(task.helpers) - own)) / (wall * (os.cpu_count() or 1))
    if not task.is_replay:
        return Measurement([], [task.recorded_bytes], result["total_s"], [task.count() - marks[0]], foreign)
    counts = [after - before for before, after in pairwise(marks)]
    return Measurement(result["epoch_s"], result["epoch_bytes"], result["total_s"], counts, foreign)


def _until_end(task: Task, marks: list[Count]) -> Mapping[str, Any]:
    """Run the words; behind each epoch of a replay, count, then let it go on. Returns a replay's result."""
    with tempfile.TemporaryFile() as problems, tempfile.NamedTemporaryFile(suffix=".s") as clock:
        process = _started(task, problems, clock.name)
        try:
            result = _stepped(process, task, marks) if process.stdout else _waited(process, task)
        except BaseException:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
        finally:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if process.returncode != 0:
            problems.seek(0)
            said = problems.read()[-500:].decode(errors="replace").strip()
            what = "the replay" if task.is_replay else "the command"
            if process.returncode == _KILLED and task.group is not None:
                raise OutOfMemoryError
            raise RefusedError(
                f"{what} ended with {process.returncode}" + (f": {said}" if said else ""),
                where=" ".join(task.words[-3:]),
                code="run-failed",
            )
        return result if task.is_replay else {"total_s": float(Path(clock.name).read_text())}


#: Runs a user's command and writes down how long it took: what stands around it, as a mount, takes time too.
_TIMED = """
import subprocess, sys, time
began = time.monotonic()
try:
    code = subprocess.run(sys.argv[2:]).returncode
except OSError as error:
    sys.stderr.write(f"mlopt verify: {sys.argv[2]}: {error.strerror}\\n")
    sys.exit(127)
with open(sys.argv[1], "w") as file:
    file.write(str(time.monotonic() - began))
sys.exit(code if code >= 0 else 128 - code)
"""


def _started(task: Task, problems: IO[bytes], clock: str) -> subprocess.Popen[bytes]:
    """Start it; what a user's command prints goes to stderr, as stdout is for results."""
    words = task.words
    if not task.is_replay:
        words = [*task.around, sys.executable, "-P", "-c", _TIMED, clock, *words]
    words = task.group.wrap(words) if task.group else words
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.PIPE if task.is_replay else None,
            stdout=subprocess.PIPE if task.is_replay else _STDERR,
            stderr=problems if task.is_replay else None,
        )
    except OSError as error:
        raise InvalidInputError(
            f"the command cannot be run: {error.strerror}",
            where="CMD",
            value=task.words[0],
            do="Name a program",
        ) from error


def _waited(process: subprocess.Popen[bytes], task: Task) -> Mapping[str, Any]:
    while process.poll() is None:
        task.look()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
    return {}


def _stepped(process: subprocess.Popen[bytes], task: Task, marks: list[Count]) -> Mapping[str, Any]:
    assert process.stdin is not None  # noqa: S101 - narrows the type
    assert process.stdout is not None  # noqa: S101 - narrows the type
    result: Mapping[str, Any] = {}
    while True:
        if not select.select([process.stdout], [], [], _POLL_SECONDS)[0]:
            task.look()
            continue
        line = process.stdout.readline()
        if not line:
            process.wait()
            return result
        said = json.loads(line)
        result = said.get("result", result)
        if "epoch" in said:
            task.look()
            marks.append(task.count())
            process.stdin.write(b"\n")
            process.stdin.flush()


def served_by(directory: Path) -> Count:
    """Ask the emulator, when one of ours is the source, what it served.

    Parameters
    ----------
    directory : Path
        The source.

    Returns
    -------
    Count
        Unknown for any other source.
    """
    from runtime import emulator

    if daemon_of(directory) is None:
        return Count()
    place = directory.resolve()
    mount = next((each for each in (place, *place.parents) if each.is_mount()), place)
    try:
        served = int(emulator.Emulator(mount).status()["operations"]["read"]["bytes"])
    except (KeyError, InvalidInputError):
        return Count()
    return Count(served, served)


def served_under(stats: Mapping[str, Any]) -> Count:
    """Read what a mount counted.

    Parameters
    ----------
    stats : mapping
        Its statistics.

    Returns
    -------
    Count
        What it fetched, and what its readers waited for.
    """
    core = stats.get("core", {})
    missed = sum(int(core[name]["bytes"]) for name in ("served_source", "served_late") if name in core)
    return Count(int(stats["source_read_bytes"]), missed if core else None)


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
