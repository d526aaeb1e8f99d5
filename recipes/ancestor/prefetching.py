"""Words for fetching ahead: prefetch, loaders and pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recipes.ancestor.base import Meaning, Outcome, Word
from recipes.ancestor.caching import GPU, IN_PROCESS
from recipes.ancestor.meanings import concurrency, flag, is_open, lookahead, never, size, times, whole, words

__all__ = ["COMPRESSION_AWARE", "WORDS"]

# A loader's look-ahead where its file names one factor only: what PyTorch itself takes.
DEFAULT_WORKERS = 1
DEFAULT_FACTOR = 2
COMPRESSION_AWARE = flag(
    "done anyway: what does not shrink is not compressed", off="data is probed before it is compressed"
)


def _mode(name: str) -> tuple[tuple[str, str | None, Any], ...]:
    return (("prefetch", "mode", name),)


_STRATEGY = words(
    "`prefetch.mode`",
    {
        "sequential": _mode("sequential"),
        "adaptive": _mode("sequential"),
        "linear": _mode("sequential"),
        "whole_file": _mode("whole_file"),
        "full": _mode("whole_file"),
        "sequence": _mode("sequence"),
        "epoch": _mode("epoch_set"),
        "epoch_set": _mode("epoch_set"),
        "shuffle": _mode("epoch_set"),
        "shuffled": _mode("epoch_set"),
        "none": _mode("none"),
        "disabled": _mode("none"),
    },
    "it names no way to fetch ahead; 'mode' lists them",
)


def _read_chunk(value: Any, others: Mapping[str, Any]) -> Outcome:
    size("prefetch", "window_bytes").read(value, others)
    if isinstance(others.get("prefetch_size"), int):
        return Outcome()
    return Outcome(advisory="alone it has no effect: fetches are whole blocks of settings.block_size")


def _read_shuffle(value: Any, others: Mapping[str, Any]) -> Outcome:
    del others
    shuffled = value if isinstance(value, bool) else is_open(value) or whole(value) > 0
    return Outcome(sets=_mode("epoch_set") if shuffled else ())


def _read_loader(value: Any, others: Mapping[str, Any]) -> Outcome:
    """Multiply workers by factor, whichever of the two is read: a loader asks for that many items ahead."""
    if is_open(value):
        return Outcome()
    whole(value)
    workers, factor = (
        others.get("num_workers", DEFAULT_WORKERS),
        others.get("prefetch_factor", DEFAULT_FACTOR),
    )
    counts = [
        whole(default if is_open(number) else number)
        for number, default in ((workers, DEFAULT_WORKERS), (factor, DEFAULT_FACTOR))
    ]
    return Outcome(sets=(("prefetch", "depth", max(1, counts[0]) * max(1, counts[1])),))


_SHUFFLE = Meaning(
    "`prefetch.mode: epoch_set` when above 0: the order is not known", _read_shuffle, examples=(1000, 0)
)
_LOADER = Meaning("`prefetch.depth`: num_workers x prefetch_factor files ahead", _read_loader, examples=(4,))
_BUFFER = lookahead()

WORDS = (
    Word(
        "prefetch",
        {"prefetch": {}},
        {
            "chunk_size": Meaning(
                "unit of `prefetch_size`: fetches are whole blocks",
                _read_chunk,
                examples=("256KiB",),
                beside={"prefetch_size": 8},
            ),
            "prefetch_size": lookahead(),
            "size": size("prefetch", "window_bytes", with_share=True),
            "max_size": size("prefetch", "window_bytes", with_share=True),
            "prefetch_buffer": _BUFFER,
            "initial_size": size("prefetch", "first_window_bytes"),
            "growth_factor": times("prefetch", "growth"),
            "confidence_based": flag(
                "done anyway: the window grows with each read that follows on",
                off="the window adapts by itself",
            ),
            "queue_depth": concurrency("prefetch", "depth"),
            "parallel_workers": concurrency("prefetch", "depth"),
            "num_workers": concurrency("prefetch", "depth"),
            "strategy": _STRATEGY,
            "cuda_streams": never(GPU),
        },
    ),
    Word(
        "batch_prefetch",
        {"prefetch": {"mode": "sequence"}},
        {
            "batch_aware": flag(
                "done anyway: fetches run ahead over files", off="fetches run ahead over files"
            ),
            "shuffle_buffer": _SHUFFLE,
            "parallel_calls": concurrency("prefetch", "depth"),
            "prefetch_buffer": _BUFFER,
        },
    ),
    Word(
        "dataloader_optimization",
        {"prefetch": {"mode": "epoch_set"}},
        {
            "num_workers": _LOADER,
            "prefetch_factor": _LOADER,
            "pin_memory": never(GPU),
            "persistent_workers": never(IN_PROCESS),
            "multiprocessing_context": never(IN_PROCESS),
        },
    ),
    Word(
        "data_pipeline",
        {"prefetch": {}, "cache": {}},
        {
            "prefetch_buffer": _BUFFER,
            "parallel_reads": concurrency("prefetch", "depth"),
            "shuffle_buffer": _SHUFFLE,
            "cache_dataset": flag(
                "true is `cache.policy: pinned`, false is no `cache`",
                on=(("cache", "policy", "pinned"),),
                drops=("cache",),
            ),
            "compression_aware": COMPRESSION_AWARE,
        },
    ),
)
