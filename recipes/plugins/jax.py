"""JAX: Orbax checkpoints, ArrayRecord, TFRecord and Zarr as JAX programs read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

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
