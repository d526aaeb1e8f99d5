"""cache: what the engine's list does not say of it."""

from __future__ import annotations

from recipes.actions.base import Problem, Values, action_type
from recipes.findings import nearest
from recipes.policies import POLICIES

__all__ = ["CACHE"]


def _rewrite(written: Values) -> tuple[Values, list[Problem]]:
    values, problems = dict(written), []
    pin, policy = values.pop("pin", None), values.get("policy")
    if pin is not None and policy is not None and (policy == "pinned") != pin:
        message = f"'pin' contradicts policy '{policy}'"
        problems.append(Problem("MLO154", "pin", message, "Keep one of the two"))
    elif pin:
        values["policy"] = "pinned"
    return values, problems + (_check_policy(policy) if policy is not None else [])


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


CACHE = action_type(
    "cache",
    rewrite=_rewrite,
    checks_words_of=["policy"],
    advisory={
        "retention_time": "'retention' says how long blocks stay",
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
