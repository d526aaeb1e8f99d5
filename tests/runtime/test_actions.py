"""stream, prioritize and retention on real mounts, counted at an emulated source."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from real_mounts import MIB, Mounts, plan, wait_until

from mlopt_engine.errors import MissingPrerequisiteError
from runtime import emulator
from runtime.emulator import Emulator, EmulatorSpec
from runtime.session import Mount

pytestmark = pytest.mark.fuse


def rule(glob: str, order: int, **actions: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"r{order}",
        "priority": 50,
        "order": order,
        "match": "all",
        "origin": {"layer": "custom", "file": "test", "line": 1},
        "conditions": [{"fact": "file.path", "op": "glob", "value": glob, "weight": 1.0, "required": False}],
        "actions": [{"type": kind, "parameters": parameters} for kind, parameters in actions.items()],
    }


@contextmanager
def slow(tmp_path: Path, latency_ms: int) -> Iterator[tuple[Path, Emulator]]:
    """A source whose every request takes a while, however many come at once."""
    below, place = tmp_path / "below", tmp_path / "slow"
    below.mkdir()
    place.mkdir()
    (below / "large").write_bytes(os.urandom(24 * MIB))
    (below / "free").write_bytes(os.urandom(2 * MIB))
    spec = EmulatorSpec(latency_ms * 1_000_000, None, 256, jitter=0)
    try:
        running = emulator.start(below, place, spec)
    except MissingPrerequisiteError as error:
        pytest.skip(str(error))
    with running:
        yield place, running


def reads(storage: Emulator) -> list[dict[str, Any]]:
    return [entry for entry in storage.log() if entry["operation"] == "read"]


def served(storage: Emulator) -> int:
    """Bytes that the source sent so far."""
    return int(storage.status()["operations"]["read"]["bytes"])


def most_bytes_under_way(storage: Emulator) -> int:
    """The largest sum of the bytes of reads that the source had at one time."""
    steps = [(entry["arrival_ns"], entry["bytes"]) for entry in reads(storage)]
    steps += [(entry["done_ns"], -entry["bytes"]) for entry in reads(storage)]
    return max(itertools.accumulate(change for _, change in sorted(steps)))


def read_in_order(mount: Mount, name: str) -> bytes:
    with (mount.mountpoint / name).open("rb", buffering=0) as file:
        return b"".join(iter(lambda: file.read(MIB // 4), b""))


@pytest.mark.parametrize("streams", [1, 6])
def test_a_stream_has_its_number_of_blocks_under_way_at_the_source(tmp_path: Path, streams: int) -> None:
    stream = {"chunk_bytes": MIB, "streams": streams, "drop_behind": True}
    with slow(tmp_path, 40) as (place, storage), ExitStack() as stack:
        mount = Mounts(tmp_path, stack)(
            place, plan(memory_bytes=64 * MIB, rules=[rule("**", 0, stream=stream)])
        )
        storage.reset()
        assert read_in_order(mount, "large") == (place.parent / "below" / "large").read_bytes()
        peak = most_bytes_under_way(storage) / MIB
        # the kernel's own read-ahead asks for up to two more blocks, which are demand
        assert streams - 0.5 <= peak <= streams + 2, peak
        assert sum(entry["bytes"] for entry in reads(storage)) == 24 * MIB


def test_a_limit_is_kept_at_the_source_and_other_files_do_not_wait_for_it(tmp_path: Path) -> None:
    rate = 8 * MIB
    limited = rule("large", 0, prioritize={"limit_bytes_per_s": rate}, stream={"streams": 4})
    with slow(tmp_path, 2) as (place, storage), ExitStack() as stack:
        mount = Mounts(tmp_path, stack)(place, plan(memory_bytes=64 * MIB, rules=[limited]))
        storage.reset()
        began = time.monotonic()
        samples = 0
        with ThreadPoolExecutor(2) as pool:
            reader = pool.submit(read_in_order, mount, "large")
            wait_until(lambda: served(storage) > 2 * MIB)
            other = pool.submit(read_in_order, mount, "free")
            was_first = False
            while not reader.done():
                # the clock is read after the count, so that no delay can make the source look too fast
                count, elapsed = served(storage), time.monotonic() - began
                assert count - 2 * MIB <= rate * (elapsed + 0.125) + MIB
                samples += 1
                was_first |= other.done() and not reader.done()
                time.sleep(0.02)
            assert reader.result() == (place.parent / "below" / "large").read_bytes()
            assert other.result() == (place.parent / "below" / "free").read_bytes()
        assert samples > 10
        assert was_first, "2 MiB without a limit came behind 24 MiB at 8 MiB/s"
        assert served(storage) == 26 * MIB


def test_a_block_leaves_the_mount_when_its_retention_is_over(source: Path, mounts: Mounts) -> None:
    keep = {"policy": "pinned", "retention_ns": 300_000_000, "immutable": True}
    mount = mounts(source, plan(kernel_share=1.0, rules=[rule("folder/**", 0, cache=keep)]))
    path = mount.mountpoint / "folder" / "file03"
    began = time.monotonic()
    assert path.read_bytes() == (source / "folder" / "file03").read_bytes()
    before = mount.status()["stats"]["source_read_bytes"]
    # nobody reads: the mount lets go by itself
    wait_until(lambda: mount.status()["stats"]["kernel_bytes"] == 0)
    assert time.monotonic() - began >= 0.3
    assert path.read_bytes() == (source / "folder" / "file03").read_bytes()
    assert mount.status()["stats"]["source_read_bytes"] == before + 110_000


def test_two_readers_of_one_block_cause_one_source_request(source: Path, mounts: Mounts) -> None:
    lower = mounts(source)
    upper = mounts(
        lower.mountpoint, plan(staleness_s=3600, rules=[rule("**", 0, coordinate={"single_flight": True})])
    )
    seen = upper.mountpoint / "folder" / "file02"
    assert seen.stat().st_size == 110_000
    before = upper.status()["stats"]["source_read_requests"]
    os.kill(lower.pid, signal.SIGSTOP)  # so that both wait for the same fetch
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", f"import os; os.pread(os.open({str(seen)!r}, 0), 4096, {offset})"]
        )
        for offset in (0, 65536)
    ]
    try:
        wait_until(lambda: upper.status()["stats"]["pending_reads"] >= 2)
    finally:
        os.kill(lower.pid, signal.SIGCONT)
    assert [reader.wait(30) for reader in readers] == [0, 0]
    assert upper.status()["stats"]["source_read_requests"] == before + 1


def test_of_a_file_that_no_action_treats_just_what_is_read_comes_from_the_source(
    tmp_path: Path, mounts: Mounts
) -> None:
    data = os.urandom(24 * MIB)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "large").write_bytes(data)
    mount = mounts(tmp_path / "source", plan())
    handle = os.open(mount.mountpoint / "large", os.O_RDONLY)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_RANDOM)  # no read-ahead
    offsets = random.Random(7).sample(range(0, 24 * MIB, 16384), 40)
    for offset in offsets:
        assert os.pread(handle, 8192, offset) == data[offset : offset + 8192]
    os.close(handle)
    stats = mount.status()["stats"]
    assert stats["core"]["fetched_demand"] == {"count": 40, "bytes": 40 * 8192}
    assert (stats["source_read_requests"], stats["source_read_bytes"]) == (40, 40 * 8192)
    assert (stats["daemon_bytes"], stats["broken_promises"]) == (0, 0)
