"""Action types that load without being enforced yet, each with the canonical action it will become."""

from __future__ import annotations

__all__ = ["ADVISORY"]

ADVISORY: dict[str, str] = {
    "stream": "stream",
    "coordinate": "coordinate",
    "compress": "compress",
    "prioritize": "prioritize",
    "batch_prefetch": "prefetch",
    "dataloader_optimization": "prefetch",
    "data_pipeline": "prefetch + cache",
    "smart_cache": "cache",
    "intelligent_cache": "cache",
    "pytorch_model_cache": "cache",
    "gpu_aware_cache": "cache",
    "model_optimization": "cache + stream",
    "inference_optimization": "prefetch + cache + prioritize",
    "chunked_streaming": "stream",
    "chunked_load": "stream",
    "stream_optimization": "stream",
    "distributed_coordination": "coordinate",
    "checkpoint_optimization": "compress + coordinate",
}
