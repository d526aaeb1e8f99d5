"""MosaicML Streaming: MDS shards and the index beside them."""

from __future__ import annotations

from recipes.plugins.formats import FormatPlugin

__all__ = ["MosaicMLStreaming"]


class MosaicMLStreaming(FormatPlugin):
    """MDS shards and ``index.json``."""

    name = "mosaicml"
    summary = "MDS shards of samples, with index.json"
