"""``mlopt recipe diff``: what changed between two recipes, in meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli.output import Report, emit
from mlopt_cli.sizes import format_size

if TYPE_CHECKING:
    from rich.console import Console

    from recipes.difference import Change, Difference


def command(
    old: Annotated[str, typer.Argument(metavar="OLD", help="File, or name of a shipped recipe.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="File, or name of a shipped recipe.")],
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 1 when they differ.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Say what changed between two recipes: rules by id, settings, key by key.

    \b
    mlopt recipe diff old.yaml new.yaml
    mlopt recipe diff default tuned.yaml --exit-code

    Layout, comments and spellings (8MiB or 8388608) make no difference; defaults count as what they are.

    Parameters
    ----------
    old, new : str
        Files, or names of recipes that ship.
    exit_code : bool
        Answer by the exit code, too.
    as_json : bool
        Machine-readable.

    Returns
    -------
    int
        0; 1 with ``--exit-code`` when they differ.

    Raises
    ------
    InvalidInputError
        When a recipe cannot be used.
    """
    from recipes import load
    from recipes.difference import compare

    difference = compare(load(old), load(new))
    report = Report(
        "recipe",
        {"verb": "diff", "old": old, "new": new, "exit_code": exit_code},
        {"verb": "diff", "differ": not difference.is_empty} | asdict(difference),
    )

    def render(console: Console) -> None:
        for line in _lines(difference):
            console.print(line, markup=False, soft_wrap=True)

    emit(report, as_json=as_json, render=render)
    return int(exit_code and not difference.is_empty)


def _lines(difference: Difference) -> Iterator[str]:
    if difference.is_empty:
        yield "no difference in meaning"
    for identifier in difference.removed:
        yield f"- rule {identifier}"
    for identifier in difference.added:
        yield f"+ rule {identifier}"
    for identifier, changes in difference.changed.items():
        yield f"~ rule {identifier}"
        yield from (f"    {_line(change)}" for change in changes)
    if difference.is_reordered:
        yield "~ order of the rules"
    for title, changes in (("settings", difference.settings), ("recipe", difference.other)):
        if changes:
            yield f"~ {title}"
            yield from (f"    {_line(change)}" for change in changes)


def _line(change: Change) -> str:
    if change.kind == "added":
        return f"+ {change.key}: {_shown(change.key, change.new)}"
    if change.kind == "removed":
        return f"- {change.key}: {_shown(change.key, change.old)}"
    return f"{change.key}: {_shown(change.key, change.old)} -> {_shown(change.key, change.new)}"


def _shown(key: str, value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    last = key.rsplit(".", 1)[-1]
    if is_number and (last.endswith("_bytes") or last == "block_size" or ".size " in key):
        return format_size(value)
    if is_number and (last.endswith("_ns") or last == "staleness"):
        return "immutable" if value >= (1 << 64) - 1 else f"{value / 1e9:g}s"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
