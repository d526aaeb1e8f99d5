"""HuggingFace: safetensors, tokenizers, Arrow tables of ``datasets``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from recipes.plugins.base import Context, Hint
from recipes.plugins.formats import FormatPlugin

__all__ = ["HuggingFace"]


class HuggingFace(FormatPlugin):
    """Models and data sets as the Hub has them."""

    name = "huggingface"
    summary = "safetensors, tokenizers and their settings, Arrow and Parquet tables"
    # `datasets` caches Arrow streams and its Hub serves Parquet, but so do others.
    formats: ClassVar[Mapping[str, float]] = {"arrow_stream": 0.6, "arrow": 0.4, "parquet": 0.4, "gguf": 0.3}

    def hints(self, context: Context) -> Sequence[Hint]:
        """Advise on weights in safetensors.

        Parameters
        ----------
        context : Context
            Uses the format of the files, the kind of workload and the number of GPUs.

        Returns
        -------
        sequence of Hint
            What fits.
        """
        if context.file.get("format") != "safetensors":
            return ()
        ranks = context.system.get("gpu_count") or 1
        if ranks > 1:
            description = f"{ranks} processes map the same weights: the first one's fetch serves all"
            return (Hint("cache_strategy", description, 100, {"eviction_policy": "fifo"}),)
        return ()
