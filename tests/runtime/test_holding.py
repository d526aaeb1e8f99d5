"""What a mount holds: pages in the kernel under the warden, bytes in the daemon, all within the budget."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from real_mounts import MIB, Mounts, plan, wait_until

from mlopt_engine import _native
from runtime.session import Mount, MountOptions

pytestmark = pytest.mark.fuse

FILES = 60
FILE_BYTES = 110_000
INODE_BYTES = 2048


@pytest.fixture
def many(tmp_path: Path) -> Path:
    root = tmp_path / "many"
    root.mkdir()
    for index in range(FILES):
        (root / f"{index:03}").write_bytes(os.urandom(FILE_BYTES))
    return root


def rule(**actions: dict[str, Any]) -> dict[str, Any]:
    """One rule that treats every file."""
    return {
        "id": "all",
        "priority": 50,
        "order": 0,
        "match": "all",
        "origin": {"layer": "custom", "file": "test", "line": 1},
        "conditions": [{"fact": "file.path", "op": "glob", "value": "**", "weight": 1.0, "required": False}],
        "actions": [{"type": kind, "parameters": parameters} for kind, parameters in actions.items()],
    }


def budget(share: float) -> int:
    """Room for a share of the files, their inodes and what is on its way."""
    return int(FILES * (share * FILE_BYTES + INODE_BYTES)) + 2 * MIB


def read_epoch(mount: Mount, source: Path, seed: int) -> None:
    """Read every file once, in an order of its own, and compare every byte."""
    names = sorted(path.name for path in source.iterdir())
    random.Random(seed).shuffle(names)
    for name in names:
        assert (mount.mountpoint / name).read_bytes() == (source / name).read_bytes()
    settle(mount)


def settle(mount: Mount) -> dict[str, Any]:
    """Wait until nothing is under way any more."""
    quiet = ("pending_reads", "pending_fetches", "pending_orders", "pending_drops")
    wait_until(lambda: not any(stats_of(mount)[name] for name in quiet))
    return stats_of(mount)


def stats_of(mount: Mount) -> dict[str, Any]:
    stats: dict[str, Any] = mount.status()["stats"]
    return stats


PINNED = {"policy": "pinned", "share": 1.0, "immutable": True, "lock": True}


def test_pinned_share_is_read_silently_from_the_second_epoch_on(many, mounts: Mounts):
    mount = mounts(many, plan(memory_bytes=budget(0.4), kernel_share=1.0, rules=[rule(cache=PINNED)]))
    read_epoch(mount, many, 0)
    first = stats_of(mount)
    assert first["source_read_requests"] == FILES
    assert first["fills"] >= 0.45 * FILES  # recharged: pages are the daemon's, not the reader's
    for epoch in (1, 2):
        before = stats_of(mount)
        read_epoch(mount, many, epoch)
        fetched = stats_of(mount)["source_read_requests"] - before["source_read_requests"]
        assert fetched <= FILES - first["fills"] + 1
        assert fetched >= 0.15 * FILES  # the budget is real: not everything stayed


def test_budget_is_never_exceeded(many, mounts: Mounts):
    room = budget(0.3)
    mount = mounts(many, plan(memory_bytes=room, kernel_share=1.0, rules=[rule(cache=PINNED)]))
    assert len(list(mount.mountpoint.iterdir())) == FILES  # each known file takes its share first
    for epoch in range(2):
        read_epoch(mount, many, epoch)
    stats = stats_of(mount)
    assert stats["budget_bytes"] == room
    # one block is let through where nothing fits, or nothing would move
    assert 0 < stats["peak_bytes"] <= room + FILE_BYTES
    held = sum(_native.cached_bytes(mount.mountpoint / path.name) for path in many.iterdir())
    assert 0 < held <= room


def test_immutable_files_that_are_held_cost_no_message_at_all(many, mounts: Mounts):
    mount = mounts(many, plan(memory_bytes=budget(2), kernel_share=1.0, rules=[rule(cache=PINNED)]))
    for epoch in range(2):
        read_epoch(mount, many, epoch)
    before = stats_of(mount)
    read_epoch(mount, many, 2)
    after = stats_of(mount)
    sentinels = after["core"]["sentinel_blocks"]
    assert after["read_messages"] - before["read_messages"] <= sentinels
    assert after["lookup_messages"] == before["lookup_messages"]
    assert after["source_read_bytes"] == before["source_read_bytes"]


def test_lru_serves_from_the_daemon_and_keeps_reads_visible(many, mounts: Mounts):
    cache = {"policy": "lru", "share": 1.0, "immutable": True}
    mount = mounts(many, plan(memory_bytes=budget(2), kernel_share=0.0, rules=[rule(cache=cache)]))
    for epoch in range(3):
        read_epoch(mount, many, epoch)
    stats = stats_of(mount)
    assert stats["source_read_requests"] == FILES
    assert stats["served_resident_reads"] >= 2 * FILES
    assert stats["fills"] == 0


def test_epoch_set_fetches_ahead_of_the_readers(many, mounts: Mounts):
    prefetch = {"mode": "epoch_set", "share": 1.0, "depth": 8}
    mount = mounts(many, plan(memory_bytes=budget(0.5), kernel_share=0.0, rules=[rule(prefetch=prefetch)]))
    for epoch in range(3):
        read_epoch(mount, many, epoch)
    stats = stats_of(mount)
    assert stats["served_prefetched_reads"] + stats["served_late_reads"] >= FILES


def test_pages_that_the_kernel_lost_are_found_and_put_back(many, mounts: Mounts):
    cache = PINNED | {"lock": False}
    options = MountOptions(sweep_s=0.2)
    mount = mounts(many, plan(memory_bytes=budget(2), kernel_share=1.0, rules=[rule(cache=cache)]), options)
    read_epoch(mount, many, 0)
    filled = stats_of(mount)["fills"]
    for path in many.iterdir():
        fd = os.open(mount.mountpoint / path.name, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # as memory pressure would
        os.close(fd)
    wait_until(lambda: stats_of(mount)["lost_blocks"] >= FILES // 2)
    wait_until(lambda: stats_of(mount)["fills"] >= filled + FILES // 2)
    settle(mount)
    read_epoch(mount, many, 1)


def test_held_pages_survive_a_reader_in_a_tight_memory_group(many, mounts: Mounts):
    mount = mounts(many, plan(memory_bytes=budget(2), kernel_share=1.0, rules=[rule(cache=PINNED)]))
    read_epoch(mount, many, 0)
    before = stats_of(mount)["source_read_requests"]
    with tight_memory_group(4 * MIB) as enter:
        child = os.fork()
        if child == 0:
            enter()
            for _ in range(2):
                for path in many.iterdir():
                    (mount.mountpoint / path.name).read_bytes()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert stats_of(mount)["source_read_requests"] == before


@contextmanager
def tight_memory_group(limit_bytes: int) -> Iterator[Callable[[], int]]:
    """Make a memory cgroup, v1 or v2; skip where none can be made."""
    group = _make_group(limit_bytes)
    if group is None:
        pytest.skip("no memory control group can be made here")
    members = group / "cgroup.procs"
    try:
        yield lambda: members.write_text(str(os.getpid()))
    finally:
        wait_until(lambda: not members.read_text().strip())
        group.rmdir()


def _make_group(limit_bytes: int) -> Path | None:
    for root, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = root / f"mlopt-test-{os.getpid()}-{time.monotonic_ns()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(limit_bytes))
        except OSError:
            group.rmdir()
            continue
        return group
    return None


def test_forgotten_version_is_news_for_the_core(many, mounts: Mounts):
    mount = mounts(many, plan(memory_bytes=budget(2), staleness_s=0))
    read_epoch(mount, many, 0)
    for path in many.iterdir():
        path.write_bytes(os.urandom(FILE_BYTES))
    read_epoch(mount, many, 1)
    wait_until(lambda: stats_of(mount)["forgotten_files"] >= FILES // 2)
    assert stats_of(mount)["changed_files"] == FILES
