"""``mlopt test-rules``: which file gets which treatment, and why."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli.layer_options import LayerOptions, with_layers
from mlopt_cli.output import Report, emit, progress
from mlopt_cli.sizes import format_size
from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from recipes import Plan

# Shown without --limit: what people read, fairly chosen. With 20 rules 100,000 explanations are 1 GB of JSON.
FILES_FOR_PEOPLE = 20
FILES_IN_JSON = 1000
# Most files between two updates of the progress bar, about 10 ms of work; fewer where a step takes more than
# STEP_S, as on a slow storage: Ctrl-C is heard between two steps.
STEP_FILES = 5000
STEP_S = 0.1
# Decisions do not depend on the budget; the plan needs one.
ANY_BUDGET_BYTES = 1 << 30


@with_layers
def command(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A directory, or a single file.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            "-r", "--recipe", metavar="RECIPE", help="File, or name of a shipped recipe. [default: default]"
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--source", metavar="DIR", help="What paths are relative to. [default: PATH]"),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=0, help="Files to explain; 0 for all. [default: 20, with --json 1000]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    *,
    layers: LayerOptions,
) -> int:
    """Show which rules apply to which files, and why.

    \b
    mlopt test-rules ./data -r tuned.yaml
    mlopt test-rules ./data/train/cat/1.jpg --source ./data -r tuned.yaml
    mlopt test-rules ./data --json --limit 0

    Walks the tree without reading a file, and follows no link. The files shown are shared out among the
    treatments. Facts that only show while a job runs, such as access patterns, are unknown here.

    Parameters
    ----------
    path : Path
        A directory or a single file.
    recipe : str, optional
        File, or name of a recipe that ships.
    source : Path, optional
        The directory that rules see paths relative to.
    limit : int, optional
        Files to explain; 0 for all.
    as_json : bool
        Machine-readable.

    Returns
    -------
    int
        0.

    Raises
    ------
    InvalidInputError
        When the recipe, the path or the source cannot be used.
    """
    import recipes

    plan = recipes.compile_plan(layers.resolve(recipe, source or path), memory_bytes=ANY_BUDGET_BYTES)
    shown = limit if limit is not None else FILES_IN_JSON if as_json else FILES_FOR_PEOPLE
    result = _examine(path, source, plan, shown or None)
    inputs = {
        "path": str(path),
        "recipe": recipe or "default",
        "source": str(source) if source else None,
        "limit": shown,
    }
    report = Report(
        "test-rules",
        inputs | {"layers": layers.to_dict()},
        result | {"plan_sha256": plan.sha256},
        list(plan.warnings),
    )
    looked_at = result["totals"]["files"] + result["totals"]["symlinks"] + result["totals"]["special"]
    if as_json and len(result["files"]) < looked_at:
        report.warn(
            "files-limited",
            f"{len(result['files'])} of {looked_at} files are explained; --limit 0 explains all",
        )
    if result["totals"]["unreadable"]:
        report.warn("unreadable", f"{result['totals']['unreadable']} paths could not be looked at")
    emit(report, as_json=as_json, render=lambda console: _render(console, result, looked_at))
    return 0


def _examine(path: Path, source: Path | None, plan: Plan, limit: int | None) -> dict[str, Any]:
    """Scan a tree, a part of a source, or one file."""
    from mlopt_engine import RuleScan

    root, start = (path, None) if source is None else (source, _below(path, source))
    if source is None and not path.is_dir():
        root, start = path.parent, Path(path.name)
    try:
        scan = RuleScan(plan.json, root, limit, start)
    except OSError as error:
        raise InvalidInputError(
            f"cannot be listed: {os.strerror(error.errno or 0)}",
            where=str(path),
            do="Name a directory or a file that exists and that you may read",
            code="path",
        ) from None
    with progress() as bar:
        task = bar.add_task("files", total=None)
        files, begun = 1, time.monotonic()
        while step := scan.advance(files):
            bar.advance(task, step)
            took = time.monotonic() - begun
            begun += took
            files = max(1, files // 2) if took > STEP_S else min(STEP_FILES, 2 * files)
    result: dict[str, Any] = json.loads(scan.report())
    return result


def _below(path: Path, source: Path) -> Path | None:
    """Where a path lies below its source; None for the source itself. A link stays the link it is."""
    try:
        relative = (path.parent.resolve() / path.name).relative_to(source.resolve())
    except ValueError:
        raise InvalidInputError(
            "is not below the source", where=str(path), value=str(source), do="Name a path inside --source"
        ) from None
    return None if relative == Path() else relative


def _render(console: Console, result: dict[str, Any], looked_at: int) -> None:
    for entry in result["files"]:
        _render_file(console, entry)
    if len(result["files"]) < looked_at:
        console.print(f"... {len(result['files'])} of {looked_at:,} files shown (--limit)\n", markup=False)
    _render_summary(console, result)


def _render_file(console: Console, entry: dict[str, Any]) -> None:
    if entry["kind"] != "file":
        console.print(f"{entry['path']}  ({entry['kind']}: shown by a mount, never treated)\n", markup=False)
        return
    console.print(
        f"{entry['path']}  {format_size(entry['size'])}, {entry['facts']['file.type']}", markup=False
    )
    for rule in entry["rules"]:
        verdict = "applies" if rule["applied"] else "fires, not among the first" if rule["fires"] else "no"
        head = f"  {rule['id']}: {verdict}, score {rule['score']:.3f}"
        matching = (
            f"threshold {rule['threshold']:g}" if rule["match"] == "weighted" else f"match {rule['match']}"
        )
        console.print(f"{head}, {matching}", markup=False, soft_wrap=True)
        for condition in rule["conditions"]:
            console.print(f"      {_condition_line(condition)}", markup=False, soft_wrap=True)
    console.print(f"  => {_action_line(entry)}\n", markup=False, soft_wrap=True)


_SIGNS = {"true": "+", "false": "-", "unknown": "?"}


def _condition_line(condition: dict[str, Any]) -> str:
    size = condition["fact"] == "file.size"
    shown = json.dumps(condition["value"]) if not size else _sizes(condition["value"])
    actual = condition["actual"]
    is_text = "unknown" if actual is None else format_size(actual) if size else json.dumps(actual)
    required = ", required" if condition["required"] else ""
    return (
        f"{_SIGNS[condition['verdict']]} {condition['fact']} {condition['op']} {shown}"
        f"   is {is_text} (weight {condition['weight']:g}{required})"
    )


def _sizes(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_sizes(item) for item in value) + "]"
    return (
        format_size(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    )


def _action_line(entry: dict[str, Any]) -> str:
    parts = []
    for name, action in entry["action"].items():
        if action is None:
            continue
        origin = entry["origin"]
        own = [
            f"{key}={_parameter(key, value)} <{origin[f'{name}.{key}']}>"
            for key, value in action.items()
            if f"{name}.{key}" in origin
        ]
        defaults = ", ".join(
            f"{key}={_parameter(key, value)}"
            for key, value in action.items()
            if f"{name}.{key}" not in origin and value is not None
        )
        parts.append(f"{name} {' '.join(own)}" + (f" (defaults: {defaults})" if defaults else ""))
    return "; ".join(parts) if parts else "streamed: neither kept nor fetched ahead"


def _parameter(key: str, value: Any) -> str:
    if key.endswith("_bytes"):
        return format_size(value)
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _render_summary(console: Console, result: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("rule", "files", "bytes", "", box=None, pad_edge=False)
    for row in result["summary"]:
        if row["never_applied"]:
            note = "never applies here"
        else:
            note = "" if row["files_shaped"] else "shadowed: stronger rules set all its parameters"
        table.add_row(row["rule"], f"{row['files']:,}", format_size(row["bytes"]), note)
    totals = result["totals"]
    for name, words in (
        ("cached", "= cached"),
        ("prefetched", "= fetched ahead"),
        ("streamed", "= not kept"),
    ):
        table.add_row(words, f"{totals[name]['files']:,}", format_size(totals[name]["bytes"]), "")
    table.add_row("= all files", f"{totals['files']:,}", format_size(totals["bytes"]), "")
    console.print(table)
    if totals["symlinks"] or totals["special"]:
        others = f"symbolic links {totals['symlinks']:,}, special files {totals['special']:,}"
        console.print(f"never treated: {others}", markup=False)
