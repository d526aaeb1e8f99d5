"""``mlopt doctor``: what this machine lets mlopt do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mlopt_cli.output import Report, emit

if TYPE_CHECKING:
    from rich.console import Console


def command(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Say what works here, what does not, and what to do about it.

    \b
    mlopt doctor
    mlopt doctor --json

    Exit code 0 when nothing is red, 3 otherwise.
    """
    from runtime import doctor

    checks = doctor.examine()
    red = [check for check in checks if check.status is doctor.Status.RED]
    report = Report("doctor", {}, {"checks": [asdict(check) for check in checks], "usable": not red})

    def render(console: Console) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=False)
        for check in checks:
            table.add_row(
                Text(check.status, style=str(check.status)), check.name, check.found, check.do or ""
            )
        console.print(table)
        console.print(
            "next: mlopt demo" if not red else "mend what is red; the other commands work without it",
            style="dim",
        )

    emit(report, as_json=json, render=render)
    return 3 if red else 0
