"""`mlopt record`: capture how a job reads its files."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlopt_engine.errors import InvalidInputError


class Tap(StrEnum):
    """Ways to watch a job."""

    auto = "auto"
    strace = "strace"


def _note(text: str) -> None:
    sys.stderr.write(f"mlopt record: {text}\n")


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- CMD...", help="The job, after two dashes.", show_default=False),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="TRACE", help="The trace to write.")
    ] = Path("run.duckdb"),
    tap: Annotated[Tap, typer.Option(help="How to watch the job.")] = Tap.auto,
    source: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="A directory that the job reads its data from; else inferred."),
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Run the command once more untraced, for true CPU times.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing trace.")] = False,
) -> int:
    """Capture how a job reads its files.

    \b
    mlopt record -- python train.py
    mlopt record -o run.duckdb --source /data -- ./train

    Runs CMD and writes a trace of how it reads its files. CMD's input, output and signals are its own, and
    mlopt ends with CMD's exit code (125 when mlopt failed, 126 or 127 when CMD could not be run, 128+N for a
    signal).
    """
    from traces.capture.strace import RecordOptions, record

    if not words:
        raise InvalidInputError(
            "there is no command to record", do="Write it after --: mlopt record -- python train.py"
        )
    del tap  # both names mean strace until a second tap exists
    options = RecordOptions(
        command=words,
        trace=output,
        sources=source or [],
        calibrate=calibrate,
        force=force,
        note=_note,
    )
    code = record(options)
    if output.exists():
        sys.stderr.write(f"mlopt record: wrote {output}; next: mlopt report {output}\n")
    return code
