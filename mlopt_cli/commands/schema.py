"""``mlopt schema``: the published shape of what commands print with ``--json``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mlopt_cli.output import Report, emit
from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="COMMAND", help="Whose output. [default: list them]")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON in the envelope of all commands.")
    ] = False,
) -> int:
    """Print the JSON Schema of a command's --json output.

    \b
    mlopt schema
    mlopt schema simulate > simulate.schema.json

    One schema covers success and failure; it refers to nothing outside itself. 'schema_version' changes when
    something that scripts rely on is renamed or removed.
    """
    from mlopt_cli.schemas import published, schema_of

    names = published()
    if name is not None and name not in names:
        raise InvalidInputError(
            "this command prints no JSON",
            where="COMMAND",
            value=repr(name),
            do=f"Name one of {', '.join(names)}",
        )
    schema = schema_of(name) if name else None

    def render(console: Console) -> None:
        if schema is not None:
            sys.stdout.write(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
            return
        for each in names:
            console.print(each)
        console.print("next: mlopt schema simulate", style="dim")

    emit(
        Report("schema", {"command": name}, {"commands": names, "schema": schema}),
        as_json=as_json,
        render=render,
    )
    return 0
