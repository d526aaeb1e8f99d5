"""Many judged files: the summary by rule, the tree view, why a rule is silent, and rows for a spreadsheet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlopt_cli.sizes import format_size
from mlopt_cli.workflows.rule_words import value_text

if TYPE_CHECKING:
    from rich.table import Table
    from rich.tree import Tree

#: Folders of one folder that are drawn; the rest are counted.
FOLDERS_SHOWN = 12
CSV_COLUMNS = (
    *(
        "path",
        "size",
        "type",
        "format",
        "reads",
        "read_bytes",
        "rule",
        "applied",
        "fires",
        "score",
        "threshold",
    ),
    *("match", "fact", "op", "value", "actual", "verdict", "weight", "required", "wins"),
)


def summary_table(result: dict[str, Any]) -> Table:
    """Draw what each rule does, and all of them.

    Parameters
    ----------
    result : dict
        Of `judge_files`.

    Returns
    -------
    rich.table.Table
        One row for each rule, then the treatments.
    """
    from rich.table import Table

    totals = result["totals"]
    traced = totals["reads"] > 0
    table = Table("rule", "files", "bytes", box=None, pad_edge=False)
    for name in [*(["reads", "bytes read"] if traced else []), ""]:
        table.add_column(name)

    def row(name: str, counted: dict[str, Any], note: str = "") -> None:
        read = [f"{counted['reads']:,}", format_size(counted["read_bytes"])] if traced else []
        table.add_row(name, f"{counted['files']:,}", format_size(counted["bytes"]), *read, note)

    for rule in result["summary"]:
        row(rule["rule"], rule, _note(rule))
    for name, words in (
        ("matched", "= some rule applies"),
        ("cached", "= cached"),
        ("prefetched", "= fetched ahead"),
        ("streamed", "= not kept"),
    ):
        row(words, totals[name])
    row("= all files", totals)
    return table


def _note(rule: dict[str, Any]) -> str:
    unknown = f"unknown here: {', '.join(rule['unknown_facts'])}" if rule["unknown_facts"] else ""
    if rule["never_applied"]:
        return "never applies here" + (f"; {unknown}" if unknown else "")
    shadowed = "" if rule["files_shaped"] else "shadowed: stronger rules set all its parameters"
    return "; ".join(filter(None, [shadowed, unknown]))


def silence_lines(silence: dict[str, Any]) -> list[str]:
    """Say what stands against a rule.

    Parameters
    ----------
    silence : dict
        ``why_not`` of `judge_files`.

    Returns
    -------
    list of str
        The condition that fails most often first.
    """
    files = silence["files"]
    if not files:
        return [f"{silence['rule']} applies to every file"]
    lines = [f"{silence['rule']} does not treat {files:,} files, {format_size(silence['bytes'])}:"]
    for each in sorted(silence["conditions"], key=lambda each: -(each["false"] + each["unknown"])):
        required = ", required" if each["required"] else ""
        lines.append(
            f"  {each['fact']} {each['op']} {value_text(each['fact'], each['value'])} (weight "
            f"{each['weight']:g}{required}): false for {each['false']:,}, unknown for {each['unknown']:,}"
        )
    if silence["crowded_out"]:
        lines.append(
            f"  it fires for {silence['crowded_out']:,} of them, but stronger rules fill the number that may "
            "apply (max_concurrent_rules)"
        )
    return lines


def folder_tree(result: dict[str, Any]) -> Tree:
    """Draw folders with the files that rules treat in them.

    Parameters
    ----------
    result : dict
        Of `judge_files`, with folders.

    Returns
    -------
    rich.tree.Tree
        Each folder holds the numbers of all below it.
    """
    from rich.markup import escape
    from rich.tree import Tree

    sums: dict[str, dict[str, Any]] = {}
    for folder in result["folders"]:
        path = PurePosixPath(folder["folder"] or ".")
        for place in dict.fromkeys([str(path), *map(str, path.parents)]):
            total = sums.setdefault(place, {"files": 0, "bytes": 0, "matched": 0, "rules": {}})
            for key in ("files", "bytes", "matched"):
                total[key] += folder[key]
            for rule, files in folder["rules"].items():
                total["rules"][rule] = total["rules"].get(rule, 0) + files
    children: dict[str, list[str]] = {}
    for place in sorted(sums):
        if place != ".":
            children.setdefault(str(PurePosixPath(place).parent), []).append(place)

    def label(place: str) -> str:
        total = sums[place]
        rules = ", ".join(f"{rule} {files:,}" for rule, files in total["rules"].items())
        name = place if place == "." else PurePosixPath(place).name + "/"
        return escape(
            f"{name}  {total['files']:,} files, {format_size(total['bytes'])}"
            + (f": {rules}" if rules else ": no rule applies")
        )

    def grow(tree: Tree, place: str) -> Tree:
        below = children.get(place, [])
        for child in below[:FOLDERS_SHOWN]:
            grow(tree.add(label(child)), child)
        if len(below) > FOLDERS_SHOWN:
            tree.add(f"... {len(below) - FOLDERS_SHOWN:,} more folders")
        return tree

    return grow(Tree(label(".")), ".") if sums else Tree("no files")


def csv_rows(files: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give one row for each condition of each rule of each file.

    Parameters
    ----------
    files : list of dict
        Of `judge_files`.

    Yields
    ------
    dict
        Values by `CSV_COLUMNS`.
    """
    for entry in files:
        if entry["kind"] != "file":
            continue
        head = {
            "path": entry["path"],
            "size": entry["size"],
            "type": entry["facts"]["file.type"],
            "format": entry["facts"].get("file.format", ""),
            "reads": entry["reads"],
            "read_bytes": entry["read_bytes"],
        }
        for rule in entry["rules"]:
            wins = " ".join(key for key, winner in entry["origin"].items() if winner == rule["id"])
            about = {key: rule[key] for key in ("applied", "fires", "score", "threshold", "match")}
            for condition in rule["conditions"] or [{}]:
                found = {
                    key: json.dumps(value) if isinstance(value, list) else value
                    for key, value in condition.items()
                }
                yield head | {"rule": rule["id"], "wins": wins} | about | found
