"""A judged file in lines: conditions with actual values, verdicts, scores, and which rule won each key."""

from __future__ import annotations

import json
from typing import Any

from mlopt_cli.sizes import format_size

_SIGNS = {"true": "+", "false": "-", "unknown": "?"}
#: Facts that people read as sizes [bytes].
_SIZES = frozenset(
    {
        *("file.size", "workload.model_size", "workload.dataset_size"),
        *("system.available_memory", "system.total_memory", "system.memory_limit", "system.gpu_memory"),
    }
)


def file_lines(entry: dict[str, Any], only_rule: str | None = None) -> list[str]:
    """Describe one file for people.

    Parameters
    ----------
    entry : dict
        As the scan gives it.
    only_rule : str, optional
        Leave out all other rules.

    Returns
    -------
    list of str
        Its name, each rule with its conditions, and what happens to it.
    """
    if entry["kind"] != "file":
        return [f"{entry['path']}  ({entry['kind']}: shown by a mount, never treated)"]
    facts = entry["facts"]
    kind = ", ".join(dict.fromkeys(filter(None, [facts["file.type"], facts.get("file.format")])))
    use = f", {entry['reads']} reads of {format_size(entry['read_bytes'])}" if entry.get("reads") else ""
    lines = [f"{entry['path']}  {format_size(entry['size'])}, {kind}{use}"]
    for rule in entry["rules"]:
        if only_rule in (None, rule["id"]):
            lines.append(f"  {rule_line(rule)}")
            lines += [f"      {condition_line(condition)}" for condition in rule["conditions"]]
    return [*lines, f"  => {action_line(entry)}"]


def rule_line(rule: dict[str, Any]) -> str:
    """Say whether a rule applies, and by what.

    Parameters
    ----------
    rule : dict
        As the scan gives it.

    Returns
    -------
    str
        One line.
    """
    verdict = "applies" if rule["applied"] else "fires, not among the first" if rule["fires"] else "no"
    weighted = rule["match"] == "weighted"
    matching = f"threshold {rule['threshold']:g}" if weighted else f"match {rule['match']}"
    return f"{rule['id']}: {verdict}, score {rule['score']:.3f}, {matching}"


def condition_line(condition: dict[str, Any]) -> str:
    """Say what a condition found.

    Parameters
    ----------
    condition : dict
        As the scan gives it.

    Returns
    -------
    str
        One line: ``+`` true, ``-`` false, ``?`` unknown.
    """
    actual = condition["actual"]
    found = "unknown" if actual is None else value_text(condition["fact"], actual)
    required = ", required" if condition["required"] else ""
    return (
        f"{_SIGNS[condition['verdict']]} {condition['fact']} {condition['op']} "
        f"{value_text(condition['fact'], condition['value'])}   is {found} "
        f"(weight {condition['weight']:g}{required})"
    )


def value_text(fact: str, value: Any) -> str:
    """Write a value as people do.

    Parameters
    ----------
    fact : str
        Whose value.
    value : object
        A text, number or list.

    Returns
    -------
    str
        Sizes with their unit, all else as JSON.
    """
    if fact not in _SIZES:
        return json.dumps(value)
    if isinstance(value, list):
        return "[" + ", ".join(value_text(fact, item) for item in value) + "]"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return format_size(value) if is_number else str(value)


def action_line(entry: dict[str, Any]) -> str:
    """Say what happens to a file, and which rule set each parameter.

    Parameters
    ----------
    entry : dict
        As the scan gives it.

    Returns
    -------
    str
        One line.
    """
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
