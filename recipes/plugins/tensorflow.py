"""TensorFlow: SavedModels, checkpoints, TFLite, Keras, TFRecord."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from recipes.plugins.base import Context, Hint
from recipes.plugins.formats import FormatPlugin

__all__ = ["TensorFlow"]


class TensorFlow(FormatPlugin):
    """SavedModels, checkpoints and TFRecord shards."""

    name = "tensorflow"
    summary = "SavedModel, checkpoints, Keras, TFLite, TFRecord shards"

    # HDF5 is also a data set of physicists, .ckpt also Lightning's; the numbers are the ancestor's.
    contested: ClassVar[Mapping[str, float]] = {
        "saved_model": 0.9,
        "hdf5": 0.8,
        "tensorflow_checkpoint": 0.75,
    }

    def hints(self, context: Context) -> Sequence[Hint]:
        """Advise on SavedModels and records.

        Parameters
        ----------
        context : Context
            Uses the format of the files and the kind of workload.

        Returns
        -------
        sequence of Hint
            What fits.
        """
        file_format = context.file.get("format")
        if file_format == "tfrecord":
            description = "a record file is read from front to back in large pieces"
            return (Hint("tfrecord_optimization", description, 100, {"buffer_size": "8MiB"}),)
        if file_format == "saved_model" and context.workload.get("type") == "inference":
            description = "each worker of a server loads the same graph"
            return (Hint("savedmodel_optimization", description, 100, {"eviction_policy": "pinned"}),)
        return ()
