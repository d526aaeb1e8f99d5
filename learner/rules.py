"""Writes classes and their treatment as rules of a recipe, with learned weights and a reason for each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from learner.classes import FileClass
from learner.cost import Cost
from learner.treatments import Treatment
from learner.weights import RuleWeights

#: Learned rules come before those of a base recipe: its highest priority plus a multiple of this.
PRIORITY_STEP = 10
_GLOB_SPECIAL = re.compile(r"([*?\[\]{}\\])")

Document = dict[str, Any]


def conditions(target: FileClass) -> list[dict[str, Any]]:
    """Describe a class by conditions on path, extension and size.

    Parameters
    ----------
    target : FileClass
        The class.

    Returns
    -------
    list of dict
        At least one; each of weight 1.
    """
    made: list[dict[str, Any]] = []
    if target.directory or not target.recursive:
        made.append(_path_condition(target))
    if not all(_is_text(extension) for extension in target.extensions):
        pass  # bytes that are no UTF-8 cannot be written into a recipe
    elif len(target.extensions) == 1:
        made.append(_condition("extension", "equals", target.extensions[0]))
    else:
        made.append(_condition("extension", "in", list(target.extensions)))
    if target.size_max is not None:
        made.append(_condition("size", "less_than", _size(target.size_max)))
    if target.size_min > 0:
        made.append(_condition("size", "greater_equal", _size(target.size_min)))
    if target.found is not None:
        made += [dict(condition) for condition in target.found.conditions]
    return made or [_condition("path", "glob", "**")]


def _size(size: int) -> str | int:
    """Write a limit as people do, where that is exact."""
    return f"{size >> 20}MiB" if size % (1 << 20) == 0 else size


def _is_text(word: str) -> bool:
    return not any(0xD800 <= ord(char) <= 0xDFFF for char in word)


def _path_condition(target: FileClass) -> dict[str, Any]:
    if not target.directory:
        # a glob without a slash is compared with the name in any directory, so the top needs an expression
        return _condition("path", "matches", "^[^/]+$")
    escaped = _GLOB_SPECIAL.sub(r"\\\1", target.directory)
    # bytes that are no UTF-8 arrive as lone surrogates, one each; `?` fits each of them
    glob = "".join("?" if 0xDC80 <= ord(char) <= 0xDCFF else char for char in escaped)
    return _condition("path", "glob", f"{glob}/**" if target.recursive else f"{glob}/*")


def _condition(name: str, operator: str, value: object) -> dict[str, Any]:
    return {"type": "file_context", "property": name, "operator": operator, "value": value, "weight": 1.0}


@dataclass(frozen=True)
class LearnedRule:
    """A rule, what it is for and what it is worth.

    Attributes
    ----------
    treatment : Treatment
        What it does.
    conditions : tuple of dict
        As in the recipe, weights included.
    weights : RuleWeights
        How the weights came about.
    reason : str
        Why the rule exists, for people.
    saved : Cost or None
        What the epochs would take more without it, predicted on the training epochs [s].
    """

    treatment: Treatment
    conditions: tuple[dict[str, Any], ...]
    weights: RuleWeights
    reason: str = ""
    saved: Cost | None = None

    def metadata(self) -> Document:
        """Say where the rule comes from, and on what evidence.

        Returns
        -------
        dict
            Origin, files and bytes of the class, and what the rule saves per epoch [s].
        """
        target = self.treatment.target
        evidence: Document = {"files": target.n_files, "bytes": target.bytes}
        if self.saved is not None:
            evidence |= {
                "saved_first_epoch_s": _short(self.saved.first),
                "saved_epoch_s": _short(self.saved.steady),
            }
        if target.found is None:
            return {"origin": "class of files", "evidence": evidence}
        return {"origin": "discovered by tree", "evidence": {**evidence, "purity": target.found.purity}}


def _short(seconds: float) -> float:
    return round(seconds, 4)


def weigh(treatment: Treatment, weights: RuleWeights) -> LearnedRule:
    """Give learned weights to the conditions of a class; those of no weight are left out.

    Parameters
    ----------
    treatment : Treatment
        The class and what happens to it.
    weights : RuleWeights
        One weight per condition of `conditions`.

    Returns
    -------
    LearnedRule
        Without a reason yet.
    """
    pairs = zip(conditions(treatment.target), weights.weights, strict=True)
    kept = tuple({**condition, "weight": weight} for condition, weight in pairs if weight > 0)
    return LearnedRule(treatment, kept, weights)


def rule_document(rule: LearnedRule, priority: int) -> Document:
    """Write a rule as it stands in a recipe.

    Parameters
    ----------
    rule : LearnedRule
        The rule.
    priority : int
        Its priority.

    Returns
    -------
    dict
        Plain values.
    """
    name = rule.treatment.target.name
    document: Document = {"id": name, "name": name}
    if rule.reason:
        document["description"] = rule.reason
        document["metadata"] = rule.metadata()
    document |= {
        "priority": priority,
        "match": "weighted",
        "threshold": rule.weights.threshold,
        "conditions": [dict(condition) for condition in rule.conditions],
        "actions": rule.treatment.actions(),
    }
    return document


def recipe_document(
    rules: Sequence[LearnedRule], *, name: str, description: str, base: Mapping[str, Any] | None = None
) -> Document:
    """Write a recipe: learned rules first, then those of the base that they do not replace.

    Parameters
    ----------
    rules : sequence of LearnedRule
        The learned rules, the most important first.
    name : str
        Name of the recipe.
    description : str
        One sentence.
    base : mapping, optional
        A recipe to build on.

    Returns
    -------
    dict
        A document for `recipes.dump`.
    """
    names = {rule.treatment.target.name for rule in rules}
    inherited = [dict(rule) for rule in (base or {}).get("rules", []) if rule.get("id") not in names]
    floor = max((int(rule.get("priority", 0)) for rule in inherited), default=0)
    learned = [
        rule_document(rule, floor + PRIORITY_STEP * (len(rules) - index)) for index, rule in enumerate(rules)
    ]
    settings = dict((base or {}).get("settings", {}))
    settings["confidence_threshold"] = settings.get("confidence_threshold", 0.5)
    limit = int(settings.get("max_concurrent_rules", 5))
    settings["max_concurrent_rules"] = max(limit, 5)
    return {
        "version": "1",
        "name": name,
        "description": description,
        "settings": settings,
        "rules": learned + inherited,
    }
