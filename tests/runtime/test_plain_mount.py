"""A recipe whose rules never match costs what a mount without rules costs: the same bytes and calls."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from real_mounts import MIB, Mounts, plan

pytestmark = pytest.mark.fuse

NEVER = {
    "id": "never",
    "priority": 1,
    "order": 0,
    "match": "all",
    "origin": {"layer": "custom", "file": "t", "line": 1},
    "conditions": [
        {"fact": "file.extension", "op": "equals", "value": "pth", "weight": 1.0, "required": False},
        {"fact": "access.pattern", "op": "equals", "value": "random", "weight": 1.0, "required": True},
    ],
    "actions": [
        {"type": "cache", "parameters": {"policy": "pinned", "lock": True}},
        {"type": "prefetch", "parameters": {"mode": "whole_file"}},
        {"type": "stream", "parameters": {}},
        {"type": "prioritize", "parameters": {"class": "realtime"}},
    ],
}


# The warden walks the tree while the mount starts: who of the two asks for a name first is a matter of luck,
# and so is how much was under way at the same time.
BY_CHANCE = {"getattr_messages", "readdirplus_messages", "source_metadata_requests", "peak_bytes"}


def job(root: Path) -> dict[str, bytes]:
    """Read every file twice, in parts and whole, one call after the other."""
    found = {}
    for _ in range(2):
        for path in sorted(each for each in root.rglob("*") if each.is_file()):
            handle = os.open(path, os.O_RDONLY)
            parts = [os.pread(handle, 4096, offset) for offset in range(0, path.stat().st_size, MIB)]
            os.close(handle)
            found[str(path.relative_to(root))] = path.read_bytes() + b"".join(parts)
    return found


def test_where_no_rule_matches_bytes_and_calls_are_those_of_a_plain_mount(
    source: Path, mounts: Mounts
) -> None:
    seen: list[tuple[dict[str, bytes], dict[str, Any]]] = []
    for rules in ([], [NEVER]):
        mount = mounts(source, plan(rules=rules))
        found = job(mount.mountpoint)
        seen.append((found, mount.status()["stats"]))
    (plain, without), (ruled, under_rule) = seen
    assert plain == ruled == job(source)
    counts = [
        {name: value for name, value in (stats | stats["core"]).items() if name not in BY_CHANCE | {"core"}}
        for stats in (without, under_rule)
    ]
    assert counts[0] == counts[1]
    assert {"source_read_requests", "read_messages", "lookup_messages", "fetched_demand"} <= counts[0].keys()
    assert without["source_read_requests"] > 20
