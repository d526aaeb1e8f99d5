"""The published shape of every command's JSON: one file per command with ``inputs`` and ``result``.

What all commands share, the envelope, is written here once; what several share is in ``common.json``.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

from mlopt_cli.output import SCHEMA_VERSION

DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: Shared definitions; no command of this name exists.
COMMON = "common"
_REFERENCE = re.compile(r'"#/\$defs/(\w+)"')
_TEXT_OR_NULL = {"type": ["string", "null"]}
_ERROR = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "minLength": 1},
        "what": {"type": "string", "minLength": 1},
        "where": _TEXT_OR_NULL,
        "value": _TEXT_OR_NULL,
        "do": _TEXT_OR_NULL,
        "details": {"type": "object"},
    },
    "required": ["code", "what", "where", "value", "do"],
    "additionalProperties": False,
}


def published() -> list[str]:
    """List the commands that have a schema.

    Returns
    -------
    list of str
        In alphabetical order.
    """
    entries = (entry.name for entry in files(__name__).iterdir() if entry.name.endswith(".json"))
    return sorted({entry.removesuffix(".json") for entry in entries} - {COMMON})


def schema_of(command: str) -> dict[str, Any]:
    """Compose the JSON Schema of a command's ``--json`` output, for success and failure.

    Parameters
    ----------
    command : str
        One of `published`.

    Returns
    -------
    dict
        A schema that refers to nothing outside itself.
    """
    own = _read(command)
    head = {
        "schema_version": {"const": SCHEMA_VERSION},
        "command": {"const": command},
        "mlopt": {"type": "string", "description": "version of mlopt"},
        "inputs": {"type": "object"},
        "result": True,
        "warnings": {"type": "array", "items": {"$ref": "#/$defs/warning"}},
        "error": _ERROR,
    }
    return {
        "$schema": DIALECT,
        "$id": f"urn:mlopt:schema:{SCHEMA_VERSION}:{command}",
        "title": f"Output of 'mlopt {command} --json'",
        "type": "object",
        "properties": head,
        "required": ["schema_version", "command", "mlopt", "inputs"],
        "additionalProperties": False,
        "if": {"required": ["error"]},
        "then": {"properties": {"result": False, "warnings": False}},
        "else": {
            "properties": {"inputs": own["inputs"], "result": own["result"]},
            "required": ["result", "warnings"],
        },
        "$defs": _needed(own, _read(COMMON)["$defs"] | own.get("$defs", {})),
    }


def _read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    )
    return document


def _needed(schema: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Take the definitions that a schema refers to, directly or through others."""
    needed: dict[str, Any] = {}
    waiting = ["warning", *_REFERENCE.findall(json.dumps(schema))]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = known[name]
            waiting += _REFERENCE.findall(json.dumps(known[name]))
    return dict(sorted(needed.items()))
