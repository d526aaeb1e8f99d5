"""``mlopt recipe fmt``: lay recipes out anew."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli.output import Report, emit
from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from recipes import Finding

_SUFFIXES = (".yaml", ".yml")


def command(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Files, directories of YAML files, or - for stdin to stdout."),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 if something would.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Lay recipes out anew: indentation, blanks, quotes. Values and comments stay.

    \b
    mlopt recipe fmt recipe.yaml
    mlopt recipe fmt recipes/ --check
    mlopt recipe fmt - < recipe.yaml

    A file is replaced as a whole or not at all, keeps its mode, and a link stays a link. What cannot be laid
    out without changing it is left alone and named.

    Parameters
    ----------
    files : list of str
        Files, directories, or ``-``.
    check : bool
        Only say what would change.
    as_json : bool
        Machine-readable.

    Returns
    -------
    int
        0 when all are formatted, 1 when ``--check`` found one that is not, 2 when one cannot be formatted.
    """
    if files == ["-"]:
        return _filter(check=check)
    done = [_format(path, check=check) for path in _recipes(files)]
    entries = [entry for entry, _ in done]
    report = Report(
        "recipe",
        {"verb": "fmt", "files": files, "check": check},
        {"verb": "fmt", "files": entries},
    )

    def render(console: Console) -> None:
        for entry, findings in done:
            for finding in findings:
                console.print(f"{finding.severity}: {finding}", markup=False, soft_wrap=True)
            if not findings and not (check and entry["outcome"] == "unchanged"):
                console.print(f"{entry['file']}: {entry['outcome']}", markup=False, soft_wrap=True)

    emit(report, as_json=as_json, render=render)
    outcomes = {entry["outcome"] for entry in entries}
    return 2 if "refused" in outcomes else int("would change" in outcomes)


def _recipes(names: list[str]) -> Iterator[Path]:
    for name in names:
        path = Path(name)
        if not path.is_dir():
            yield path
            continue
        found = sorted(each for each in path.rglob("*") if each.suffix in _SUFFIXES and each.is_file())
        if not found:
            raise InvalidInputError("holds no YAML file", where=name, do="Name a recipe", code="path")
        yield from found


def _format(path: Path, *, check: bool) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    from recipes import RecipeError
    from recipes.formatting import format_recipe
    from recipes.saving import write_atomically
    from recipes.source import Source

    findings: tuple[Finding, ...] = ()
    try:
        source = Source.read(path, str(path))
        text = format_recipe(source)
    except RecipeError as error:
        findings, outcome = error.findings, "refused"
    else:
        # compared as bytes: a byte order mark and line ends of another system are laid out, too
        outcome = "unchanged" if path.read_bytes() == text.encode() else "would change"
        if outcome == "would change" and not check:
            try:
                write_atomically(path, text)
            except OSError as error:
                raise InvalidInputError(
                    f"cannot be written: {error.strerror}", where=str(path), do="Look at its permissions"
                ) from None
            outcome = "formatted"
    entry = {"file": str(path), "outcome": outcome, "findings": [each.to_dict() for each in findings]}
    return entry, findings


def _filter(*, check: bool) -> int:
    from recipes.formatting import format_recipe
    from recipes.source import Source

    source = Source.of_bytes(sys.stdin.buffer.read(), "<stdin>")
    text = format_recipe(source)
    if check:
        return int(text != source.text)
    sys.stdout.write(text)
    return 0
