"""Rules that can never change anything: contradictory, out of reach of their threshold, or always covered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recipes.findings import Finding
from recipes.merging import Leaf
from recipes.schema import SettingsModel

__all__ = ["reach_findings"]

_LOWER = {"greater_than": 1, "greater_equal": 0}
_UPPER = {"less_than": 1, "less_equal": 0}


def reach_findings(
    rules: Sequence[dict[str, Any]], settings: SettingsModel, places: Mapping[str, Leaf]
) -> list[Finding]:
    """Look for rules of a plan that never apply, or never matter.

    Parameters
    ----------
    rules : sequence of dict
        Rules of the plan.
    settings : SettingsModel
        Threshold and number of rules.
    places : mapping of str to Leaf
        Where each rule was written, by id.

    Returns
    -------
    list of Finding
        Warnings.
    """
    found = [*_out_of_reach(rules, settings.confidence_threshold), *_covered(rules, settings)]
    return [
        leaf.document.finding("MLO244", f"rule '{rule['id']}' {message}", leaf.path, do)
        for rule, message, do in found
        if (leaf := places[rule["id"]])
    ]


def _out_of_reach(
    rules: Sequence[dict[str, Any]], threshold: float
) -> Iterator[tuple[dict[str, Any], str, str]]:
    for rule in rules:
        conditions = rule["conditions"]
        if len({each["fact"] for each in conditions}) == len(conditions):
            continue  # a condition alone excludes nothing
        must = [each for each in conditions if each["required"] or rule["match"] == "all"]
        for fact in dict.fromkeys(each["fact"] for each in must):
            if not _can_hold([each for each in must if each["fact"] == fact]):
                yield (
                    rule,
                    f"never applies: its conditions on {fact} exclude one another",
                    "Loosen one of them",
                )
                break
        else:
            total = sum(each["weight"] for each in conditions)
            share = _most(conditions) / total if total else 1.0
            limit = rule.get("threshold", threshold)
            if rule["match"] == "weighted" and share < 1.0 and share <= limit:
                message = f"never applies: its score is at most {share:.3g}, the threshold is {limit:g}"
                yield rule, message, "Lower its threshold, or let one condition accept both values: 'in'"


def _can_hold(conditions: list[dict[str, Any]]) -> bool:
    """Whether conditions on one fact can hold at once; only what is certain is denied."""
    low, high, words = (float("-inf"), 0), (float("inf"), 0), set()
    for each in conditions:
        value, operator = each["value"], each["op"]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if operator == "equals" and isinstance(value, str):
            words.add(value.lower())
        elif operator == "equals" and is_number:
            low, high = max(low, (value, 0)), min(high, (value, 0))
        elif operator in _LOWER and is_number:
            low = max(low, (value, _LOWER[operator]))
        elif operator in _UPPER and is_number:
            high = min(high, (value, -_UPPER[operator]))
    is_empty = low[0] > high[0] or (low[0] == high[0] and (low[1] != 0 or high[1] != 0))
    return len(words) <= 1 and not is_empty


def _most(conditions: list[dict[str, Any]]) -> float:
    """The largest weight that can hold at once: a fact equals one word only."""
    words: dict[str, dict[str, float]] = {}
    most = 0.0
    for each in conditions:
        if each["op"] == "equals" and isinstance(each["value"], str):
            by_word = words.setdefault(each["fact"], {})
            by_word[each["value"].lower()] = by_word.get(each["value"].lower(), 0.0) + each["weight"]
        else:
            most += each["weight"]
    return most + sum(max(by_word.values()) for by_word in words.values())


def _covered(
    rules: Sequence[dict[str, Any]], settings: SettingsModel
) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Walk from the strongest rule down, with what those that certainly apply as well have set already.

    With equal scores the higher priority comes first, then the order; a rule that matches every file has the
    score 1, which no other score exceeds.
    """
    everywhere: set[str] = set()
    number = 0
    alike: dict[tuple[Any, ...], set[str]] = {}
    for rule in sorted(rules, key=lambda each: (-each["priority"], each["order"])):
        keys = {
            f"{action['type']}.{key}" for action in rule["actions"] for key in ("", *action["parameters"])
        }
        same = alike.setdefault(_identity(rule, settings.confidence_threshold), set())
        if number >= settings.max_concurrent_rules:
            message = f"never applies: {number} stronger rules match every file, as many as may apply"
            yield rule, message, "Raise its priority, or max_concurrent_rules"
        elif keys and keys <= everywhere | same:
            message = "never matters: stronger rules that always apply with it set all its parameters"
            yield rule, message, "Raise its priority, or remove it"
        same |= keys
        if _matches_all(rule):
            everywhere |= keys
            number += 1


def _identity(rule: dict[str, Any], threshold: float) -> tuple[Any, ...]:
    """What decides when a rule applies; the text of a value tells 1 from 1.0 and from true."""
    conditions = sorted(
        (each["fact"], each["op"], repr(each["value"]), each["weight"], each["required"])
        for each in rule["conditions"]
    )
    return rule["match"], rule.get("threshold", threshold), *conditions


def _matches_all(rule: dict[str, Any]) -> bool:
    return all(
        each["fact"] == "file.path" and each["op"] == "glob" and each["value"] == "**"
        for each in rule["conditions"]
    ) and bool(rule["conditions"])
