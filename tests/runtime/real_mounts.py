"""Helpers of the tests with real mounts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime import session
from runtime.session import Mount, MountOptions

MIB = 1 << 20


def plan(
    *,
    memory_bytes: int = 64 * MIB,
    kernel_share: float = 0.8,
    staleness_s: float = 60,
    observe: str = "none",
    rules: Sequence[dict[str, Any]] = (),
) -> str:
    """Write a compiled recipe by hand: these tests must not depend on the recipe language."""
    return json.dumps(
        {
            "version": 1,
            "seed": 7,
            "block_bytes": MIB,
            "observe": observe,
            "staleness_ns": int(staleness_s * 1e9),
            "threshold": 0.5,
            "max_rules": 5,
            "tiers": {
                "memory": {"bytes": memory_bytes, "kernel_share": kernel_share},
                "disk": {"bytes": 0, "dir_required": False},
            },
            "rules": list(rules),
        }
    )


@dataclass
class Mounts:
    """Makes mounts that end with the test."""

    tmp_path: Path
    stack: ExitStack

    def __call__(
        self, source: Path, plan_json: str | None = None, options: MountOptions | None = None
    ) -> Mount:
        place = self.tmp_path / f"mnt{len(list(self.tmp_path.glob('mnt*')))}"
        place.mkdir()
        return self.stack.enter_context(session.mounted(source, place, plan_json or plan(), options))


def wait_until(condition: Callable[[], bool], within_s: float = 10) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)
