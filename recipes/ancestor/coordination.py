"""Words for readers that share a source: coordinate and prioritize."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recipes.ancestor.base import Meaning, Outcome, Word
from recipes.ancestor.caching import GPU
from recipes.ancestor.meanings import flag, never, processing_class, size, words

__all__ = ["WORDS"]

_CLASS = processing_class()
NETWORK = "gradients travel between processes, not through files"


def _read_priority(value: Any, others: Mapping[str, Any]) -> Outcome:
    outcome = _CLASS.read(value, others)
    if others.get("priority_scheduling") is True:
        return outcome
    return Outcome(advisory="it counts beside 'priority_scheduling: true' only")


_CLUSTER = flag(
    "`coordinate.scope: cluster`: each block has one owner", on=(("coordinate", "scope", "cluster"),)
)

WORDS = (
    Word(
        "coordinate",
        {"coordinate": {"single_flight": True}},
        {
            "strategy": words(
                "`coordinate.single_flight`",
                {
                    "single_flight": (("coordinate", "single_flight", True),),
                    "shared": (("coordinate", "single_flight", True),),
                    "none": "a mount never fetches one block twice at the same time",
                },
                "each block is fetched once for all readers, whatever it is called",
            ),
            "priority": Meaning(
                "`prioritize.class`",
                _read_priority,
                examples=_CLASS.examples,
                beside={"priority_scheduling": True},
            ),
            "priority_scheduling": flag("adds `prioritize`", on=(("prioritize", None, None),)),
            "resource_aware": flag("done anyway: budgets are hard", off="budgets are always hard"),
            "gpu_coordination": never(GPU),
        },
    ),
    Word(
        "distributed_coordination",
        {"coordinate": {"single_flight": True}},
        {
            "node_awareness": _CLUSTER,
            "data_locality": _CLUSTER,
            "gradient_sync": never(NETWORK),
            "communication_optimization": never(NETWORK),
        },
    ),
    Word(
        "prioritize",
        {"prioritize": {}},
        {
            "priority": _CLASS,
            "level": _CLASS,
            "rate_limit": size("prioritize", "limit_bytes_per_s"),
            "bandwidth_limit": size("prioritize", "limit_bytes_per_s"),
        },
    ),
)
