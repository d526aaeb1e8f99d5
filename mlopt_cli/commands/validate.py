"""``mlopt validate``: say everything that is wrong with recipes."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli.layer_options import LayerOptions, with_layers
from mlopt_cli.output import Report, emit
from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from recipes import Checked


class Format(StrEnum):
    """How findings are printed."""

    FULL = "full"
    CONCISE = "concise"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


@with_layers
def command(
    recipes: Annotated[
        list[str], typer.Argument(metavar="RECIPE...", help="Files, or names of shipped recipes.")
    ],
    strict: Annotated[
        bool, typer.Option("--strict", help="Report defaults left to the reader; warnings fail.")
    ] = False,
    form: Annotated[
        Format | None, typer.Option("--format", help="How findings are printed. [default: full]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    *,
    layers: LayerOptions,
) -> int:
    """Check recipes without running anything.

    \b
    mlopt validate train.yaml
    mlopt validate recipes/*.yaml --strict --format github
    mlopt validate recipes/*.yaml --format sarif > mlopt.sarif

    Prints every finding with its position. An error (MLO1xx) makes the exit code 2; a warning (MLO2xx) makes
    it 1 with --strict, else 0. 'mlopt explain MLO103' says more about a code.

    Parameters
    ----------
    recipes : list of str
        Files, or names of recipes that ship.
    strict : bool
        Also report what recipes leave to their reader, and fail on warnings.
    form : Format, optional
        How findings are printed.
    as_json : bool
        The same as the format json.
    layers : LayerOptions
        The layers around each recipe.

    Returns
    -------
    int
        0 when all are good, 1 when strict and one has a warning, 2 when one cannot be used.

    Raises
    ------
    InvalidInputError
        When --json contradicts --format.
    """
    from mlopt_cli.finding_formats import FORMATS
    from recipes import check

    if as_json and form not in (None, Format.JSON):
        raise InvalidInputError(
            "contradicts --json", where="--format", value=str(form), do="Give one of the two", code="usage"
        )
    form = Format.JSON if as_json else form or Format.FULL
    checked = {name: check(name, strict=strict, around=layers.request(name)) for name in recipes}
    entries = [_entry(name, each) for name, each in checked.items()]
    unusable = sum(not entry["valid"] for entry in entries)
    report = Report(
        "validate",
        {"recipes": recipes, "strict": strict, "layers": layers.to_dict()},
        {"recipes": entries, "invalid": unusable},
    )

    def render(console: Console) -> None:
        for entry in entries:
            for line in FORMATS[form](checked[entry["recipe"]].findings):
                console.print(line, markup=False, soft_wrap=True)
            console.print(_verdict(entry), markup=False, soft_wrap=True)

    if form in (Format.FULL, Format.JSON):
        emit(report, as_json=form is Format.JSON, render=render)
    else:
        findings = (finding for each in checked.values() for finding in each.findings)
        sys.stdout.writelines(f"{line}\n" for line in FORMATS[form](findings))
    if unusable:
        return 2
    return int(strict and any(entry["findings"] for entry in entries))


def _entry(name: str, checked: Checked) -> dict[str, Any]:
    recipe = checked.recipe
    return {
        "recipe": name,
        "valid": recipe is not None,
        "rules": len(recipe.rules) if recipe else None,
        "findings": [finding.to_dict() for finding in checked.findings],
    }


def _verdict(entry: dict[str, Any]) -> str:
    severities = [finding["severity"] for finding in entry["findings"]]
    warnings = severities.count("warning")
    counted = (
        _count(severities.count("error"), "error") if not entry["valid"] else _count(entry["rules"], "rule")
    )
    tail = f", {_count(warnings, 'warning')}" if warnings else ""
    return f"{entry['recipe']}: {'ok' if entry['valid'] else 'not usable'}, {counted}{tail}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
