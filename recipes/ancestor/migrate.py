"""From a recipe in the ancestor's words to the same recipe in this language's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recipes.actions import ACTIONS
from recipes.formatting import format_recipe
from recipes.nodes import Document, parse
from recipes.recipe import read
from recipes.remarks import Remarks
from recipes.schema import ConditionModel, RuleModel
from recipes.source import Source
from recipes.treatment import Treatment
from recipes.vocabulary import CONDITION_TYPES
from recipes.writing import dump

__all__ = ["Migration", "migrate"]

_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
_CONTEXTS = ("file_context", "access_pattern", "workload_context", "system_context")


def _own_names() -> dict[str, tuple[str, str]]:
    """Name each fact as this language does: its own spelling where it is one of several."""
    names: dict[str, tuple[str, str]] = {}
    for context in _CONTEXTS:
        for name, fact in CONDITION_TYPES[context].items():
            if fact not in names or fact.endswith(f".{name}"):
                names[fact] = (context, name)
    return names


_OWN = _own_names()


@dataclass(frozen=True)
class Migration:
    """A recipe in canonical form.

    Attributes
    ----------
    text : str
        YAML, with a comment where something of the old recipe has no effect.
    notes : tuple of str
        The same comments.
    """

    text: str
    notes: tuple[str, ...]


def migrate(source: Source) -> Migration:
    """Write a recipe in canonical names, operators, weights and targets.

    Parameters
    ----------
    source : Source
        The old recipe.

    Returns
    -------
    Migration
        The new one; it has the same rules with the same scores.

    Raises
    ------
    RecipeError
        When the old one cannot be used.
    """
    recipe = read(source)
    document: dict[str, Any] = dict(recipe.document)
    written = document.pop("rules", None) or []
    parsed = parse(source)
    rules = [_Rule.of(parsed, index, rule) for index, rule in enumerate(written)]
    kept = {rule.value["id"] for rule in rules if rule.value["actions"]}
    lost = {rule.value["id"] for rule in rules} - kept
    document = {"version": "1", "name": source.file.rsplit("/", 1)[-1].rsplit(".", 1)[0]} | document
    document["version"] = "1"
    for key in ("templates", "frameworks", "environments", "hardware_profiles"):
        _without(document.get(key), lost)
    text = dump(document, f"Migrated from {source.file.rsplit('/', 1)[-1]}.")
    if rules:
        text += "rules:" + ("\n" if kept else " []\n") + "".join(rule.text() for rule in rules)
    formatted = format_recipe(Source.of_text(text, source.file))
    return Migration(formatted, tuple(note for rule in rules for note in rule.notes))


@dataclass(frozen=True)
class _Rule:
    value: dict[str, Any]
    notes: list[str]

    @classmethod
    def of(cls, document: Document, index: int, written: dict[str, Any]) -> _Rule:
        """Translate one rule; what it says of the rest becomes notes."""
        remarks = Remarks(document)
        model = RuleModel.model_validate(written)
        name = model.id or model.name or ""
        actions = [
            {"type": kind, "target": _target(model, kind), "parameters": _readable(kind, parameters)}
            for kind, parameters in Treatment(remarks).as_written(("rules", index), model).items()
        ]
        value = {**written, "id": name, "name": model.name or name}
        value["conditions"] = [_condition(condition) for condition in model.conditions]
        notes = [finding.message for finding in remarks.findings]
        if not actions:
            notes.append(f"rule '{name}' is left out: nothing of it can be enforced")
        return cls(value | {"actions": actions}, notes)

    def text(self) -> str:
        """Write the rule as an item of the list, its notes above it."""
        comments = "".join(f"# {line}\n" for note in self.notes for line in note.splitlines())
        if not self.value["actions"]:
            return comments
        return comments + dump({"rules": [self.value]}, "").removeprefix("rules:\n")


def _condition(condition: ConditionModel) -> dict[str, Any]:
    fact = CONDITION_TYPES[condition.type][condition.property]
    if condition.property == "name_pattern" and "/" in str(condition.value):
        fact = "file.path"
    context, name = _OWN[fact]
    written = {
        "type": context,
        "property": name,
        "operator": condition.operator or ("in" if isinstance(condition.value, list) else "equals"),
        "value": condition.value,
        "weight": condition.weight,
    }
    return written | ({"required": True} if condition.required else {})


def _target(rule: RuleModel, kind: str) -> str:
    """Take the target of the action's own name, else of the first, which it was translated from."""
    own = [action.target for action in rule.actions if action.type == kind]
    return (own or [action.target for action in rule.actions])[0]


def _readable(kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Order parameters as the engine lists them, with sizes as people write them."""
    listed = ACTIONS[kind].listed
    named = sorted(parameters, key=lambda name: list(listed).index(name) if name in listed else len(listed))
    return {
        name: _size(parameters[name]) if name in listed and listed[name].kind == "size" else parameters[name]
        for name in named
    }


def _size(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return next((f"{value // unit}{name}" for name, unit in _UNITS if value and value % unit == 0), value)
    return value


def _without(section: Any, lost: set[str]) -> None:
    """Take rules that are left out of the lists that name them."""
    entries = section.values() if isinstance(section, dict) else section or ()
    for entry in entries if lost else ():
        for listed in ("rules", "optimizations"):
            if isinstance(entry, dict) and isinstance(entry.get(listed), list):
                entry[listed] = [name for name in entry[listed] if name not in lost]
