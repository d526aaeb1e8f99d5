"""Every word of the recipe language with its meaning: codes, rules, actions, settings, facts and more."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from mlopt_engine import registry
from recipes.actions import ACTIONS
from recipes.ancestor import WORDS
from recipes.codes import CODES
from recipes.entries import (
    Entry,
    layer_entries,
    pairs_in_words,
    recipe_entries,
    rule_entries,
    template_entries,
)
from recipes.findings import nearest
from recipes.json_schema import action_summary, model_schema
from recipes.recipe import Recipe
from recipes.schema import SettingsModel
from recipes.settings import SETTINGS
from recipes.treatment import known_action_names
from recipes.vocabulary import CONDITION_TYPES, vocabulary

__all__ = ["KINDS", "Entry", "entries", "lookup", "nearest_word"]


def _codes() -> Iterator[Entry]:
    for code in CODES.values():
        details: dict[str, Any] = {"severity": code.severity, "meaning": code.meaning, "do": code.do}
        if code.reported_by != "mlopt validate":
            details["reported by"] = code.reported_by
        if code.example is not None:
            details["example"] = [_printable(line) for line in code.example.splitlines()]
        yield Entry("code", code.name, code.title + ".", details)


# An example may be a megabyte long or hold a control character, which is its point.
_SHOWN = 110


def _printable(line: str) -> str:
    shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}... ({len(line):,} characters)"
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in shown)


def _actions() -> Iterator[Entry]:
    for name in known_action_names():
        action, word = ACTIONS.get(name), WORDS.get(name)
        foreign = word.parameters if word else {}
        idle = {key: meaning.says for key, meaning in foreign.items() if not meaning.enforced}
        own: dict[str, str] = {}
        if action is not None:
            own = {key: f"{each.takes}: {each.summary.rstrip('.')}" for key, each in action.listed.items()}
            idle |= {key: why for key, why in action.advisory.items() if key not in foreign}
        becomes = word.becomes if word else {}
        carried_out = [
            kind for kind in becomes or [name] if kind in ACTIONS and ACTIONS[kind].not_enforced is None
        ]
        details = {
            "carried out as": ", ".join(carried_out) or "nothing",
            "implies": {
                kind: pairs_in_words(parameters) for kind, parameters in becomes.items() if parameters
            },
            "parameters": own,
            "also understood": {
                key: meaning.says for key, meaning in foreign.items() if meaning.enforced and key not in own
            },
            "without effect": idle,
        }
        yield Entry(
            "action", name, action_summary(name), {key: said for key, said in details.items() if said}
        )


def _registered(kind: str, plural: str) -> Iterator[Entry]:
    for listed in registry()[plural]:
        details = {
            key: _words(value)
            for key, value in listed.items()
            if key not in ("name", "summary") and value not in (None, [], "")
        }
        yield Entry(kind, listed["name"], listed["summary"], details)


def _words(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(each, dict) and "name" in each for each in value):
        return {each["name"]: each.get("summary", "") for each in value}
    return [_words(each) for each in value] if isinstance(value, list) else str(value)


def _settings() -> Iterator[Entry]:
    for name, shape in model_schema(SettingsModel)["properties"].items():
        setting = SETTINGS[name]
        details = {"value": _shape(shape)}
        if shape.get("default") is not None:
            details["default"] = _default(name, shape["default"])
        if setting.advisory:
            details["no effect"] = setting.advisory
        yield Entry("setting", name, setting.summary, details)


def _default(name: str, value: Any) -> str:
    return {"staleness": "60s", "block_size": "1MiB"}.get(name, str(value))


def _facts() -> Iterator[Entry]:
    names: dict[str, list[str]] = {}
    for kind, properties in CONDITION_TYPES.items():
        for written, fact in properties.items():
            names.setdefault(fact, []).append(f"{kind}.{written}")
    for listed in registry()["facts"]:
        details: dict[str, Any] = {
            key: _words(value)
            for key, value in listed.items()
            if key not in ("name", "summary", "is_open") and value not in (None, [], "")
        }
        details["written as"] = names.get(listed["name"], [])
        operators = vocabulary().operators.values()
        details["operators"] = [each["name"] for each in operators if listed["kind"] in each["compares"]]
        yield Entry("fact", listed["name"], listed["summary"], details)


def _conditions() -> Iterator[Entry]:
    said = {listed["name"]: listed["summary"] for listed in registry()["facts"]}
    for kind, properties in CONDITION_TYPES.items():
        meanings = {written: f"{fact}: {said[fact].rstrip('.')}" for written, fact in properties.items()}
        yield Entry("condition", kind, f"Asks about {_SUBJECTS[kind]}.", {"properties": meanings})


_SUBJECTS = {
    "file_context": "a file",
    "file_pattern": "a file, by its path, name or extension",
    "access_pattern": "how a file is read",
    "workload_context": "the job",
    "workload_type": "the job",
    "system_context": "the machine",
}


# Plural, as in 'mlopt explain actions', to what lists the entries.
KINDS: dict[str, Callable[[], Iterator[Entry]]] = {
    "codes": _codes,
    "rules": rule_entries,
    "templates": template_entries,
    "conditions": _conditions,
    "actions": _actions,
    "policies": functools.partial(_registered, "policy", "policies"),
    "prefetchers": functools.partial(_registered, "prefetcher", "prefetchers"),
    "settings": _settings,
    "facts": _facts,
    "operators": functools.partial(_registered, "operator", "operators"),
    "recipes": recipe_entries,
    "frameworks": functools.partial(layer_entries, "framework"),
    "environments": functools.partial(layer_entries, "environment"),
    "hardware": functools.partial(layer_entries, "hardware"),
}


_OF_RECIPES: dict[str, Callable[[Recipe | None], Iterator[Entry]]] = {
    "rules": rule_entries,
    "templates": template_entries,
}


def entries(kind: str, recipe: Recipe | None = None) -> list[Entry]:
    """List the words of one kind.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    recipe : Recipe, optional
        Whose rules and templates are meant, instead of the library's.

    Returns
    -------
    list of Entry
        In the order of their definition.
    """
    if kind in _OF_RECIPES:
        return list(_OF_RECIPES[kind](recipe))
    return list(KINDS[kind]())


def lookup(word: str, recipe: Recipe | None = None) -> list[Entry]:
    """Find what a word means; one word can mean several things.

    Parameters
    ----------
    word : str
        A code, or the name of a thing; facts also as conditions name them (``file_context.size``).
    recipe : Recipe, optional
        Whose rules and templates are meant, instead of the library's.

    Returns
    -------
    list of Entry
        Empty when nothing has that name.
    """
    wanted = word.lower()
    return [
        entry
        for kind in KINDS
        for entry in entries(kind, recipe)
        if wanted == entry.name.lower() or wanted in entry.details.get("written as", ())
    ]


def nearest_word(word: str, recipe: Recipe | None = None) -> str | None:
    """Find the word that was probably meant.

    Parameters
    ----------
    word : str
        A word that means nothing.
    recipe : Recipe, optional
        Whose rules count.

    Returns
    -------
    str or None
        The nearest known word, if any is near.
    """
    return nearest(word, [*KINDS, *(entry.name for kind in KINDS for entry in entries(kind, recipe))])


def _shape(schema: dict[str, Any]) -> str:
    """Say in words what values a schema takes."""
    if "description" in schema:
        return str(schema["description"]).rstrip(".")
    if "anyOf" in schema:
        parts = [_shape(part) for part in schema["anyOf"] if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(parts))
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return str(schema["const"])
    return _SHAPES.get(schema.get("type", ""), "any value") + _range(schema)


_SHAPES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "a text",
    "array": "a list",
    "object": "a mapping",
}


def _range(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    return (f" from {low:g}" if low is not None else "") + (f" to {high:g}" if high is not None else "")
