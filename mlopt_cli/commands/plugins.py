"""``mlopt plugins``: which frameworks are known, where they come from, what they bring."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli.output import Report, emit
from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from recipes.plugins import Catalog, Entry, FrameworkLayer, PluginSelection, TreeDetection


class Action(StrEnum):
    """What to do."""

    LIST = "list"
    SHOW = "show"
    CHECK = "check"


def command(
    action: Annotated[Action, typer.Argument(metavar="list|show|check", help="What to do.")] = Action.LIST,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Frameworks to show or check.")
    ] = None,
    tree: Annotated[
        Path | None,
        typer.Option("--tree", metavar="DIR", help="Files to vote on, and to ask for hints about."),
    ] = None,
    fact: Annotated[
        list[str] | None,
        typer.Option("--fact", metavar="KEY=VALUE", help="What hints may count on: system.gpu_count=8."),
    ] = None,
    plugin: Annotated[
        list[str] | None,
        typer.Option("--plugin", metavar="NAME", help="Load this plugin of another distribution."),
    ] = None,
    allow_as_root: Annotated[
        bool, typer.Option("--allow-plugins-as-root", help="Load them as root, too.")
    ] = False,
    no_plugins: Annotated[bool, typer.Option("--no-plugins", help="Load none but those that ship.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """List framework plugins, show what one brings, or check that it keeps to the interface.

    \b
    mlopt plugins list
    mlopt plugins show pytorch --tree ./data --fact system.gpu_count=8
    mlopt plugins check mine --plugin mine

    Listing loads nothing of other distributions. A plugin of theirs is loaded when it is named, by --plugin
    or in MLOPT_PLUGINS (names, separated by commas); as root only with --allow-plugins-as-root.
    MLOPT_NO_PLUGINS=1 is --no-plugins. 'check' has the exit code 1 when a plugin is not usable.

    Parameters
    ----------
    action : Action
        What to do.
    names : list of str, optional
        Frameworks to show or check.
    tree : Path, optional
        Files to look at.
    fact : list of str, optional
        ``KEY=VALUE`` each.
    plugin : list of str, optional
        Plugins of others to load.
    allow_as_root : bool
        Whether they may be loaded as root.
    no_plugins : bool
        Load none.
    as_json : bool
        Machine-readable.

    Returns
    -------
    int
        0, or 1 when a checked plugin is not usable.

    Raises
    ------
    InvalidInputError
        When there is no such plugin, or nothing is named to be shown.
    """
    from recipes.plugins import PluginSelection, catalog

    chosen = PluginSelection.of_words(plugin or (), allow_as_root=allow_as_root, disabled=no_plugins)
    plugins = catalog(chosen)
    facts = _facts(fact or [])
    inputs: dict[str, Any] = {
        "action": action.value,
        "names": names or [],
        "tree": str(tree) if tree else None,
    }
    inputs |= {"facts": facts, "plugins": list(chosen.names), "enabled": chosen.enabled}
    run: dict[Action, Callable[[], tuple[dict[str, Any], Callable[[Console], None], int]]] = {
        Action.LIST: lambda: _list(plugins),
        Action.SHOW: lambda: _show(plugins, names or [], tree, facts),
        Action.CHECK: lambda: _check(plugins, names or [], chosen),
    }
    result, render, code = run[action]()
    emit(Report("plugins", inputs, result), as_json=as_json, render=render)
    return code


def _facts(words: list[str]) -> dict[str, Any]:
    facts = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or "." not in name:
            remedy = "Write it as system.gpu_count=8"
            raise InvalidInputError("is no fact", where="--fact", value=word, do=remedy, code="fact")
        try:
            facts[name] = json.loads(value)
        except ValueError:
            facts[name] = value
    return facts


def _list(plugins: Catalog) -> tuple[dict[str, Any], Callable[[Console], None], int]:
    def render(console: Console) -> None:
        from rich.table import Table

        table = Table("framework", "from", "state", "", box=None, pad_edge=False)
        for each in plugins.entries:
            note = each.error or str(getattr(each.plugin, "summary", ""))
            table.add_row(*(each.name, f"{each.origin} {each.version}", each.state, note))
        console.print(table)

    return {"plugins": [entry.to_dict() for entry in plugins.entries]}, render, 0


def _show(
    plugins: Catalog, names: list[str], tree: Path | None, facts: dict[str, Any]
) -> tuple[dict[str, Any], Callable[[Console], None], int]:
    from recipes.plugins import detect_tree, framework_layer

    detection = detect_tree(tree, plugins) if tree else None
    if not names and detection and detection.best:
        names = [detection.best]
    if not names and detection is None:
        known = ", ".join(entry.name for entry in plugins.usable)
        raise InvalidInputError("nothing to show", do=f"Name one of {known}, or --tree DIR", code="usage")
    layers = [framework_layer(name, plugins, detection, facts) for name in names]
    result = {
        "plugins": [_shown(layer) for layer in layers],
        "detection": detection.to_dict() if detection else None,
    }

    def render(console: Console) -> None:
        if detection is not None:
            _render_vote(console, detection)
        for layer in layers:
            _render_layer(console, layer, asked=detection is not None)

    return result, render, 0


def _shown(layer: FrameworkLayer) -> dict[str, Any]:
    rules = [
        {"id": rule["id"], "origin": rule["origin"], "actions": rule["actions"]}
        for recipe in layer.recipes
        for rule in recipe.rules
    ]
    templates = [
        {"id": template.get("id"), "rules": template.get("rules", [])}
        for recipe in layer.recipes
        for template in recipe.document.get("templates") or []
    ]
    warnings = [finding.to_dict() for recipe in layer.recipes for finding in recipe.warnings]
    return layer.entry.to_dict() | {
        "rules": rules,
        "templates": templates,
        "hints": [asked.to_dict() for asked in layer.hints],
        "findings": warnings,
    }


def _render_vote(console: Console, detection: TreeDetection) -> None:
    console.print(f"{detection.files} files looked at", markup=False)
    for name, score in detection.scores.items():
        told = [each.path for each in detection.evidence if each.framework == name][:3]
        console.print(f"  {name} {score:.2f}: {', '.join(told)}", markup=False, soft_wrap=True)
    for name, problem in detection.failures.items():
        console.print(f"  {name} failed: {problem}", markup=False, soft_wrap=True)
    console.print(f"framework: {detection.best or 'none stands out'}\n", markup=False)


def _render_layer(console: Console, layer: FrameworkLayer, *, asked: bool) -> None:
    entry = layer.entry
    console.print(f"{entry.name} of {entry.origin} {entry.version}, {entry.state}", markup=False)
    for recipe in layer.recipes:
        for rule in recipe.rules:
            actions = ", ".join(f"{each['type']} {_parameters(each)}" for each in rule["actions"])
            place = f"{rule['origin']['file']}:{rule['origin']['line']}"
            console.print(
                f"  rule {rule['id']} <{place}>: {actions or 'nothing'}", markup=False, soft_wrap=True
            )
        for template in recipe.document.get("templates") or []:
            words = ", ".join(template.get("rules") or [])
            console.print(f"  template {template.get('id')}: {words}", markup=False, soft_wrap=True)
    for each in layer.hints:
        becomes = f"rule {each.rule['id']}" if each.rule else f"nothing: {each.advisory}"
        files = f"{each.group.facts['file.type']} .{each.group.facts['file.extension']}"
        line = f"  hint {each.hint.type} on {files}: {each.hint.description} => {becomes}"
        console.print(line, markup=False, soft_wrap=True)
    if not asked:
        console.print("  hints are asked for about files: --tree DIR", markup=False, style="dim")


def _parameters(action: dict[str, Any]) -> str:
    return " ".join(f"{name}={json.dumps(value)}" for name, value in action["parameters"].items())


def _check(
    plugins: Catalog, names: list[str], chosen: PluginSelection
) -> tuple[dict[str, Any], Callable[[Console], None], int]:
    from recipes.plugins.checking import problems_of

    entries: list[Entry] = [entry for entry in plugins.entries if not names or entry.name in names]
    for name in names:
        if all(entry.name != name for entry in entries):
            plugins.get(name)  # which says what it may have been meant to be
    # what nobody asked to load is no failure, unless it was named here
    looked_at = [each for each in entries if names or each.plugin is not None or each.name in chosen.names]
    found = {each: problems_of(each, plugins) for each in looked_at}
    rows = [
        entry.to_dict() | {"usable": not problems, "problems": problems} for entry, problems in found.items()
    ]
    unusable = sum(not row["usable"] for row in rows)

    def render(console: Console) -> None:
        for row in rows:
            console.print(f"{row['name']}: {'ok' if row['usable'] else 'not usable'}", markup=False)
            for problem in row["problems"]:
                console.print(f"  {problem}", markup=False, soft_wrap=True)

    return {"plugins": rows, "unusable": unusable}, render, 1 if unusable else 0
