"""Lightning: its checkpoints and logs, beside what PyTorch has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from recipes.plugins.formats import FormatPlugin

__all__ = ["Lightning"]


class Lightning(FormatPlugin):
    """Checkpoints named by epoch and step, ``hparams.yaml``; the rest is PyTorch's."""

    name = "lightning"
    summary = "checkpoints by epoch and step, hparams.yaml, and PyTorch's files"
    # A Lightning program is a PyTorch program: its other files speak for it a little.
    formats: ClassVar[Mapping[str, float]] = {"torch": 0.3, "torch_distributed": 0.3}
    builds_on = ("pytorch",)
