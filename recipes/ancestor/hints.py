"""What the ancestor's plugins and controllers answer: hints. Rules may name them too."""

from __future__ import annotations

from typing import Any

from recipes.ancestor.base import Word
from recipes.ancestor.caching import GPU, IN_PROCESS
from recipes.ancestor.caching import WORDS as CACHING
from recipes.ancestor.meanings import size
from recipes.ancestor.streaming import WORDS as STREAMING

__all__ = ["WORDS"]

_CACHE, _STREAM = CACHING[0].parameters, STREAMING[0].parameters
_LIMIT = {"rate_limit": size("prioritize", "limit_bytes_per_s")}
LABEL = "it labels what the other hints say"
SERVER = "it is the model server's to do"


def _hint(name: str, becomes: dict[str, dict[str, Any]], **more: Any) -> Word:
    return Word(name, becomes, kind="hint", **more)


def _advisory(name: str, reason: str) -> Word:
    return Word(name, {}, advisory=reason, kind="hint")


WORDS = (
    _hint("cache_strategy", {"cache": {}}, parameters=_CACHE),
    _hint("loading_strategy", {"stream": {}}, parameters=_STREAM),
    _hint("tfrecord_optimization", {"stream": {}}, parameters=_STREAM),
    _hint("savedmodel_optimization", {"cache": {}, "stream": {}}, parameters=_STREAM | _CACHE),
    _hint("preload", {"prefetch": {"mode": "whole_file", "trigger": "open"}}),
    _hint("cache_entire_tensor", {"cache": {}, "prefetch": {"mode": "whole_file"}}),
    _hint("prefetch_slices", {"prefetch": {"mode": "sequential"}}),
    _hint("enable_compression", {"compress": {}}),
    _hint("reduce_prefetch", {"prefetch": {"depth": 1}}),
    _hint("increase_priority", {"prioritize": {"class": "realtime"}}),
    _hint("stage_transfer", {"cache": {"tier": "disk"}}),
    _hint("delay_transfer", {"prioritize": {"class": "background"}}, parameters=_LIMIT),
    _hint("throttle", {"prioritize": {"class": "background"}}, parameters=_LIMIT),
    _hint("yield", {"prioritize": {"class": "background"}}),
    _advisory("training_optimization", LABEL),
    _advisory("tf_training_optimization", LABEL),
    _advisory("tf_inference_optimization", LABEL),
    _advisory("framework_hint", LABEL),
    _advisory("custom_optimization", "only the plugin that sends it knows what it asks for"),
    _advisory("enable_result_caching", SERVER),
    _advisory("scale_up", SERVER),
    _advisory("convert_model_format", "files are shown as they are, never rewritten"),
    _advisory("suggest_layout_change", "files are shown as they are, never rewritten"),
    _advisory("migrate", "where a process runs is the scheduler's to say"),
    _advisory("gpu_memory_pooling", GPU),
    _advisory("experiment_tracking", IN_PROCESS),
)
