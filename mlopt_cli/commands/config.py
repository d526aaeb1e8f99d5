"""``mlopt config``: what a recipe and its layers come to, and where each value was written."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli.layer_options import LayerOptions, with_layers
from mlopt_cli.output import Report, emit

if TYPE_CHECKING:
    from rich.console import Console

    from recipes import Recipe


#: Longer values push what follows to the right, in their line only.
WIDEST_VALUE = 48


class Action(StrEnum):
    """What to do."""

    SHOW = "show"
    VALIDATE = "validate"


@with_layers
def command(
    action: Annotated[
        Action, typer.Argument(metavar="show|validate", help="Print all values, or check all.")
    ],
    recipe: Annotated[
        str | None,
        typer.Option("-r", "--recipe", metavar="RECIPE", help="File, or name of a shipped recipe."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--source", metavar="DIR", help="The job's data, where the framework auto is looked for."
        ),
    ] = None,
    fact: Annotated[
        list[str] | None,
        typer.Option(
            "--fact", metavar="KEY=VALUE", help="What if, for hints of plugins and the hardware auto."
        ),
    ] = None,
    origin: Annotated[
        bool, typer.Option("--origin", help="Tell for each value the layer, file and line that set it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    *,
    layers: LayerOptions,
) -> int:
    """Show what a recipe with its layers sets, or check all of its files.

    \b
    mlopt config show -r train.yaml --origin
    mlopt config show --framework auto --source ./data --fact system.gpu_count=8
    mlopt config show --config-dir ml_configs --environment production --origin
    mlopt config validate --config-dir ml_configs

    Layers, weakest first: built-in, framework, environment, hardware, custom file, flags. Mappings merge key
    by key, rules and templates by id.
    """
    if action is Action.VALIDATE:
        return _validate(recipe, layers, as_json=as_json)
    from mlopt_cli.workflows.given_facts import parse_facts

    facts = parse_facts(fact or [])
    resolved = layers.resolve(recipe, source, facts)
    applied = {rule["id"].partition("@")[0] for rule in resolved.rules}
    rows = [_row(key, value, origins, applied) for key, value, origins in resolved.origins()]
    report = Report(
        "config",
        {"action": action.value, "recipe": recipe, "layers": layers.to_dict()}
        | {"source": str(source) if source else None, "facts": facts},
        {"name": resolved.name, "values": rows},
        [{"code": each.code, "message": f"{each.where}: {each.message}"} for each in resolved.warnings],
    )
    emit(report, as_json=as_json, render=lambda console: _render(console, resolved, rows, origin=origin))
    return 0


def _validate(recipe: str | None, layers: LayerOptions, *, as_json: bool) -> int:
    """Check every file of every layer, selected or not."""
    from recipes import RecipeError

    try:
        resolved = layers.resolve(recipe)
        findings, verdict = resolved.warnings, f"ok, {_rules_apply(resolved)}"
    except RecipeError as error:
        findings = error.findings
        errors = sum(each.severity == "error" for each in findings)
        verdict = f"not usable, {errors} error{'' if errors == 1 else 's'}"
    usable = all(finding.severity == "warning" for finding in findings)
    report = Report(
        "config",
        {"action": "validate", "recipe": recipe} | {"layers": layers.to_dict()},
        {"valid": usable, "findings": [finding.to_dict() for finding in findings]},
    )

    def render(console: Console) -> None:
        for finding in findings:
            console.print(f"{finding.severity}: {finding}", markup=False, soft_wrap=True)
        console.print(verdict, markup=False)

    emit(report, as_json=as_json, render=render)
    return 0 if usable else 2


def _row(key: str, value: Any, origins: tuple[Any, ...], applied: set[str]) -> dict[str, Any]:
    shown = [{"layer": each.layer, "file": each.file, "line": each.line} for each in origins]
    row: dict[str, Any] = {"key": key, "value": value, "origin": shown[0], "replaced": shown[1:]}
    if key.startswith("rules."):
        row["applies"] = key.removeprefix("rules.") in applied
    return row


def _render(console: Console, recipe: Recipe, rows: list[dict[str, Any]], *, origin: bool) -> None:
    console.print(f"{recipe.name}: {_rules_apply(recipe)}", markup=False)
    key_width = max((len(row["key"]) for row in rows), default=0)
    value_width = min(WIDEST_VALUE, max((len(_shown(row)) for row in rows), default=0))
    for row in rows:
        line = f"{row['key']:{key_width}}  {_shown(row):{value_width}}"
        if origin:
            replaced = "; ".join(f"replaces {_place(each)}" for each in row["replaced"])
            line += f"  {_place(row['origin'])}{'  ' if replaced else ''}{replaced}"
        console.print(
            line.rstrip(), markup=False, soft_wrap=True
        )  # one line a key: for grep, and to click on places


def _rules_apply(recipe: Recipe) -> str:
    number = len(recipe.rules)
    return "1 rule applies" if number == 1 else f"{number} rules apply"


def _shown(row: dict[str, Any]) -> str:
    value = row["value"]
    if "applies" in row:
        actions = ", ".join(str(action.get("type")) for action in value.get("actions", []))
        return f"{actions}{'' if row['applies'] else '  (does not apply here)'}"
    if row["key"].startswith("templates."):
        return ", ".join(value.get("rules", []))
    return json.dumps(value, ensure_ascii=False)


def _place(origin: dict[str, Any]) -> str:
    return f"{origin['layer']} {origin['file']}:{origin['line']}" if origin["file"] else str(origin["layer"])
