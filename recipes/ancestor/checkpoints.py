"""Words for checkpoints and compression."""

from __future__ import annotations

from recipes.ancestor.base import Word
from recipes.ancestor.meanings import codec, flag, never
from recipes.ancestor.prefetching import COMPRESSION_AWARE

__all__ = ["WORDS"]

READ_ONLY = "mounts are read-only: jobs write checkpoints to the source itself"
ELSEWHERE = "copies of checkpoints are the job's, or a backup's, to make"
_CODEC = codec()

WORDS = (
    Word(
        "compress",
        {"compress": {}},
        {
            "compression": _CODEC,
            "algorithm": _CODEC,
            "type": _CODEC,
            "compression_aware": COMPRESSION_AWARE,
        },
    ),
    Word(
        "checkpoint_optimization",
        {"compress": {}, "coordinate": {"single_flight": True}},
        {
            "compression": _CODEC,
            "incremental_save": flag(f"true is advisory: {READ_ONLY}", on=READ_ONLY),
            "async_save": flag(f"true is advisory: {READ_ONLY}", on=READ_ONLY),
            "metadata_tracking": never("changes of a file are seen by size, time and id"),
            "metadata_caching": flag("done anyway", off="metadata is always cached, within the staleness"),
            "backup_strategy": never(ELSEWHERE),
            "sync_frequency": never(READ_ONLY),
            "sharding": never(ELSEWHERE),
        },
    ),
)
