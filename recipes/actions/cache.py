"""cache: keep blocks of a file in the memory tier."""

from __future__ import annotations

from typing import Any, Literal

from recipes.actions.base import ActionType, Problem
from recipes.findings import nearest
from recipes.policies import POLICIES
from recipes.schema import Duration, Model, Share

__all__ = ["CACHE", "CacheParameters"]


class CacheParameters(Model):
    """Parameters of ``cache`` as written; None is left open."""

    tier: Literal["memory", "disk", "both"] | None = None
    policy: str | None = None
    pin: bool | None = None
    share: Share | None = None
    immutable: bool | None = None
    staleness: Duration | None = None
    lock: bool | None = None
    priority: Literal["low", "normal", "high"] | None = None


def _compile(written: CacheParameters) -> tuple[dict[str, Any], list[Problem]]:
    problems = []
    policy = written.policy
    if written.pin is not None:
        if policy is not None and (policy == "pinned") != written.pin:
            problems.append(
                Problem("MLO154", "pin", f"'pin' contradicts policy '{policy}'", "Keep one of the two")
            )
        policy = "pinned" if written.pin else policy
    if policy is not None:
        problems += _check_policy(policy)
    if written.tier not in (None, "memory"):
        message = f"tier '{written.tier}' is not enforced yet, the memory tier is used"
        problems.append(Problem("MLO202", "tier", message))
    plan = {
        "policy": policy,
        "share": written.share,
        "immutable": written.immutable,
        "staleness_ns": written.staleness,
        "lock": written.lock,
        "priority": written.priority,
    }
    return {name: value for name, value in plan.items() if value is not None}, problems


def _check_policy(policy: str) -> list[Problem]:
    usable = [name for name, info in POLICIES.items() if not info.simulation_only]
    if policy == "none" or policy in usable:
        return []
    if policy in POLICIES:
        message = f"policy '{policy}' knows the future and exists in simulations only"
        return [Problem("MLO152", "policy", message, f"Choose one of {', '.join(usable)}")]
    meant = nearest(policy, usable)
    remedy = f"Did you mean '{meant}'?" if meant else f"Choose one of {', '.join(usable)}, or none"
    return [Problem("MLO151", "policy", f"unknown policy '{policy}'", remedy)]


CACHE = ActionType(
    name="cache",
    summary="Keep blocks of a file in the memory tier.",
    parameters=CacheParameters,
    compile=_compile,
    advisory={
        "retention": "blocks leave when the tier needs room",
        "retention_time": "blocks leave when the tier needs room",
        "cache_strategy": "'policy' chooses what stays",
        "strategy": "'policy' chooses what stays",
        "eviction_policy": "'policy' chooses what stays",
        "cache_type": "'tier' chooses where",
        "compression": "the memory tier is not compressed",
        "preload": "a prefetch action fetches ahead",
        "framework": "frameworks are not detected yet",
        "preload_metadata": "metadata is always listed ahead",
        "parallel_loading": "fetches are always parallel",
        "variable_caching": "it belongs to one framework's own format",
    },
)
