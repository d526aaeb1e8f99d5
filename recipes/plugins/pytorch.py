"""PyTorch: what torch.save writes, distributed checkpoints, FFCV's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from recipes.plugins.base import Context, Hint
from recipes.plugins.formats import FormatPlugin

__all__ = ["PyTorch"]

_GIB = 1 << 30


class PyTorch(FormatPlugin):
    """Weights and checkpoints as ``torch.save`` writes them."""

    name = "pytorch"
    summary = "torch.save files, distributed checkpoints, FFCV data, samples in small files"
    # A file of Lightning's is a torch zip as well; a bare pickle may be anything, and a PyTorch program may
    # read arrays. The numbers are the ancestor's where it has one.
    formats: ClassVar[Mapping[str, float]] = {"torch": 0.6, "pickle": 0.3, "npy": 0.1, "npz": 0.1}

    def hints(self, context: Context) -> Sequence[Hint]:
        """Advise on weights.

        Parameters
        ----------
        context : Context
            Uses the type, format and size of the files, the kind of workload and the free memory.

        Returns
        -------
        sequence of Hint
            What fits.
        """
        if context.file.get("type") != "model":
            return ()
        size = context.file.get("size", 0)
        free = context.system.get("available_memory")
        if context.workload.get("type") == "inference" and size < (free or _GIB) // 4:
            description = "a server loads its weights again at each start, and they fit into memory"
            return (Hint("cache_strategy", description, 100, {"eviction_policy": "pinned"}),)
        if free is not None and size > free // 2:
            description = f"weights of {size} bytes would push all else out of {free} free bytes"
            parameters = {"chunk_size": "16MiB", "parallel_streams": 4}
            return (Hint("loading_strategy", description, 100, parameters),)
        return ()
