"""Rules, templates and recipes told in words, of the library or of one recipe."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipes.merged import Layer, Selection
from recipes.named import LIBRARY
from recipes.nodes import parse
from recipes.recipe import Recipe, build
from recipes.schema import ConditionModel, RuleModel
from recipes.source import Source
from recipes.vocabulary import CONDITION_TYPES

__all__ = [
    "Entry",
    "in_words",
    "layer_entries",
    "pairs_in_words",
    "recipe_entries",
    "rule_entries",
    "template_entries",
]

# Folder of the library -> the layer its files belong to; what lies beside no folder stands alone.
_KINDS = {"frameworks": "framework", "environments": "environment", "hardware": "hardware"}


@dataclass(frozen=True)
class Entry:
    """One word and what it means.

    Attributes
    ----------
    kind : str
        What it is, as ``code`` or ``rule``.
    name : str
        The word.
    summary : str
        One sentence.
    details : dict
        Title to a text, a list of lines, or a mapping of names to texts.
    """

    kind: str
    name: str
    summary: str
    details: dict[str, Any] = field(default_factory=dict)


@functools.cache
def library() -> tuple[Recipe, ...]:
    """Read every file of the library, those that only apply where they are named, too.

    Returns
    -------
    tuple of Recipe
        In the order of their names; those of folders last.
    """
    files = sorted(LIBRARY.rglob("*.yaml"), key=lambda path: (path.parent != LIBRARY, path))
    kinds = ((path, _KINDS.get(path.parent.name, "built-in")) for path in files)
    return tuple(_told(path, kind) for path, kind in kinds)


def _told(path: Path, kind: str) -> Recipe:
    document = parse(Source.read(path, path.stem))
    # Rules with parameters apply where their template is selected; here all of them are told.
    templates = document.value.get("templates") or () if path.parent.name == "templates" else ()
    return build([Layer(kind, document)], Selection(templates=tuple(each["id"] for each in templates)))


def recipe_entries() -> Iterator[Entry]:
    """Tell of the recipes that ship.

    Yields
    ------
    Entry
        One for each recipe that stands alone.
    """
    for recipe in library():
        if (LIBRARY / f"{recipe.file}.yaml").exists():
            details = {"rules": [rule["id"] for rule in recipe.rules]}
            yield Entry("recipe", recipe.file, recipe.model.description or "", details)


def layer_entries(kind: str) -> Iterator[Entry]:
    """Tell of the layers that ship.

    Parameters
    ----------
    kind : str
        ``framework``, ``environment`` or ``hardware``.

    Yields
    ------
    Entry
        One for each file of that layer.
    """
    for recipe in library():
        if recipe.layer == kind:
            settings = recipe.document.get("settings") or {}
            details: dict[str, Any] = {
                "add it with": f"--{kind} {recipe.file}",
                "settings": {name: in_words(value) for name, value in settings.items()},
                "rules": [rule["id"] for rule in recipe.rules],
            }
            told = {key: said for key, said in details.items() if said}
            yield Entry(kind, recipe.file, recipe.model.description or "", told)


def template_entries(recipe: Recipe | None = None) -> Iterator[Entry]:
    """Tell of templates.

    Parameters
    ----------
    recipe : Recipe, optional
        Whose; those of the library if omitted.

    Yields
    ------
    Entry
        One for each template.
    """
    for each in [recipe] if recipe else library():
        for template in each.model.templates:
            details: dict[str, Any] = {
                "origin": f"{each.file} ({each.layer})",
                "category": template.category or "",
                "rules": list(template.rules),
                "parameters": {name: in_words(value) for name, value in template.parameters.items()},
            }
            summary = template.description or template.name or f"Selects {len(template.rules)} rules."
            yield Entry(
                "template", template.id, summary, {key: said for key, said in details.items() if said}
            )


def rule_entries(recipe: Recipe | None = None) -> Iterator[Entry]:
    """Tell of rules.

    Parameters
    ----------
    recipe : Recipe, optional
        Whose; those of the library if omitted.

    Yields
    ------
    Entry
        One for each rule that applies.
    """
    for each in [recipe] if recipe else library():
        written = {rule.id or rule.name: rule for rule in each.model.rules}
        for rule in each.rules:
            # What a section named and the library defines stands in no file of the user's.
            own = written.get(rule["id"]) or written.get(rule["id"].partition("@")[0])
            if own is not None:
                yield _rule(each, own, rule)


def _rule(recipe: Recipe, written: RuleModel, rule: dict[str, Any]) -> Entry:
    origin = rule["origin"]
    # The user's name for the file; other layers are known by their own.
    file = recipe.file if recipe.file.rsplit("/", 1)[-1] == origin["file"] else origin["file"]
    threshold = rule.get("threshold", recipe.settings.confidence_threshold)
    fires = {
        "all": "every condition holds",
        "any": "one of the conditions holds",
        "weighted": f"the weight of the conditions that hold is more than {threshold:g} of the weight of all",
    }
    weighted = written.match == "weighted"
    details: dict[str, Any] = {
        "origin": f"{file}, line {origin['line']} ({origin['layer']})",
        "priority": str(rule["priority"]),
        "fires when": fires[written.match],
        "conditions": [_condition(each, weighted=weighted) for each in written.conditions],
        "does": [
            f"{action['type']}: {pairs_in_words(action['parameters']) or 'with the defaults'}"
            for action in rule["actions"]
        ]
        or ["nothing that is enforced"],
    }
    summary = written.description or written.name or "; ".join(details["does"])
    return Entry("rule", rule["id"], summary, details)


def _condition(condition: ConditionModel, *, weighted: bool) -> str:
    fact = CONDITION_TYPES[condition.type][condition.property]
    operator = condition.operator or ("in" if isinstance(condition.value, list) else "equals")
    marks = [f"weight {condition.weight:g}"] if weighted else []
    marks += ["required"] if condition.required else []
    tail = f" ({', '.join(marks)})" if marks else ""
    return f"{fact} {operator.replace('_', ' ')} {in_words(condition.value)}{tail}"


def pairs_in_words(parameters: dict[str, Any]) -> str:
    """Write parameters on one line.

    Parameters
    ----------
    parameters : dict
        By name.

    Returns
    -------
    str
        ``name value, name value``.
    """
    return ", ".join(f"{name} {in_words(value)}" for name, value in parameters.items())


def in_words(value: Any) -> str:
    """Write a plain value as people read it.

    Parameters
    ----------
    value : object
        A plain value.

    Returns
    -------
    str
        A text as it is, all else as JSON.
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
