"""Words for serving and loading models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recipes.ancestor.base import Meaning, Outcome, Unusable, Word
from recipes.ancestor.caching import IN_PROCESS, WHOLE_FILE, lazy_loading, preload
from recipes.ancestor.meanings import codec, flag, is_open, never, share

__all__ = ["WORDS"]


def _read_pool(value: Any, others: Mapping[str, Any]) -> Outcome:
    del others
    if isinstance(value, bool):
        return Outcome(
            sets=(("cache", "policy", "pinned"),) if value else (), drops=() if value else ("cache",)
        )
    part = share(value)
    if part is not None:
        return Outcome(sets=(("cache", "share", part),))
    if is_open(value):
        return Outcome()
    raise Unusable("true, false or a share such as 25%")


WORDS = (
    Word(
        "model_optimization",
        {"cache": {}, "stream": {}},
        {
            "lazy_loading": lazy_loading(),
            "weight_compression": codec(),
            "architecture_cache": flag("true is done anyway, false is no `cache`", drops=("cache",)),
            "parallel_loading": flag("`prefetch` of the whole file, in parallel", on=WHOLE_FILE),
        },
    ),
    Word(
        "inference_optimization",
        {
            "prefetch": {"mode": "whole_file"},
            "cache": {"policy": "pinned"},
            "prioritize": {"class": "realtime"},
        },
        {
            "preload_model": preload(drops=("prefetch",)),
            "memory_pool": Meaning(
                "true pins, `25%` is `cache.share`, false is no `cache`",
                _read_pool,
                examples=(True, "25%", False),
            ),
            "batch_optimization": never("requests are batched by the server"),
            "warm_up_iterations": never("warming up runs the model"),
            "precision": never(IN_PROCESS),
        },
    ),
)
