"""Strict mode: every default that a recipe leaves to its reader becomes a finding."""

from __future__ import annotations

from typing import Any

from recipes.findings import Finding
from recipes.nodes import Document, Path

__all__ = ["strict_findings"]


def strict_findings(document: Document) -> list[Finding]:
    """Find what a recipe leaves to its reader.

    Parameters
    ----------
    document : Document
        The parsed recipe; parts of a wrong type are passed over, others report them.

    Returns
    -------
    list of Finding
        Warnings.
    """
    findings: list[Finding] = []
    for place, rule in _mappings(document.value, (), "rules"):
        findings += _rule_findings(document, place, rule)
    return findings


def _rule_findings(document: Document, place: Path, rule: dict[str, Any]) -> list[Finding]:
    findings = []
    missing = [key for key in ("id", "name") if rule.get(key) is None]
    if len(missing) == 1:
        (key,) = missing
        other = "name" if key == "id" else "id"
        findings.append(
            document.finding("MLO215", f"'{key}' is taken from '{other}'", place, f"Add '{key}:'")
        )
    is_weighted = rule.get("match", "weighted") == "weighted"
    for path, condition in _mappings(rule, place, "conditions"):
        if condition.get("operator") is None:
            operator = "in" if isinstance(condition.get("value"), list) else "equals"
            message = f"no operator: '{operator}' is taken"
            findings.append(document.finding("MLO212", message, path, f"Add 'operator: {operator}'"))
        if is_weighted and condition.get("weight") is None:
            findings.append(document.finding("MLO213", "no weight: 1.0 is taken", path, "Add 'weight: 1.0'"))
    for path, action in _mappings(rule, place, "actions"):
        if action.get("target") is None:
            findings.append(
                document.finding("MLO214", "no target: 'file' is taken", path, "Add 'target: file'")
            )
    return findings


def _mappings(parent: dict[str, Any], place: Path, key: str) -> list[tuple[Path, dict[str, Any]]]:
    items = parent.get(key)
    return [
        ((*place, key, index), item)
        for index, item in enumerate(items if isinstance(items, list) else [])
        if isinstance(item, dict)
    ]
