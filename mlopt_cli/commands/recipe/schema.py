"""``mlopt recipe schema``: the JSON Schema of recipes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mlopt_cli.output import Report, emit

if TYPE_CHECKING:
    from rich.console import Console


def command(
    where: Annotated[bool, typer.Option("--path", help="Print where the file is instead.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON in the envelope of all commands.")
    ] = False,
) -> int:
    """Print the JSON Schema of recipes, with which editors complete and check them.

    \b
    mlopt recipe schema > recipe.schema.json
    mlopt recipe schema --path

    Editors with a YAML language server take it from a comment at the top of a recipe:
    '# yaml-language-server: $schema=FILE'. 'mlopt validate' says more than a schema can.

    Parameters
    ----------
    where : bool
        Only the place of the shipped file.
    as_json : bool
        Machine-readable.

    Returns
    -------
    int
        0.
    """
    from recipes.json_schema import SCHEMA_FILE

    text = SCHEMA_FILE.read_text(encoding="utf-8")

    def render(console: Console) -> None:
        del console
        sys.stdout.write(f"{SCHEMA_FILE}\n" if where else text)

    result = {"verb": "schema", "path": str(SCHEMA_FILE), "schema": None if where else json.loads(text)}
    emit(Report("recipe", {"verb": "schema", "path": where}, result), as_json=as_json, render=render)
    return 0
