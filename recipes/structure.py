"""From a parsed document to the schema: every structural problem with its position and a remedy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from recipes.findings import Finding, nearest
from recipes.nodes import MAX_FINDINGS, Document, Path
from recipes.schema import Model, RecipeModel, RuleModel

__all__ = ["model_findings", "validate_structure", "validated_rules"]

# Pydantic's kinds of errors that are about a value's range; every other kind is about its type.
_RANGE = frozenset(
    {
        "greater_than",
        "greater_than_equal",
        "less_than",
        "less_than_equal",
        "literal_error",
        "finite_number",
        "string_too_short",
        "string_too_long",
        "power_of_two",
    }
)
_WORDS = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
}


def validate_structure(document: Document) -> tuple[RecipeModel | None, list[Finding]]:
    """Hold a document against the schema.

    Parameters
    ----------
    document : Document
        The parsed recipe.

    Returns
    -------
    tuple of RecipeModel or None, and list of Finding
        The recipe as written, None when it does not fit; errors.
    """
    try:
        return RecipeModel.model_validate(document.value), []
    except ValidationError as error:
        return None, _findings(document, error, ())


def validated_rules(document: Document) -> Iterable[tuple[int, RuleModel]]:
    """Give the rules that fit the schema, also where others do not.

    Parameters
    ----------
    document : Document
        The parsed recipe.

    Yields
    ------
    tuple of int and RuleModel
        Position in the file and the rule.
    """
    rules = document.value.get("rules")
    for index, rule in enumerate(rules if isinstance(rules, list) else []):
        try:
            yield index, RuleModel.model_validate(rule)
        except ValidationError:
            continue


def model_findings(document: Document, model: type[BaseModel], value: Any, prefix: Path) -> list[Finding]:
    """Hold one part of a document against its model.

    Parameters
    ----------
    document : Document
        The parsed recipe.
    model : type of BaseModel
        What the part must be.
    value : object
        The part.
    prefix : tuple of str or int
        Where it is.

    Returns
    -------
    list of Finding
        Errors.
    """
    try:
        model.model_validate(value)
    except ValidationError as error:
        return _findings(document, error, prefix)
    return []


def _findings(document: Document, error: ValidationError, prefix: Path) -> list[Finding]:
    problems = error.errors(include_url=False, include_context=True)
    return [_finding(document, dict(problem), prefix) for problem in problems[:MAX_FINDINGS]]


def _finding(document: Document, problem: dict[str, Any], prefix: Path) -> Finding:
    path: Path = (*prefix, *problem["loc"])
    kind = problem["type"]
    if kind == "extra_forbidden":
        return _unknown_key(document, path)
    name = _name(path)
    if kind == "missing":
        return document.finding("MLO121", f"{name} is missing", path[:-1], f"Add '{path[-1]}:'")
    value = _shown(problem["input"])
    if kind == "value_error":
        return document.finding("MLO124", f"{name}: {problem['ctx']['error']}", path)
    if kind in _RANGE:
        expected = problem["msg"].removeprefix("Input should be ").removeprefix("String should ")
        return document.finding("MLO123", f"{name} is {value}", path, f"It must be {expected}")
    expected = _WORDS.get(kind, problem["msg"])
    return document.finding("MLO122", f"{name} is {value}, expected {expected}", path)


def _unknown_key(document: Document, path: Path) -> Finding:
    known = known_keys(path[:-1])
    meant = nearest(str(path[-1]), known)
    remedy = f"Did you mean '{meant}'?" if meant else f"Known here: {', '.join(known)}"
    return document.finding("MLO120", f"unknown key '{path[-1]}'", path, remedy, key=True)


def known_keys(path: Path) -> list[str]:
    """List the keys that may stand in a mapping of the schema.

    Parameters
    ----------
    path : tuple of str or int
        Where the mapping is.

    Returns
    -------
    list of str
        In the order of the schema.
    """
    model: type[Model] | None = RecipeModel
    names = False  # in a mapping whose keys are names that the recipe chooses
    for part in path:
        if isinstance(part, int):
            continue
        if names:
            names = False
        elif model is not None and part in model.model_fields:
            model, names = _inner(model.model_fields[part].annotation)
        else:
            return []
    return [] if names or model is None else list(model.model_fields)


def _inner(annotation: Any) -> tuple[type[Model] | None, bool]:
    """Find the model behind a field's type, and whether names stand in between."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation, False
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return _inner(inner[1])[0], True
    for each in inner if origin is not Literal else ():
        found, names = _inner(each)
        if found is not None:
            return found, names
    return None, False


def _name(path: Path) -> str:
    """Name a place for people: ``rules[2].priority`` counts from 1 as people do."""
    parts: list[str] = []
    for part in path:
        if isinstance(part, int) and parts:
            parts[-1] += f"[{part + 1}]"
        else:
            parts.append(str(part))
    return "'" + ".".join(parts) + "'"


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
