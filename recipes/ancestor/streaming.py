"""Words for reading in chunks, in parallel."""

from __future__ import annotations

from recipes.ancestor.base import Word
from recipes.ancestor.caching import lazy_loading
from recipes.ancestor.meanings import codec, concurrency, flag, lookahead, never, size, times
from recipes.ancestor.prefetching import COMPRESSION_AWARE

__all__ = ["WORDS"]

_CHUNK = size("stream", "chunk_bytes")
_STREAMS = concurrency("stream", "streams")
_PARAMETERS = {
    "chunk_size": _CHUNK,
    "buffer_size": _CHUNK,
    "parallel_streams": _STREAMS,
    "parallel_chunks": _STREAMS,
    "parallel_reads": _STREAMS,
    "num_workers": _STREAMS,
    "compression": codec(),
    "lazy_loading": lazy_loading(),
    "memory_mapping": flag(
        "true is `stream.drop_behind: false`: what is mapped stays in the page cache",
        on=(("stream", "drop_behind", False),),
    ),
    "prefetch_buffer": lookahead(),
    "initial_size": size("stream", "first_window_bytes"),
    "growth_factor": times("stream", "growth"),
    "compression_aware": COMPRESSION_AWARE,
    "record_batching": never("records are known to their reader, not to a file system"),
}

WORDS = (
    Word("stream", {"stream": {}}, _PARAMETERS),
    Word("chunked_streaming", {"stream": {}}, _PARAMETERS),
    Word("chunked_load", {"stream": {}}, _PARAMETERS),
    Word("stream_optimization", {"stream": {}}, _PARAMETERS),
)
