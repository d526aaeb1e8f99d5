"""A recipe to start from: what lies in a directory, by extension and size, as commented rules."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlopt_cli.sizes import format_size
from mlopt_engine.errors import InvalidInputError

__all__ = ["Starter", "starter_recipe"]

# Files whose names are looked at, shared out among small and large ones, to find the extensions that count.
SAMPLED_FILES = 4000
# Extensions with rules of their own; people do not read more.
MAX_EXTENSIONS = 6
# Shuffled epochs are made of what lies below, what lies above is read front to back: as the recipe `default`.
SMALL = "8MiB"
STEP_FILES = 5000
# Decisions do not depend on the budget; the plan needs one.
ANY_BUDGET_BYTES = 1 << 30

_KEEP = "{type: cache, target: file, parameters: {policy: pinned, share: 1.0, lock: true}}"
_STREAM = "{type: prefetch, target: file, parameters: {mode: sequential, share: 0.05, window_bytes: 16MiB}}"
_HEAD = """\
# yaml-language-server: $schema={schema}
#
# For {directory}, which held {amount} when this was written. The rules are guesses from names and sizes:
# what a job reads, and how often, only a recording shows.
#   mlopt test-rules DIR -r FILE    which file gets which treatment, and why
#   mlopt record, mlopt learn       a recipe from what the job really does, judged on an epoch it has not seen
#   mlopt explain cache             what an action's parameters mean
version: "1"
name: {name}
description: Keeps small files, streams large ones ahead of the reader.
settings:
  # A rule with 'match: weighted' applies above this score; those below say 'all' and do not need it.
  confidence_threshold: 0.5
  # How long the mount trusts what it knows of a file; 'immutable' for data that never changes.
  staleness: 60s
rules:
"""
_RULE = """\
  # {why}
  - id: {id}
    name: {title}
    priority: {priority}
    match: all
    conditions:
{conditions}
    actions:
      - {action}
"""


@dataclass(frozen=True)
class Starter:
    """A recipe to start from.

    Attributes
    ----------
    text : str
        YAML with comments.
    rules : list of dict
        ``rule``, ``files`` and ``bytes`` each.
    totals : dict
        ``files`` and ``bytes`` of the directory.
    """

    text: str
    rules: list[dict[str, Any]]
    totals: dict[str, int]


@dataclass(frozen=True)
class _Group:
    """Files of one extension, or of all others, on one side of the size."""

    extension: str | None
    is_small: bool

    @property
    def id(self) -> str:
        kind = "others" if self.extension is None else _word(self.extension)
        return f"{'keep-small' if self.is_small else 'stream-large'}-{kind}"

    @property
    def title(self) -> str:
        kind = "other" if self.extension is None else f".{self.extension}"
        return f"{'small' if self.is_small else 'large'} {kind} files"

    def rule(self, amount: str) -> str:
        operator = "less_than" if self.is_small else "greater_equal"
        tests = [f"{{type: file_context, property: size, operator: {operator}, value: {SMALL}}}"]
        if self.extension is not None:
            value = json.dumps(self.extension, ensure_ascii=False)
            tests.insert(0, f"{{type: file_context, property: extension, operator: equals, value: {value}}}")
        reason = "kept once read" if self.is_small else "fetched ahead of the reader, not kept"
        return _RULE.format(
            why=f"{amount}: {reason}.",
            id=self.id,
            title=self.title,
            priority=50 if self.extension is None else 60,
            conditions="\n".join(f"      - {test}" for test in tests),
            action=_KEEP if self.is_small else _STREAM,
        )


def _word(text: str) -> str:
    return "".join(each if each.isalnum() and each.isascii() else "-" for each in text.lower())


def starter_recipe(directory: Path) -> Starter:
    """Write a recipe for a directory.

    Parameters
    ----------
    directory : Path
        What it is for; nothing in it is read.

    Returns
    -------
    Starter
        The recipe, with what its rules cover.

    Raises
    ------
    InvalidInputError
        When the directory cannot be listed.
    """
    if not directory.is_dir():
        raise InvalidInputError(
            "is no directory", where=str(directory), do="Name the directory of the data", code="path"
        )
    sample = _scan("default", directory, SAMPLED_FILES)["files"]
    groups = _groups([entry for entry in sample if entry["kind"] == "file"])
    draft = _HEAD.format(schema="", amount="", directory="", name="draft")
    result = _scan(draft + "".join(group.rule("") for group in groups), directory, 0)
    covered = _covered(groups, {row["rule"]: row for row in result["summary"]})
    used = {group: row for group, row in covered.items() if row["files"] or group.extension is None}
    totals = {key: result["totals"][key] for key in ("files", "bytes")}
    return Starter(_text(directory, used, totals), list(used.values()), totals)


def _covered(groups: list[_Group], found: dict[str, Any]) -> dict[_Group, dict[str, Any]]:
    """Count the files that each rule decides: the rules for all others fire for every file of their size."""
    rows: dict[_Group, dict[str, Any]] = {
        group: {"rule": group.id} | {key: found[group.id][key] for key in ("files", "bytes")}
        for group in groups
    }
    for group, row in rows.items():
        if group.extension is None:
            own = [rows[each] for each in groups if each.extension and each.is_small == group.is_small]
            for key in ("files", "bytes"):
                row[key] -= sum(each[key] for each in own)
    return rows


def _text(directory: Path, rules: dict[_Group, dict[str, Any]], totals: dict[str, int]) -> str:
    from recipes.json_schema import SCHEMA_FILE

    head = _HEAD.format(
        schema=SCHEMA_FILE,
        amount=_amount(totals),
        directory=_printable(str(directory)),
        name=json.dumps(_printable(directory.resolve().name)[:100] or "data", ensure_ascii=False),
    )
    return head + "".join(group.rule(_amount(row)) for group, row in rules.items())


def _amount(row: dict[str, Any]) -> str:
    files = "1 file" if row["files"] == 1 else f"{row['files']:,} files"
    return f"{files}, {format_size(row['bytes'])}" if row["files"] else "no file yet"


def _printable(text: str) -> str:
    """Show a path in a comment, whatever bytes its name has."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _groups(sample: list[dict[str, Any]]) -> list[_Group]:
    """Choose the extensions that most of the sampled files have, and then all others."""
    counted: Counter[str] = Counter(entry["facts"]["file.extension"] or "" for entry in sample)
    # An extension is written into the recipe, so it must be a word that reads back.
    common = [name for name, _ in counted.most_common() if name.isalnum() and name.isascii()][:MAX_EXTENSIONS]
    return [_Group(name, is_small) for name in (*common, None) for is_small in (True, False)]


def _scan(recipe: str, directory: Path, limit: int) -> dict[str, Any]:
    """Let the engine walk the tree under a recipe: a shipped one's name, or a text."""
    from mlopt_engine import RuleScan
    from recipes import compile_plan, load, loads

    chosen = loads(recipe) if "\n" in recipe else load(recipe)
    plan = compile_plan(chosen, memory_bytes=ANY_BUDGET_BYTES)
    try:
        scan = RuleScan(plan.json, directory, options_json=json.dumps({"limit": limit}))
    except OSError as error:
        raise InvalidInputError(
            f"cannot be listed: {os.strerror(error.errno or 0)}",
            where=str(directory),
            do="Name a directory that you may read",
            code="path",
        ) from None
    while scan.advance(STEP_FILES):
        pass
    result: dict[str, Any] = json.loads(scan.report())
    return result
