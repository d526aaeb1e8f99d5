"""``mlopt recipe migrate``: an old recipe in this language's own words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlopt_cli.output import Report, emit
from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console


def command(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A recipe in the ancestor's words.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="NEW", help="Where to write it. [default: stdout]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Write a recipe of the ancestor in canonical names, with operators, weights and targets written out.

    \b
    mlopt recipe migrate old.yaml
    mlopt recipe migrate old.yaml -o new.yaml

    Rules keep their ids, priorities and scores. What has no effect becomes a comment that says why. OLD is
    never changed; NEW is written as a whole or not at all.

    Parameters
    ----------
    old : Path
        The old recipe.
    output : Path, optional
        Where to write the new one.
    as_json : bool
        Machine-readable.

    Returns
    -------
    int
        0.

    Raises
    ------
    InvalidInputError
        When OLD cannot be used, or NEW cannot be written.
    """
    from recipes.ancestor.migrate import migrate
    from recipes.saving import write_atomically
    from recipes.source import Source

    migration = migrate(Source.read(old, str(old)))
    if output is not None:
        if output.exists() and output.samefile(old):
            raise InvalidInputError(
                "is the old recipe itself", where=str(output), do="Name another file with -o"
            )
        try:
            write_atomically(output, migration.text)
        except OSError as error:
            raise InvalidInputError(
                f"cannot be written: {error.strerror}", where=str(output), do="Name another file with -o"
            ) from None
    written = str(output) if output is not None else None
    report = Report(
        "recipe",
        {"verb": "migrate", "old": str(old)} | ({"output": written} if written else {}),
        {"verb": "migrate", "output": written, "text": migration.text, "notes": list(migration.notes)},
    )

    def render(console: Console) -> None:
        if output is None:
            sys.stdout.write(migration.text)
            return
        for note in migration.notes:
            console.print(f"note: {note}", markup=False, soft_wrap=True)
        console.print(f"written to {output}", markup=False, soft_wrap=True)

    emit(report, as_json=as_json, render=render)
    return 0
