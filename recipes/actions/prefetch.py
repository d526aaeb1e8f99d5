"""prefetch: what the engine's list does not say of it."""

from __future__ import annotations

from recipes.actions.base import action_type

__all__ = ["PREFETCH"]

PREFETCH = action_type(
    "prefetch",
    advisory={
        "chunk_size": "fetches are whole blocks of settings.block_size",
        "prefetch_size": "'window_bytes' says how far ahead",
        "size": "'window_bytes' says how far ahead",
        "queue_depth": "'depth' says how many at once",
        "parallel_workers": "'depth' says how many at once",
        "strategy": "'mode' says what is fetched",
        "initial_size": "'first_window_bytes' says where the window starts",
        "max_size": "'window_bytes' is the cap",
        "growth_factor": "'growth' says how fast the window grows",
        "confidence_based": "the window adapts by itself",
        "cuda_streams": "a file system cannot place data on a GPU",
    },
)
