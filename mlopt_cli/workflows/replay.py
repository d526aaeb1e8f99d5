"""Do a recorded job's reads again, in real time, in some directory."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlopt_engine import _native
from mlopt_engine.errors import InvalidInputError, RefusedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from traces.workload import Workload

MAX = "max"
#: A file that is shorter than when it was recorded has no errno of its own.
_SHORT = 0


@dataclass(frozen=True)
class ReplayResult:
    """What a replay measured.

    Attributes
    ----------
    epoch_s : list of float
        Length of each epoch, the job's work behind it included [s].
    epoch_bytes : list of int
        Bytes read in each epoch.
    total_s : float
        From the first access to the end [s].
    bytes_read : int
        Bytes read.
    accesses : int
        Accesses made.
    errors : int
        Accesses that failed or found fewer bytes than recorded.
    problems : list of (str, str)
        Path and reason of the first of them.
    checksum : str
        16 hexadecimal digits over file, place and content of each read; the order of reads does not matter.
    """

    epoch_s: list[float]
    epoch_bytes: list[int]
    total_s: float
    bytes_read: int
    accesses: int
    errors: int
    problems: list[tuple[str, str]]
    checksum: str


def replay(
    workload: Workload,
    directory: Path,
    speed: float | None = 1.0,
    *,
    on_progress: Callable[[float], None] | None = None,
    on_epoch: Callable[[int], None] | None = None,
) -> ReplayResult:
    """Do a recorded job's reads again: same readers, same order, same work between.

    Parameters
    ----------
    workload : Workload
        The job.
    directory : Path
        Where the files are now: a plain directory, a mount, an emulated storage. The page cache stays as
        it is.
    speed : float, optional
        2 halves CPU times and waits; None leaves them out.
    on_progress : callable, optional
        Told the share done [1] about every 100 ms.
    on_epoch : callable, optional
        Called behind each epoch with its number; the next begins when it returns, and no time counts.

    Returns
    -------
    ReplayResult
        Times, bytes, checksum, errors.

    Raises
    ------
    InvalidInputError
        When there is no directory, nothing to replay or the speed is not positive.
    RefusedError
        When not one access succeeded.
    """
    if speed is not None and not 0 < speed < 1e6:
        raise InvalidInputError("not a speed", where="--speed", value=str(speed), do="Write 1, 2 or max")
    if not len(workload.op):
        raise InvalidInputError(
            "the trace has no accesses below its source", do="Record with --source DIR", code="empty-trace"
        )
    if not directory.is_dir():
        missing = not directory.exists()
        raise InvalidInputError(
            "DIR is not there" if missing else "DIR is not a directory",
            where=str(directory),
            do="Name the directory that holds the recorded files",
        )
    try:
        running = _start(workload, directory, speed, holds=on_epoch is not None)
    except OSError as error:
        raise InvalidInputError(
            f"DIR cannot be opened: {error.strerror}", where=str(directory), do="Check its mode and mount"
        ) from error
    result = _shaped(_finish(running, on_progress, on_epoch), workload)
    if result.errors == result.accesses:
        path, reason = result.problems[0]
        raise RefusedError(
            f"not one of {result.accesses} accesses succeeded; the first: {reason}",
            where=str(directory / path),
            do="Name the directory that the recorded paths are relative to",
            code="nothing-found",
        )
    return result


def _start(workload: Workload, directory: Path, speed: float | None, *, holds: bool) -> _native.RunningReplay:
    consumer = workload.consumer
    return _native.RunningReplay(
        directory,
        speed,
        holds=holds,
        paths=[path or b"." for path in workload.files.path],  # the source itself has an empty name
        worker=np.ascontiguousarray(workload.worker, np.uint32),
        op=np.ascontiguousarray(workload.op, np.uint8),
        file=np.ascontiguousarray(workload.file, np.uint32),
        offset=_signed(workload.offset),
        length=_signed(workload.length),
        cpu_ns=_signed(workload.cpu_ns),
        wait_ns=_signed(workload.wait_ns),
        epoch=np.ascontiguousarray(workload.epoch, np.int32),
        batch=np.ascontiguousarray(workload.batch, np.int32),
        lock=np.ascontiguousarray(workload.lock, np.int32),
        tail_cpu_ns=_signed(workload.epoch_tail_cpu_ns),
        consumer=(
            (_signed(consumer.cpu_ns), _signed(consumer.wait_ns), consumer.prefetch_batches)
            if consumer is not None
            else None
        ),
    )


def _signed(values: NDArray[Any]) -> NDArray[np.int64]:
    return np.ascontiguousarray(values, np.int64)


def _finish(
    running: _native.RunningReplay,
    on_progress: Callable[[float], None] | None,
    on_epoch: Callable[[int], None] | None,
) -> dict[str, Any]:
    """Wait; an interrupt ends the replay's threads before it goes on."""
    try:
        while (outcome := running.wait(0.1 if on_epoch is None else 0.02)) is None:
            if on_epoch is not None and (epoch := running.held()) is not None:
                on_epoch(epoch)
                running.go_on()
            if on_progress is not None:
                on_progress(running.progress())
    except BaseException:
        running.cancel()
        running.wait(5.0)
        raise
    return outcome


def _shaped(outcome: dict[str, Any], workload: Workload) -> ReplayResult:
    problems = [
        (os.fsdecode(workload.files.path[file]), _reason(number)) for file, number in outcome["problems"]
    ]
    return ReplayResult(
        epoch_s=outcome["epoch_s"],
        epoch_bytes=outcome["epoch_bytes"],
        total_s=outcome["total_s"],
        bytes_read=outcome["bytes_read"],
        accesses=outcome["accesses"],
        errors=outcome["errors"],
        problems=problems,
        checksum=f"{outcome['checksum']:016x}",
    )


def _reason(number: int) -> str:
    if number == _SHORT:
        return "shorter than recorded"
    return f"{os.strerror(number)} ({errno.errorcode.get(number, number)})"
