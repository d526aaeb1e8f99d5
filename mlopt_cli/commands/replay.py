"""``mlopt replay``: a recorded job's reads again, in real time."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlopt_cli.output import Report, emit, progress
from mlopt_cli.sizes import format_size
from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from mlopt_cli.workflows.replay import ReplayResult
    from traces.workload import Workload

MAX = "max"


def command(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace that 'mlopt record' wrote.")],
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the recorded files are now: any directory or mount.")
    ],
    speed: Annotated[
        str, typer.Option(metavar="X|max", help="2 halves computing and waiting; max leaves them out.")
    ] = "1",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Do a recorded job's reads again and time its epochs.

    \b
    mlopt replay run.duckdb /data
    mlopt replay run.duckdb /mnt/fast --json
    mlopt replay run.duckdb /mnt/slow --speed max

    Same readers, same order, same batches; the recorded CPU time is burnt between the reads, true waits are
    slept. The page cache stays as it is. Exit code 1 when an access failed or found fewer bytes than
    recorded.
    """
    from mlopt_cli.workflows.replay import replay
    from traces.analysis import workload
    from traces.store import Trace

    factor = _speed(speed)
    with Trace.open(trace) as opened:
        job = workload(opened)
    with progress() as bar:
        task = bar.add_task("replaying", total=1.0)
        result = replay(job, directory, factor, on_progress=lambda share: bar.update(task, completed=share))
    inputs = {"trace": str(trace), "directory": str(directory), "speed": factor}
    report = Report("replay", inputs, asdict(result) | {"recorded_epoch_s": job.epoch_seconds.tolist()})
    if result.errors:
        path, reason = result.problems[0]
        report.warn("failed-accesses", f"{result.errors} of {result.accesses}; the first: {path}: {reason}")
    emit(report, as_json=as_json, render=lambda console: _render(console, result, job))
    return 1 if result.errors else 0


def _speed(text: str) -> float | None:
    if text == MAX:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise InvalidInputError(
            "not a speed", where="--speed", value=repr(text), do="Write 1, 2 or max"
        ) from error


def _render(console: Console, result: ReplayResult, job: Workload) -> None:
    from rich.table import Table

    table = Table("epoch", "recorded [s]", "replayed [s]", "read")
    for epoch, seconds in enumerate(result.epoch_s):
        recorded = f"{job.epoch_seconds[epoch]:.3f}" if epoch < len(job.epoch_seconds) else "-"
        table.add_row(str(epoch), recorded, f"{seconds:.3f}", format_size(result.epoch_bytes[epoch]))
    console.print(table)
    console.print(
        f"total {result.total_s:.3f} s, {format_size(result.bytes_read)} in {result.accesses} accesses, "
        f"{result.errors} failed, checksum {result.checksum}",
        soft_wrap=True,
    )
