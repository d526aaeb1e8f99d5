"""``mlopt recipe init``: a commented recipe to start from."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlopt_cli.output import Report, emit
from mlopt_cli.sizes import format_size
from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console


def command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="What the recipe is for.")] = Path(),
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where to write it; - for stdout.")
    ] = Path("recipe.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Write a commented recipe to start from, after a look at a directory's extensions and sizes.

    \b
    mlopt recipe init /data
    mlopt recipe init /data -o tuned.yaml --force
    mlopt recipe init /data -o -

    Reads no file, follows no link. The rules are guesses from names and sizes alone; 'mlopt learn' finds
    better ones in a recorded job.

    Parameters
    ----------
    directory : Path
        What the recipe is for.
    output : Path
        Where to write it.
    force : bool
        Replace what is there.
    as_json : bool
        Machine-readable.

    Returns
    -------
    int
        0.

    Raises
    ------
    InvalidInputError
        When the directory cannot be listed, or the file is there or cannot be written.
    """
    from mlopt_cli.workflows.starter import starter_recipe
    from recipes.saving import write_atomically

    is_stdout = str(output) == "-"
    if not is_stdout and not force and (output.exists() or output.is_symlink()):
        raise InvalidInputError(
            "is there already", where=str(output), do="Name another file with -o, or replace it with --force"
        )
    starter = starter_recipe(directory)
    if not is_stdout:
        try:
            write_atomically(output, starter.text)
        except OSError as error:
            raise InvalidInputError(
                f"cannot be written: {error.strerror}", where=str(output), do="Name another file with -o"
            ) from None
    report = Report(
        "recipe",
        {"verb": "init", "directory": str(directory), "output": str(output), "force": force},
        {"verb": "init", "output": None if is_stdout else str(output), "text": starter.text}
        | {"rules": starter.rules, "totals": starter.totals},
    )

    def render(console: Console) -> None:
        if is_stdout:
            sys.stdout.write(starter.text)
            return
        for rule in starter.rules:
            amount = f"{rule['files']:,} files, {format_size(rule['bytes'])}"
            console.print(f"{rule['rule']}: {amount}", markup=False, soft_wrap=True)
        console.print(f"written to {output}", markup=False, soft_wrap=True)
        words = shlex.join(["mlopt", "test-rules", str(directory), "-r", str(output)])
        console.print(f"next: {words}", markup=False, soft_wrap=True)

    emit(report, as_json=as_json, render=render)
    return 0
