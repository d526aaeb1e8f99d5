"""What every command prints: results on stdout, progress and problems on stderr, JSON in one envelope."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import mlopt_engine
from mlopt_engine.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

SCHEMA_VERSION = 1
#: Columns where stdout is no terminal.
WIDTH_OF_A_PIPE = 200
VERSION = mlopt_engine.__version__


@dataclass
class Report:
    """The outcome of one command, before it is shaped for people or machines.

    Attributes
    ----------
    command : str
        Name of the command.
    inputs : dict
        What it was asked, as plain JSON values.
    result : dict
        What it found, as plain JSON values.
    warnings : list of dict
        ``{"code", "message"}`` each.
    """

    command: str
    inputs: Mapping[str, Any]
    result: Mapping[str, Any] = field(default_factory=dict)
    warnings: list[dict[str, str]] = field(default_factory=list)

    def warn(self, code: str, message: str) -> None:
        """Add a warning.

        Parameters
        ----------
        code : str
            Stable name.
        message : str
            One sentence for people.
        """
        self.warnings.append({"code": code, "message": message})


def emit(report: Report, *, as_json: bool, render: Callable[[Console], None]) -> None:
    """Print a report as JSON or for people.

    Parameters
    ----------
    report : Report
        What to print.
    as_json : bool
        Machine-readable.
    render : callable
        Draws the result on the console for people; warnings follow on stderr.
    """
    if as_json:
        envelope = _head(report.command, report.inputs) | {
            "result": report.result,
            "warnings": report.warnings,
        }
        sys.stdout.write(json.dumps(envelope, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return
    render(console())
    for warning in report.warnings:
        print_warning(warning)


def print_warning(warning: Mapping[str, str]) -> None:
    """Print a warning for people.

    Parameters
    ----------
    warning : mapping
        ``code`` and ``message``.
    """
    from rich.text import Text

    words = f" [{warning['code']}] {warning['message']}"
    stderr_console().print(Text("warning", style="yellow").append(words, style="default"), soft_wrap=True)


def print_error(command: str, error: UserError, *, as_json: bool) -> None:
    """Print a problem: what, where, which value, what to do.

    Parameters
    ----------
    command : str
        Name of the command, empty when none was recognised.
    error : UserError
        The problem.
    as_json : bool
        As the JSON envelope on stdout instead of text on stderr.
    """
    if as_json:
        body: dict[str, Any] = {
            "code": error.code,
            "what": error.what,
            "where": error.where,
            "value": error.value,
            "do": error.do,
        }
        if error.details is not None:
            body["details"] = error.details
        sys.stdout.write(
            json.dumps(_head(command, {}) | {"error": body}, indent=2, ensure_ascii=False) + "\n"
        )
    else:
        sys.stderr.write(f"error: {error}\n")


def console() -> Console:
    """Open the console for results (stdout).

    Returns
    -------
    rich.console.Console
        Without colour where stdout is no terminal. Brackets are brackets, as paths may hold any: styles are
        given apart.
    """
    from rich.console import Console

    # a table cut to 80 columns is of no use to whoever reads a file or a pipe
    width = None if sys.stdout.isatty() else WIDTH_OF_A_PIPE
    return Console(highlight=False, markup=False, width=width)


def stderr_console() -> Console:
    """Open the console for progress and warnings (stderr).

    Returns
    -------
    rich.console.Console
        Without animation where stderr is no terminal.
    """
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False)


def progress() -> Progress:
    """Make a progress bar with a time to go, on stderr, silent where stderr is no terminal.

    Returns
    -------
    rich.progress.Progress
        To be used as a context manager.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    stderr = stderr_console()
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    )


def _head(command: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"schema_version": SCHEMA_VERSION, "command": command, "mlopt": VERSION, "inputs": dict(inputs)}
