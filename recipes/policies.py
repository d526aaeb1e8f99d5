"""Cache policies that recipes may name, and which part of the memory tier each needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlopt_engine import registry

__all__ = ["POLICIES", "Policy"]


@dataclass(frozen=True)
class Policy:
    """What a recipe must know of a policy.

    Attributes
    ----------
    part : str
        ``kernel``: held pages are read silently; ``daemon``: each read is a message.
    simulation_only : bool
        Needs the future.
    """

    part: Literal["kernel", "daemon"]
    simulation_only: bool = False


# Where each policy's blocks live is what it must see: without seeing hits, pages can be held in the kernel.
POLICIES: dict[str, Policy] = {
    str(entry["name"]): Policy(
        part="kernel" if entry["needs"] == "misses" else "daemon", simulation_only=entry["simulation_only"]
    )
    for entry in registry()["policies"]
}
