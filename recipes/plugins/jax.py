"""JAX: Orbax checkpoints, ArrayRecord, TFRecord and Zarr as JAX programs read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from recipes.plugins.base import Context, Hint
from recipes.plugins.formats import FormatPlugin

__all__ = ["Jax"]


class Jax(FormatPlugin):
    """Orbax checkpoints and record files."""

    name = "jax"
    summary = "Orbax checkpoints, ArrayRecord, TFRecord, Zarr"
    # TFRecord is TensorFlow's format, yet most JAX data sets come in it; Flax once saved as msgpack.
    formats: ClassVar[Mapping[str, float]] = {
        "zarr": 0.4,
        "tfrecord": 0.3,
        "msgpack": 0.3,
        "npy": 0.1,
        "npz": 0.1,
    }

    def hints(self, context: Context) -> Sequence[Hint]:
        """Advise on ArrayRecord files.

        Parameters
        ----------
        context : Context
            Uses the format of the files.

        Returns
        -------
        sequence of Hint
            What fits.
        """
        if context.file.get("format") == "array_record":
            description = "Grain reads single records at random: fetching ahead in a file would be waste"
            return (Hint("reduce_prefetch", description, 60, {"mode": "none"}),)
        return ()
