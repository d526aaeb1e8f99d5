"""What conditions may name: the properties of recipes and the engine's facts behind them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal

from mlopt_engine import registry
from recipes.quantities import parse_duration_ns, parse_size_bytes

__all__ = ["CONDITION_TYPES", "Fact", "Vocabulary", "vocabulary"]

NS_PER_S = 1_000_000_000

_FILE = {
    "path": "file.path",
    "name": "file.name",
    "name_pattern": "file.name",
    "extension": "file.extension",
    "size": "file.size",
    "type": "file.type",
    "format": "file.format",
    "framework": "file.framework",
    "mime_type": "file.mime_type",
    "age": "file.age",
}
_ACCESS = {
    "pattern": "access.pattern",
    "pattern_type": "access.pattern",
    "frequency": "access.frequency",
    "access_frequency": "access.frequency",
    "batch_size": "access.batch_size",
}
_WORKLOAD = {
    "type": "workload.type",
    "workload_type": "workload.type",
    "framework": "workload.framework",
    "phase": "workload.phase",
    "training_phase": "workload.phase",
    "batch_size": "workload.batch_size",
    "epoch": "workload.epoch",
    "epoch_number": "workload.epoch",
    "model_size": "workload.model_size",
    "dataset_size": "workload.dataset_size",
    "process_id": "workload.process_id",
    "rank": "workload.rank",
    "world_size": "workload.world_size",
    "workers": "workload.workers",
    "num_workers": "workload.workers",
}
_SYSTEM = {
    "gpu": "system.gpu_count",
    "gpu_count": "system.gpu_count",
    "gpu_memory": "system.gpu_memory",
    "cpu": "system.cpu_count",
    "cpu_count": "system.cpu_count",
    "memory": "system.available_memory",
    "available_memory": "system.available_memory",
    "total_memory": "system.total_memory",
    "memory_limit": "system.memory_limit",
    "bandwidth": "system.network_bandwidth",
    "network_bandwidth": "system.network_bandwidth",
    "iops": "system.storage_iops",
    "time": "system.time",
    "storage_iops": "system.storage_iops",
}

# Condition type -> property -> the engine's fact; `file_pattern` and `workload_type` are the ancestor's.
CONDITION_TYPES: dict[str, dict[str, str]] = {
    "file_context": _FILE,
    "file_pattern": _FILE,
    "access_pattern": _ACCESS,
    "workload_context": _WORKLOAD,
    "workload_type": _WORKLOAD,
    "system_context": _SYSTEM,
}


@dataclass(frozen=True)
class Fact:
    """A fact that the engine knows of.

    Attributes
    ----------
    name : str
        As ``file.size``.
    kind : str
        ``text``, ``word`` or ``number``.
    unit : str or None
        ``bytes``, ``s``, ``bytes/s``, ``1/s``, or ``1`` for a count; None for words.
    source : str
        ``file``, ``live``, ``job`` or ``host``.
    refresh : str
        When the value is taken anew.
    words : tuple of str
        The words that it can be; empty where it can be any.
    is_open : bool
        Whether people may hand in other words.
    summary : str
        One sentence.
    """

    name: str
    kind: Literal["text", "word", "number"]
    unit: str | None
    source: Literal["file", "live", "job", "host"]
    refresh: str
    words: tuple[str, ...]
    is_open: bool
    summary: str

    @property
    def is_size(self) -> bool:
        """Whether its values are bytes, so that ``64MiB`` may be written."""
        return self.unit == "bytes"

    def in_base_units(self, value: Any) -> Any:
        """Translate what a person wrote, as ``64MiB`` or ``1h``, to the fact's unit.

        Parameters
        ----------
        value : object
            A number, a text, or a list of them.

        Returns
        -------
        object
            Numbers where the fact has a unit that texts can be written in; otherwise the value itself.

        Raises
        ------
        ValueError
            When a text is no quantity of this kind.
        """
        if isinstance(value, list):
            return [self.in_base_units(item) for item in value]
        if not isinstance(value, str):
            return value
        if self.unit == "bytes":
            return parse_size_bytes(value)
        if self.unit == "bytes/s":
            return parse_size_bytes(value.strip().removesuffix("/s"))
        if self.unit == "s":
            seconds = parse_duration_ns(value) / NS_PER_S
            return int(seconds) if seconds.is_integer() else seconds
        return value


@dataclass(frozen=True)
class Vocabulary:
    """Facts, operators and words that the engine knows.

    Attributes
    ----------
    facts : dict of str to Fact
        By name.
    operators : dict of str to dict
        By name: what each compares, the shape of its value, a summary.
    """

    facts: dict[str, Fact]
    operators: dict[str, dict[str, Any]]


@functools.cache
def vocabulary() -> Vocabulary:
    """Ask the engine what it knows.

    Returns
    -------
    Vocabulary
        The same object each time.
    """
    listed = registry()
    facts = (Fact(**fact | {"words": tuple(fact["words"] or ())}) for fact in listed["facts"])
    return Vocabulary(
        facts={fact.name: fact for fact in facts},
        operators={operator["name"]: operator for operator in listed["operators"]},
    )
