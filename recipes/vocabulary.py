"""What conditions may name: the properties of recipes and the engine's facts behind them."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any, Literal

from mlopt_engine import rule_vocabulary

__all__ = ["CONDITION_TYPES", "Fact", "Vocabulary", "vocabulary"]

_FILE = {
    "path": "file.path",
    "name": "file.name",
    "name_pattern": "file.name",
    "extension": "file.extension",
    "size": "file.size",
    "type": "file.type",
    "mime_type": "file.mime_type",
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
}
_SYSTEM = {
    "gpu": "system.gpu_count",
    "gpu_count": "system.gpu_count",
    "gpu_memory": "system.gpu_memory",
    "memory": "system.available_memory",
    "available_memory": "system.available_memory",
    "bandwidth": "system.network_bandwidth",
    "network_bandwidth": "system.network_bandwidth",
    "iops": "system.storage_iops",
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
    source : str
        ``file``, ``live`` or ``unmeasured``.
    summary : str
        One sentence, with the unit.
    """

    name: str
    kind: Literal["text", "word", "number"]
    source: Literal["file", "live", "unmeasured"]
    summary: str

    @property
    def is_size(self) -> bool:
        """Whether its values are bytes, so that ``64MiB`` may be written."""
        return "[bytes]" in self.summary


@dataclass(frozen=True)
class Vocabulary:
    """Facts, operators and words that the engine knows.

    Attributes
    ----------
    facts : dict of str to Fact
        By name.
    operators : dict of str to dict
        By name: what each compares, the shape of its value, a summary.
    words : dict of str to tuple of str
        The values that a word fact can take, where they are a closed set.
    """

    facts: dict[str, Fact]
    operators: dict[str, dict[str, Any]]
    words: dict[str, tuple[str, ...]]


@functools.cache
def vocabulary() -> Vocabulary:
    """Ask the engine what it knows.

    Returns
    -------
    Vocabulary
        The same object each time.
    """
    listed = json.loads(rule_vocabulary())
    facts = (
        Fact(**{key: fact[key] for key in ("name", "kind", "source", "summary")}) for fact in listed["facts"]
    )
    return Vocabulary(
        facts={fact.name: fact for fact in facts},
        operators={operator["name"]: operator for operator in listed["operators"]},
        words={
            "file.type": tuple(listed["file_types"]),
            "access.pattern": tuple(listed["access_patterns"]),
        },
    )
