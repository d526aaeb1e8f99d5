"""The JSON Schema that ships: fresh, true for every good recipe, and of use against bad ones."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

import recipes
from recipes import RecipeError
from recipes.codes import CODES
from recipes.json_schema import SCHEMA_FILE, recipe_schema, schema_text
from recipes.nodes import parse
from recipes.schema import RecipeModel
from recipes.source import Source

SCHEMA = json.loads(SCHEMA_FILE.read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
# Codes of text (duplicate keys) and of meaning (regular expressions, ids, reachability) are beyond a schema;
# these are not.
SEEN_BY_THE_SCHEMA = (
    "MLO120",
    "MLO121",
    "MLO122",
    "MLO123",
    "MLO124",
    "MLO130",
    "MLO131",
    "MLO132",
    "MLO136",
)


def test_the_schema_is_fresh_and_valid() -> None:
    assert SCHEMA_FILE.read_text() == schema_text(), "run 'make docs'"
    Draft202012Validator.check_schema(recipe_schema())


LIBRARY = Path(recipes.__file__).parent / "library"
ANCESTOR = Path(__file__).parents[1] / "data"
GRAMMAR_SKETCH = "07_rule_structure.yaml"
FILES = sorted([*LIBRARY.rglob("*.yaml"), *ANCESTOR.rglob("*.yaml")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_shipped_recipes_and_the_ancestors_fit(path: Path) -> None:
    document = parse(Source.read(path, path.name)).value
    assert VALIDATOR.is_valid(document) is (path.name != GRAMMAR_SKETCH)


@pytest.mark.parametrize("name", ["training", ["training", "batch"]])
def test_one_name_or_several_fit(name: Any) -> None:
    document = {"settings": {"template": name}}
    VALIDATOR.validate(document)
    RecipeModel.model_validate(document)


@pytest.mark.parametrize("code", SEEN_BY_THE_SCHEMA)
def test_what_is_wrong_in_structure_does_not_fit(code: str) -> None:
    assert not VALIDATOR.is_valid(yaml.safe_load(CODES[code].example or ""))


@pytest.mark.parametrize(
    "recipe",
    [
        {"rules": [{"id": "a", "actions": [{"type": "cache", "parameters": {"polcy": "lru"}}]}]},
        {"rules": [{"id": "a", "actions": [{"type": "prefetch", "parameters": {"depth": 0}}]}]},
        {
            "rules": [
                {"id": "a", "actions": [{"type": "prefetch", "parameters": {"window_bytes": "4 apples"}}]}
            ]
        },
        {"settings": {"staleness": "5 fortnights"}},
        {"rules": {"id": "a"}},
        [],
    ],
    ids=["parameter", "range", "unit", "duration", "rules as a mapping", "a list"],
)
def test_bad_recipes_do_not_fit(recipe: Any) -> None:
    assert not VALIDATOR.is_valid(recipe)


@pytest.mark.parametrize("size", [4096, "4096", "64MiB", "64mib", "1.5 GB", "10g", " 2T "])
def test_sizes_fit_as_people_write_them(size: Any) -> None:
    VALIDATOR.validate(
        {"rules": [{"id": "a", "actions": [{"type": "prefetch", "parameters": {"window_bytes": size}}]}]}
    )


VALUES = (None, True, 0, 3, 0.5, -1, 1 << 20, "x", "64MiB", "5ms", "lru", "in", "size", [], ["a"], [1, 2], {})


def changed(document: Any) -> Iterator[Any]:
    """Every document that differs from this one in one value."""
    for path in paths(document):
        for value in VALUES:
            copied = copy.deepcopy(document)
            place = copied
            for part in path[:-1]:
                place = place[part]
            place[path[-1]] = value
            yield copied


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


@pytest.mark.parametrize("name", ["default", "shuffled-images"])
def test_what_has_no_findings_fits_whatever_value_is_changed(name: str) -> None:
    accepted = refused = 0
    for document in changed(recipes.load(name).document):
        try:
            findings = recipes.loads(json.dumps(document)).warnings
        except RecipeError:
            refused += not VALIDATOR.is_valid(document)
            continue
        if not findings:
            accepted += 1
            VALIDATOR.validate(document)
    assert accepted > 50
    assert refused > 200
