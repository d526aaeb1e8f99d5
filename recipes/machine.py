"""Which hardware profiles a machine fits: asked of the engine, which alone compares facts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlopt_engine import Rules
from recipes.meaning import Resolver
from recipes.merged import Layer, Merged, Selection, merged
from recipes.scope import Scope

__all__ = ["fitting_profiles"]

_FRAME = {
    "version": 1,
    "seed": 0,
    "block_bytes": 4096,
    "observe": "none",
    "staleness_ns": 0,
    "threshold": 0.5,
    "max_rules": 1,
    "tiers": {"memory": {"bytes": 0, "kernel_share": 0.0}, "disk": {"bytes": 0, "dir_required": False}},
}


def fitting_profiles(layers: Sequence[Layer], facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Find the profiles whose conditions all hold on a machine.

    Parameters
    ----------
    layers : sequence of Layer
        Documents that may define profiles, weakest first; all fit the schema.
    facts : mapping of str to object
        What is known of the machine, as ``system.gpu_count``.

    Returns
    -------
    tuple of str
        Names in the order of the layers. A profile without conditions, or with one that nobody can judge,
        fits no machine.
    """
    together = merged(layers, Selection())
    # Templates and references are checked later, with all layers; here only the conditions count.
    scope = Scope(Merged({"hardware_profiles": together.entries("hardware_profiles")}, {}, Selection()))
    found = []
    for name, guards in scope.profiles.items():
        conditions = [
            Resolver(guard.leaf.document, 0.5).condition(guard.leaf.path, guard.condition) for guard in guards
        ]
        if conditions and _hold(conditions, facts):
            found.append(name)
    return tuple(found)


def _hold(conditions: list[dict[str, Any]], facts: Mapping[str, Any]) -> bool:
    rule = {
        "id": "profile",
        "priority": 0,
        "order": 0,
        "match": "all",
        "origin": {"layer": "built-in", "file": "profile", "line": 1},
        "conditions": [condition | {"weight": 1.0} for condition in conditions],
        "actions": [],
    }
    if any(not condition["fact"] for condition in conditions):
        return False  # reported when the rules of the profile are read
    rules = Rules(json.dumps(_FRAME | {"rules": [rule]}))
    explained = json.loads(rules.explain(b"", 0, None, json.dumps(dict(facts))))
    return bool(explained["rules"][0]["fires"])
