"""Predicted and measured side by side: the simulator's rows, then the same job for real in each of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from mlopt_cli.workflows.measured_run import (
    Count,
    Measurement,
    Task,
    run,
    served_by,
    served_under,
)
from mlopt_cli.workflows.memory_cgroup import OutOfMemoryError, is_available, memory_cgroup
from mlopt_cli.workflows.probe import daemon_of
from mlopt_engine.errors import InvalidInputError
from simulator.sweep import PAGE_CACHE, SOURCE, Row
from traces.workload import OP_READ

if TYPE_CHECKING:
    from traces.workload import Workload

#: CPU time of others above this share of the cores makes a measurement worthless [1].
FOREIGN_RATIO = 0.15
_TOO_SMALL = "the kernel killed the job in a memory cgroup of the budget and what the job itself needs"


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
    recorded_bytes : int
        Bytes that the job read when it was recorded [bytes].
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
    recorded_bytes: int
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


def epoch_bytes(workload: Workload) -> list[int]:
    """Sum up what a job read.

    Parameters
    ----------
    workload : Workload
        The job.

    Returns
    -------
    list of int
        By epoch [bytes].
    """
    reads = workload.op == OP_READ
    found = np.bincount(
        workload.epoch[reads], weights=workload.length[reads], minlength=len(workload.epoch_seconds)
    )
    return [int(size) for size in found]


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
            for name, once in list(rows.items()):
                done = found.runs.setdefault(name, [])
                if turn < spec.repeat or len(_quiet(done)) < spec.repeat:
                    spec.advance(name, turn / (2 * spec.repeat))
                    try:
                        done.append(once())
                    except OutOfMemoryError:
                        del rows[name]
                        found.notes.append(("not-measured", f"{name}: {_TOO_SMALL}"))
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


def row_dict(
    row: Row, runs: list[Measurement], epoch_bytes: list[int], *, is_command: bool
) -> dict[str, Any]:
    """Put a row's prediction and measurement side by side.

    Parameters
    ----------
    row : Row
        The prediction.
    runs : list of Measurement
        Its runs; empty when it was not measured.
    epoch_bytes : list of int
        Bytes that the recorded job read in each epoch [bytes].
    is_command : bool
        Whether the user's command was run: then whole runs are compared, else steady epochs.

    Returns
    -------
    dict
        The row of ``simulate`` with ``predicted``, ``measured``, ``error_ratio`` (predicted / measured - 1)
        and ``spread_ratio`` (longest less shortest run by the median). Either side has ``seconds_s``, and
        ``hit_ratio`` by bytes about the same epochs; ``source_bytes`` by epoch, of a command's run the sum.
    """
    outcome = row.outcome
    predicted = sum(outcome.epoch_s) if is_command else outcome.steady_epoch_s
    total = sum(outcome.source_bytes)
    document = row.to_dict() | {
        "predicted": {
            "seconds_s": predicted,
            "total_s": sum(outcome.epoch_s),
            "source_bytes": [total] if is_command else outcome.source_bytes,
            "hit_ratio": _mean_hits(outcome.epoch_hit_ratio_by_bytes, epoch_bytes, from_first=is_command),
        },
        "measured": None,
        "error_ratio": None,
        "spread_ratio": None,
    }
    if not runs:
        return document
    times = [run.seconds for run in runs]
    served = [run.epoch_source_bytes for run in runs if run.epoch_source_bytes is not None]
    hits = [run.hit_ratio for run in runs if run.hit_ratio is not None]
    middle = median(times)
    document["measured"] = {
        "seconds_s": middle,
        "total_s": median(run.total_s for run in runs),
        "source_bytes": [int(median(each)) for each in zip(*served, strict=True)] if served else None,
        "hit_ratio": median(hits) if hits else None,
        "runs": [run.to_dict() for run in runs],
    }
    if middle > 0:
        document["spread_ratio"] = (max(times) - min(times)) / middle
        document["error_ratio"] = predicted / middle - 1
    return document


def _mean_hits(ratios: list[float], epoch_bytes: list[int], *, from_first: bool) -> float:
    """Weigh the epochs by what they read; the first, which has no reuse, counts for whole runs only."""
    first = 0 if from_first or len(ratios) == 1 else 1
    pairs = list(zip(ratios, epoch_bytes, strict=False))[first:]
    return sum(ratio * size for ratio, size in pairs) / max(1, sum(size for _, size in pairs))


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


def _task(spec: VerifySpec, directory: Path) -> Task:
    """Describe the job on a directory, with the source's own counter."""
    replay = [sys.executable, "-P", "-m", "mlopt_cli.workflows.stepped_replay"]
    daemon = daemon_of(spec.directory)
    return Task(
        words=[*spec.command] or [*replay, str(spec.trace), str(directory)],
        is_replay=not spec.command,
        recorded_bytes=spec.recorded_bytes,
        count=lambda: served_by(spec.directory),
        helpers=[] if daemon is None else [daemon],
    )


def _plain(spec: VerifySpec, anonymous: list[int] | None) -> Measurement:
    task = _task(spec, spec.directory)
    if anonymous is None:
        return run(task)
    with memory_cgroup("mlopt-verify") as group:
        _forget_pages(spec.directory)
        return run(replace(task, group=group, anonymous=anonymous))


def _limited(spec: VerifySpec, limit: int) -> Measurement:
    with memory_cgroup("mlopt-verify-cache") as group:
        group.limit(limit)
        _forget_pages(spec.directory)
        return run(replace(_task(spec, spec.directory), group=group))


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
                task = _task(spec, mountpoint)
                return run(
                    replace(
                        task,
                        count=lambda: served_under(mount.status()["stats"]),
                        helpers=[*task.helpers, mount.pid],
                    )
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

    def count() -> Count:
        return served_under(json.loads(stats.read_text())) if stats.exists() else Count(0, 0)

    task = _task(spec, spec.directory)
    return run(replace(task, around=words, count=count))


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
