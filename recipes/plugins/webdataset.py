"""WebDataset: samples in tar shards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from recipes.plugins.formats import FormatPlugin

__all__ = ["WebDataset"]


class WebDataset(FormatPlugin):
    """Tar shards, each read once per epoch from front to back."""

    name = "webdataset"
    summary = "tar shards of samples"
    # A tar that only its name tells may hold anything.
    formats: ClassVar[Mapping[str, float]] = {"tar": 0.4}
