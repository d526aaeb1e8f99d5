"""prefetch: fetch ahead of the readers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from recipes.actions.base import ActionType, Problem
from recipes.schema import Model, Share, Size

__all__ = ["PREFETCH", "PrefetchParameters"]


class PrefetchParameters(Model):
    """Parameters of ``prefetch`` as written; None is left open."""

    mode: Literal["sequential", "whole_file", "sequence", "epoch_set", "none"] | None = None
    share: Share | None = None
    window_bytes: Annotated[Size, Field(ge=4096, le=1 << 40)] | None = None
    files: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    depth: Annotated[int, Field(ge=1, le=4096)] | None = None
    trigger: Literal["open", "read", "hint"] | None = None


def _compile(written: PrefetchParameters) -> tuple[dict[str, Any], list[Problem]]:
    return written.model_dump(exclude_none=True), []


PREFETCH = ActionType(
    name="prefetch",
    summary="Fetch ahead of the readers, into a share of the memory tier.",
    parameters=PrefetchParameters,
    compile=_compile,
    advisory={
        "chunk_size": "fetches are whole blocks of settings.block_size",
        "prefetch_size": "'window_bytes' says how far ahead",
        "size": "'window_bytes' says how far ahead",
        "queue_depth": "'depth' says how many at once",
        "parallel_workers": "'depth' says how many at once",
        "strategy": "'mode' says what is fetched",
        "initial_size": "the window starts small by itself",
        "max_size": "'window_bytes' is the cap",
        "growth_factor": "the window adapts by itself",
        "confidence_based": "the window adapts by itself",
        "cuda_streams": "a file system cannot place data on a GPU",
    },
)
