"""Words for keeping data: cache and its relatives."""

from __future__ import annotations

from recipes.ancestor.base import Meaning, Word
from recipes.ancestor.meanings import boost, codec, flag, how_long, importance, never, policy_of, words

__all__ = ["WORDS"]

GPU = "a file system cannot place data on a GPU"
IN_PROCESS = "it is about objects inside the job's process"
WHOLE_FILE = (("prefetch", "mode", "whole_file"),)
AT_OPEN = (*WHOLE_FILE, ("prefetch", "trigger", "open"))


def preload(*, drops: tuple[str, ...] = ()) -> Meaning:
    """Read whether a file is fetched as soon as it is opened.

    Parameters
    ----------
    drops : tuple of str
        Actions that false declines.

    Returns
    -------
    Meaning
        Adds ``prefetch`` of the whole file.
    """
    return flag("`prefetch` of the whole file at its open", on=AT_OPEN, drops=drops)


def lazy_loading() -> Meaning:
    """Read whether only what is read is fetched, which is what happens unless told otherwise.

    Returns
    -------
    Meaning
        False adds ``prefetch`` of the whole file.
    """
    return flag("false is `prefetch` of the whole file; true is what happens anyway", off=WHOLE_FILE)


_STRATEGY = policy_of("it names no policy; 'policy' chooses what stays")
_PERSISTENT = flag("`cache.tier: disk`", on=(("cache", "tier", "disk"),))
_PARAMETERS = {
    "strategy": _STRATEGY,
    "cache_strategy": _STRATEGY,
    "priority": importance(),
    "priority_boost": boost(),
    "cache_priority": importance(),
    "eviction_policy": policy_of("no such policy here; 'policy' names those that there are"),
    "cache_type": words(
        "`cache.tier`",
        {
            "memory": (("cache", "tier", "memory"),),
            "ram": (("cache", "tier", "memory"),),
            "disk": (("cache", "tier", "disk"),),
            "ssd": (("cache", "tier", "disk"),),
            "persistent": (("cache", "tier", "disk"),),
            "hybrid": (("cache", "tier", "both"),),
            "both": (("cache", "tier", "both"),),
            "gpu": GPU,
        },
        "'tier' knows memory, disk and both",
    ),
    "persistent": _PERSISTENT,
    "persistence": _PERSISTENT,
    "compression": codec(),
    "preload": preload(),
    "preload_model": preload(),
    "warm_up": preload(),
    "parallel_loading": flag("`prefetch` of the whole file, in parallel", on=WHOLE_FILE),
    "lazy_loading": lazy_loading(),
    "retention_time": how_long(),
    "cache_dataset": flag("`cache.policy: pinned`, within its share", on=(("cache", "policy", "pinned"),)),
    "framework": never("conditions choose the files, as workload_context.framework"),
    "preload_metadata": flag(
        "done anyway: metadata is listed ahead", off="metadata is always listed ahead, it costs one pass"
    ),
    "variable_caching": flag(
        "done anyway: a SavedModel's variables/ are files as others",
        off="write a rule with policy none for variables/",
    ),
}

WORDS = (
    Word("cache", {"cache": {}}, _PARAMETERS),
    Word("smart_cache", {"cache": {}}, _PARAMETERS),
    Word("intelligent_cache", {"cache": {}}, _PARAMETERS),
    Word(
        "pytorch_model_cache",
        {"cache": {}},
        _PARAMETERS
        | {
            "state_dict_optimization": never(IN_PROCESS),
            "device_placement": never(GPU),
            "memory_format": never(IN_PROCESS),
        },
    ),
    Word(
        "gpu_aware_cache",
        {"cache": {}},
        _PARAMETERS
        | {
            "gpu_memory_threshold": never(GPU),
            "cpu_gpu_coordination": never(GPU),
            "unified_memory": never(GPU),
        },
    ),
)
