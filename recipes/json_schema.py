"""The JSON Schema of recipes, for editors: made from the models and the engine's registry, never by hand.

``python -m recipes.json_schema`` writes ``recipes/schema.json``; with ``--check`` it fails if that is stale.
It says no more than the loader: what it refuses, ``mlopt validate`` finds (as an error, or as a warning that
something has no effect); what it lets pass can still be wrong, as a regular expression can.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from recipes.actions import ACTIONS
from recipes.ancestor import WORDS
from recipes.quantities import (
    DURATION_PATTERN,
    RATE_PATTERN,
    SIZE_PATTERN,
    parse_duration_ns,
    parse_rate_bytes_per_s,
    parse_size_bytes,
)
from recipes.schema import RecipeModel, as_list, version_text
from recipes.treatment import known_action_names
from recipes.vocabulary import CONDITION_TYPES, vocabulary

__all__ = ["SCHEMA_FILE", "action_summary", "model_schema", "recipe_schema", "schema_text"]

SCHEMA_FILE = Path(__file__).parent / "schema.json"

_QUANTITIES = {
    parse_size_bytes: (SIZE_PATTERN, "A size: 64MiB, 10G, or a number of bytes."),
    parse_rate_bytes_per_s: (RATE_PATTERN, "A rate: 60MB/s, 1GiB/s, or a number of bytes per second."),
    parse_duration_ns: (DURATION_PATTERN, "A duration: 5ms, 60s, 2h, immutable, or a number of seconds."),
}


class _Generator(GenerateJsonSchema):
    """Writes quantities as what people write, not as the number that they become."""

    def function_before_schema(self, schema: Any) -> JsonSchemaValue:
        function = schema["function"]["function"]
        if function in _QUANTITIES:
            pattern, description = _QUANTITIES[function]
            text = {"type": "string", "pattern": pattern}
            return {"anyOf": [{"type": "number", "minimum": 0}, text], "description": description}
        if function is version_text:
            return {"type": ["string", "number"]}
        if function is as_list:
            inner = self.generate_inner(schema["schema"])
            return {"anyOf": [inner, inner["items"]]}
        raise TypeError(f"say here what {function} lets people write")

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave titles out: they repeat the key."""
        del schema
        return False


def model_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Make the JSON Schema of one model.

    Parameters
    ----------
    model : type of BaseModel
        A part of recipes, or the parameters of an action.

    Returns
    -------
    dict
        JSON Schema 2020-12; keys without a value yet may be null, as the loader takes it.
    """
    return model.model_json_schema(schema_generator=_Generator)


def recipe_schema() -> dict[str, Any]:
    """Make the JSON Schema of recipes.

    Returns
    -------
    dict
        JSON Schema 2020-12.
    """
    schema = model_schema(RecipeModel)
    definitions = schema["$defs"]
    _complete_condition(definitions["ConditionModel"])
    _complete_action(definitions["ActionModel"], definitions)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mlopt recipe",
        "description": "How the files of an ML job are cached and fetched ahead.",
    }
    return head | {key: value for key, value in schema.items() if key not in head}


def _complete_condition(schema: dict[str, Any]) -> None:
    schema["properties"]["type"] = {"enum": list(CONDITION_TYPES)}
    operators = vocabulary().operators
    schema["properties"]["operator"] = {
        "anyOf": [{"const": name, "description": operator["summary"]} for name, operator in operators.items()]
        + [{"type": "null"}]
    }
    schema["allOf"] = [
        *_property_rules(),
        *(
            _when({"operator": name}, {"value": _VALUES[operator["value"]]})
            for name, operator in operators.items()
            if operator["value"] in _VALUES
        ),
    ]


def _property_rules() -> Iterator[dict[str, Any]]:
    """Say which properties each type of condition has, and which of them are sizes."""
    for name, properties in CONDITION_TYPES.items():
        yield _when({"type": name}, {"property": {"enum": list(properties)}})
        sizes = [each for each, fact in properties.items() if vocabulary().facts[fact].is_size]
        if sizes:
            size = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": SIZE_PATTERN}]}
            value = {"anyOf": [*size["anyOf"], {"type": "array", "items": size}, {"type": "boolean"}]}
            yield _when({"type": name, "property": sizes}, {"value": value})


_VALUES: dict[str, dict[str, Any]] = {
    "list": {"type": "array"},
    "pair": {"type": "array", "minItems": 2, "maxItems": 2},
    "bool": {"type": "boolean"},
    "regex": {"type": "string"},
    "glob": {"type": "string"},
}


# A parameter of a template may stand wherever an action's parameter does.
_REFERENCE = {"type": "string", "pattern": r"\$\{[^}]+\}"}


def _complete_action(schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Give each action its parameters; types that nobody knows load without effect and are free."""
    known = [{"const": name, "description": action_summary(name)} for name in known_action_names()]
    schema["properties"]["type"] = {"anyOf": [*known, {"type": "string", "minLength": 1}]}
    schema["allOf"] = []
    for name in known_action_names():
        parameters = _parameters(name, definitions)
        if parameters["properties"]:
            key = f"{name}_parameters"
            definitions[key] = parameters
            schema["allOf"].append(_when({"type": name}, {"parameters": {"$ref": f"#/$defs/{key}"}}))


def action_summary(name: str) -> str:
    """Say in one sentence what an action comes to.

    Parameters
    ----------
    name : str
        Any type that recipes may name.

    Returns
    -------
    str
        The engine's own summary, or what the word becomes, or why it has no effect.
    """
    if name in ACTIONS:
        return ACTIONS[name].summary
    word = WORDS.get(name)
    if word is None or not word.becomes:
        return f"No effect: {word.advisory if word else 'not enforced yet'}."
    return f"Becomes {' and '.join(word.becomes)}."


def _parameters(name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Make the schema of one action's parameters: its own, and those that it is also known by."""
    if name not in ACTIONS:
        schema: dict[str, Any] = {"type": "object", "properties": {}}
    else:
        action = ACTIONS[name]
        schema = model_schema(action.parameters)
        definitions |= schema.pop("$defs", {})
        for key, shape in schema["properties"].items():
            schema["properties"][key] = {"anyOf": [shape, _REFERENCE]}
        for other, why in action.advisory.items():
            schema["properties"][other] = {"deprecated": True, "description": f"No effect: {why}."}
    for key, meaning in WORDS[name].parameters.items() if name in WORDS else ():
        shape = {} if meaning.enforced else {"deprecated": True}
        schema["properties"][key] = shape | {"description": meaning.says}
    return schema


def _when(given: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    tests = {
        key: {"enum": value} if isinstance(value, list) else {"const": value} for key, value in given.items()
    }
    return {"if": {"properties": tests, "required": list(given)}, "then": {"properties": properties}}


def schema_text() -> str:
    """Write the schema as it ships.

    Returns
    -------
    str
        JSON with a line end.
    """
    return json.dumps(recipe_schema(), indent=1, ensure_ascii=False) + "\n"


def _main(words: list[str]) -> int:
    text = schema_text()
    if "--check" not in words:
        SCHEMA_FILE.write_text(text)
        return 0
    if SCHEMA_FILE.exists() and SCHEMA_FILE.read_text() == text:
        return 0
    sys.stderr.write(f"{SCHEMA_FILE.name} is stale: run 'make docs'\n")
    return 1


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
