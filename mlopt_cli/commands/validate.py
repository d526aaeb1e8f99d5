"""``mlopt validate``: say everything that is wrong with recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli.output import Report, emit

if TYPE_CHECKING:
    from rich.console import Console

    from recipes import Finding


def command(
    recipes: Annotated[
        list[str], typer.Argument(metavar="RECIPE...", help="Files, or names of shipped recipes.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Check recipes without running anything.

    \b
    mlopt validate train.yaml
    mlopt validate recipes/*.yaml --json

    Prints every finding with its position. Errors (MLO1xx) make the exit code 2, warnings (MLO2xx) do not.

    Parameters
    ----------
    recipes : list of str
        Files, or names of recipes that ship.
    as_json : bool
        Machine-readable.

    Returns
    -------
    int
        0 when all are usable, 2 when one is not.
    """
    checked = [_check(name) for name in recipes]
    unusable = sum(not entry["valid"] for entry, _ in checked)
    report = Report(
        "validate",
        {"recipes": recipes},
        {"recipes": [entry for entry, _ in checked], "invalid": unusable},
    )

    def render(console: Console) -> None:
        for entry, findings in checked:
            for finding in findings:
                console.print(f"{finding.severity}: {finding}", markup=False, soft_wrap=True)
            console.print(_verdict(entry), markup=False, soft_wrap=True)

    emit(report, as_json=as_json, render=render)
    return 2 if unusable else 0


def _check(name: str) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    from recipes import RecipeError, load

    try:
        recipe = load(name)
    except RecipeError as error:
        findings = error.findings
        entry: dict[str, Any] = {"recipe": name, "valid": False, "rules": None}
    else:
        findings = recipe.warnings
        entry = {"recipe": name, "valid": True, "rules": len(recipe.rules)}
    return entry | {"findings": [finding.to_dict() for finding in findings]}, findings


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
