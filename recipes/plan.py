"""From a recipe to the plan that the engine evaluates: canonical JSON with its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from recipes.actions import ACTIONS
from recipes.policies import POLICIES
from recipes.recipe import Recipe

__all__ = ["Plan", "compile_plan"]

PLAN_VERSION = 1
# Reads of files that the kernel holds are seen by nobody; epochs that only they tell would be missed.
_SHOWN_BY_OPENS = {"workload.phase", "workload.epoch"}
# What the engine keeps free for the blocks ahead of a stream action's readers.
STREAM_SHARE = 0.1


@dataclass(frozen=True)
class Plan:
    """A compiled recipe.

    Attributes
    ----------
    json : str
        Canonical: sorted keys, no spaces.
    warnings : list of dict
        ``{"code", "message"}`` each.
    """

    json: str = field(repr=False)
    warnings: list[dict[str, str]]

    @property
    def memory_bytes(self) -> int:
        """Budget of the memory tier, after the recipe's own limit [bytes]."""
        return int(json.loads(self.json)["tiers"]["memory"]["bytes"])

    @property
    def sha256(self) -> str:
        """The recipe's identity: hash of the canonical JSON."""
        return hashlib.sha256(self.json.encode()).hexdigest()


def compile_plan(recipe: Recipe, *, memory_bytes: int) -> Plan:
    """Compile a recipe for a memory budget.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    memory_bytes : int
        Budget of the memory tier [bytes]; ``settings.memory_limit_mb`` caps it.

    Returns
    -------
    Plan
        For the engine.
    """
    settings = recipe.settings
    warnings = [{"code": each.code, "message": f"{each.where}: {each.message}"} for each in recipe.warnings]
    opens = _rules_that_need_opens(recipe)
    for rule, why in opens[:1]:
        message = f"each open costs a message: rule '{rule}' {why}"
        warnings.append({"code": "MLO206", "message": message})
    limit = settings.memory_limit_mb
    if limit is not None and limit << 20 < memory_bytes:
        memory_bytes = limit << 20
        warnings.append({"code": "MLO248", "message": f"memory_limit_mb caps the budget at {limit} MiB"})
    plan = {
        "version": PLAN_VERSION,
        "seed": settings.seed,
        "block_bytes": settings.block_size,
        "observe": "opens" if opens else "none",
        "staleness_ns": settings.staleness,
        "threshold": float(settings.confidence_threshold),
        "max_rules": settings.max_concurrent_rules,
        "tiers": {
            "memory": {"bytes": memory_bytes, "kernel_share": kernel_share(recipe)},
            "disk": {"bytes": 0, "dir_required": False},
        },
        "rules": list(recipe.rules),
    }
    if settings.debug:
        plan["debug"] = True
    return Plan(json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=False), warnings)


def kernel_share(recipe: Recipe) -> float:
    """Split the memory tier between the kernel's part and the daemon's.

    Parameters
    ----------
    recipe : Recipe
        What to do.

    Returns
    -------
    float
        Share of the kernel part, 0..1. Policies that need no recency live there; the others and staged blocks
        live with the daemon. Where both fit, what is left over goes to the kernel part, whose reads are
        silent; where they do not, they share in proportion.
    """
    kernel: set[tuple[str, float]] = set()
    daemon: set[tuple[str, float]] = set()
    cached = {tuple(parameters.items()) for _, kind, parameters in _actions(recipe) if kind == "cache"}
    for written in cached:
        complete = ACTIONS["cache"].defaults | dict(written)
        if complete["policy"] != "none":
            # Equal actions of several rules are one class and share one cap.
            identity = (repr(sorted(complete.items())), float(complete["share"]))
            (kernel if POLICIES[complete["policy"]].part == "kernel" else daemon).add(identity)
    for order, kind, parameters in _actions(recipe):
        complete = ACTIONS[kind].defaults | parameters if kind == "prefetch" else {}
        if complete.get("mode", "none") != "none":
            daemon.add((f"staging {order}", float(complete["share"])))
        if kind == "stream":
            daemon.add((f"stream {order}", STREAM_SHARE))
    need_kernel = min(1.0, sum(share for _, share in kernel))
    need_daemon = min(1.0, sum(share for _, share in daemon))
    if need_kernel == 0.0:
        return 0.0
    if need_kernel + need_daemon <= 1.0:
        return round(1.0 - need_daemon, 6)
    return round(need_kernel / (need_kernel + need_daemon), 6)


def _actions(recipe: Recipe) -> Iterator[tuple[int, str, dict[str, Any]]]:
    for rule in recipe.rules:
        for action in rule["actions"]:
            yield rule["order"], action["type"], action["parameters"]


def _rules_that_need_opens(recipe: Recipe) -> list[tuple[str, str]]:
    """Rules that every open must be seen for, each with the reason."""
    ahead = [
        (recipe.rules[order]["id"], "starts its prefetch at the open")
        for order, kind, parameters in _actions(recipe)
        if kind == "prefetch" and parameters.get("trigger") == "open"
    ]
    return ahead + [
        (rule["id"], f"asks for {condition['fact']}, which also files show that the kernel holds")
        for rule in recipe.rules
        for condition in rule["conditions"]
        if condition["fact"] in _SHOWN_BY_OPENS
    ]
