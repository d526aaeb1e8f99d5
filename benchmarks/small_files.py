"""Small files through the mount against the source itself: warm, first read after a push, expired, pinned.

Run as ``python -m benchmarks.small_files``. Readers are processes of their own that read into a page-aligned
buffer by os.open and os.readv (an unaligned one copies at a quarter of the speed and says nothing), or by
Python's open(). Native and mount take turns; each figure is the median of the rounds.

Why warm is not native's speed: the kernel's FUSE code opens and closes in 4.0 us where ext4 takes 2.6
(``opened_only``); 1 % of the files are sentinels, whose last page costs a READ of 90 us
(``all_but_last_page`` is without them); and a page of a pushed file has fewer neighbours in memory
(``runs_of_pages_per_file``): each gap costs 0.3 us, whether folios are large or of 4 KiB.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import mmap
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mlopt_engine import _native
from runtime import session
from runtime.session import Mount, MountOptions

RESULT = Path(__file__).parent / "results" / "small_files.json"
FILE_BYTES = 110_000
INODE_BYTES = 2048
#: The frame number in an entry of /proc/self/pagemap.
FRAME = (1 << 55) - 1
ROUNDS = 5
STALENESS_S = 1.0
TIGHT_GROUP_BYTES = 16 << 20

READER = r"""
import mmap, os, random, sys, time
root, count, seed, how, start = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
if start:
    with open(start, "w") as group:
        group.write(str(os.getpid()))
names = [os.path.join(root, f"{index // 100:03}", f"{index:05}") for index in range(count)]
random.Random(seed).shuffle(names)
buffer = mmap.mmap(-1, 1 << 20)
begin = time.perf_counter()
if how in ("os.open", "all_but_last_page"):
    wanted = memoryview(buffer)[: int(sys.argv[6]) // 4096 * 4096] if how != "os.open" else buffer
    for name in names:
        fd = os.open(name, os.O_RDONLY)
        os.readv(fd, [wanted])
        os.close(fd)
elif how == "opened_only":
    for name in names:
        os.close(os.open(name, os.O_RDONLY))
else:
    for name in names:
        with open(name, "rb") as file:
            file.readinto(buffer)
print(time.perf_counter() - begin)
"""


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("-o", "--output", type=Path, default=RESULT)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mlopt-small-files-"))
    try:
        figures = measure(folder, arguments.files)
    finally:
        shutil.rmtree(folder)
    result = {"name": "small_files", "figures": figures, "machine": machine(), "commit": commit()}
    arguments.output.parent.mkdir(exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def measure(folder: Path, count: int) -> dict[str, Any]:
    """Take every figure."""
    source, place = folder / "source", folder / "mount"
    place.mkdir()
    make_files(source, count)
    figures: dict[str, Any] = {"files": count, "file_bytes": FILE_BYTES}
    whole = int(1.3 * count * (FILE_BYTES + INODE_BYTES)) + (8 << 20)
    warm(source, count)
    with mounted(source, place, plan(whole, immutable=True)) as mount:
        figures |= immutable(mount, source, count)
    with mounted(source, place, plan(whole, immutable=False, staleness_s=STALENESS_S)) as mount:
        figures["expired"] = expired(mount, source, count)
    if shutil.which("bindfs"):
        figures["bindfs"] = bindfs(source, place, count)
    half = count * FILE_BYTES // 2 + count * INODE_BYTES + (3 << 20)
    for name, group_bytes in (("pinned_half", None), ("pinned_half_tight_reader", TIGHT_GROUP_BYTES)):
        with mounted(source, place, plan(half, immutable=True)) as mount:
            figures[name] = pinned(mount, count, group_bytes)
    return figures


def immutable(mount: Mount, source: Path, count: int) -> dict[str, Any]:
    """Pushed files read for the first time, then again; by os.open and open(), with and without the shim."""
    place = mount.mountpoint
    read(place, count, seed=0)  # brings every file in; each is pushed back, charged to the daemon
    settle(mount)
    filled = stats(mount)["fills"]
    # The first native read after a pause takes twice the time of the next ones and says nothing.
    native = [read(source, count, seed) for seed in range(1 + ROUNDS)][1:]
    first = counted(mount, lambda: ratio([(statistics.median(native), read(place, count, seed=1))]))
    again = counted(mount, lambda: in_turns(source, place, count) | {"rounds": ROUNDS})
    # What warm is made of: sentinels (files whose last page is left out), opening, pages that lie apart.
    again["all_but_last_page"] = in_turns(source, place, count, how="all_but_last_page")
    again["opened_only"] = in_turns(source, place, count, how="opened_only")
    again["runs_of_pages_per_file"] = {"native": page_runs(source, count), "mount": page_runs(place, count)}
    opened: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        shim = Path(name) / "isatty.so"
        shim.write_bytes(_native.isatty_shim())
        for label, preload in (("open", None), ("open_with_shim", shim)):

            def rounds(preload: Path | None = preload) -> dict[str, Any]:
                return in_turns(source, place, count, how="open", preload=preload)

            opened[label] = counted(mount, rounds)
    return {"filled": filled, "first_read_after_push": first, "warm": again} | opened


def expired(mount: Mount, source: Path, count: int) -> dict[str, Any]:
    """Read held files again when each name and attribute has expired."""
    read(mount.mountpoint, count, seed=0)
    settle(mount)
    pairs = []

    def rounds() -> dict[str, Any]:
        for seed in range(1, 1 + ROUNDS):
            time.sleep(STALENESS_S + 0.5)  # the pause is what is measured, not a wait for something
            pairs.append((read(source, count, seed), read(mount.mountpoint, count, seed)))
        return ratio(pairs)

    return {"staleness_s": STALENESS_S, "pause_s": STALENESS_S + 0.5} | counted(mount, rounds)


def bindfs(source: Path, place: Path, count: int) -> dict[str, Any]:
    """Measure the best-known pass-through beside it, with its page cache and long timeouts."""
    options = "ro,kernel_cache,entry_timeout=3600,attr_timeout=3600,negative_timeout=3600"
    subprocess.run(["bindfs", "-o", options, str(source), str(place)], check=True)
    try:
        first = ratio([(read(source, count, seed=1), read(place, count, seed=1))])
        pairs = [(read(source, count, seed), read(place, count, seed)) for seed in range(2, 2 + ROUNDS)]
        return {"first": first, "warm": ratio(pairs), "options": options}
    finally:
        subprocess.run(["umount", str(place)], check=True)


def pinned(mount: Mount, count: int, group_bytes: int | None) -> dict[str, Any]:
    """Shuffled epochs with room for half: what the source is asked for from the second epoch on."""
    epochs = []
    with memory_group(group_bytes) as group:
        for seed in range(4):
            before = stats(mount)
            seconds = read(mount.mountpoint, count, seed, group=group)
            settle(mount)
            after = stats(mount)
            fetched = after["source_read_bytes"] - before["source_read_bytes"]
            epochs.append({"seconds": seconds, "hit_ratio": 1 - fetched / (count * FILE_BYTES)})
    held = stats(mount)
    share = held["core"]["silent_blocks"] / count
    return {
        "held_share": share,
        "hit_ratio": statistics.median(epoch["hit_ratio"] for epoch in epochs[1:]),
        "hit_ratio_per_held_share": statistics.median(epoch["hit_ratio"] for epoch in epochs[1:]) / share,
        "epochs": epochs,
        "reader_group_bytes": group_bytes if group else None,
        "lost_blocks": held["lost_blocks"],
        "peak_bytes": held["peak_bytes"],
        "budget_bytes": held["budget_bytes"],
    }


def in_turns(source: Path, place: Path, count: int, **how: Any) -> dict[str, Any]:
    """Read natively and through the mount, in turns."""
    seeds = range(2, 2 + ROUNDS)
    return ratio([(read(source, count, seed, **how), read(place, count, seed, **how)) for seed in seeds])


def page_runs(root: Path, count: int) -> float | None:
    """Count the runs of neighbouring physical pages per file; None where only root may see that."""
    if os.geteuid() != 0:
        return None
    files, runs = range(0, count, 10), 0
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
        for index in files:
            with (root / f"{index // 100:03}" / f"{index:05}").open("rb") as file:
                frames = _frames(file.fileno(), pagemap)
            runs += 1 + sum(second != first + 1 for first, second in itertools.pairwise(frames))
    return runs / len(files)


def _frames(fd: int, pagemap: io.RawIOBase) -> list[int]:
    with mmap.mmap(fd, FILE_BYTES, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED) as mapped:
        for offset in range(0, FILE_BYTES, mmap.PAGESIZE):
            _ = mapped[offset]  # a page that was not touched has no entry
        array = np.frombuffer(mapped, dtype=np.uint8)
        address = int(array.ctypes.data)
        del array  # it would keep the mapping from closing
        pages = -(-FILE_BYTES // mmap.PAGESIZE)
        pagemap.seek(address // mmap.PAGESIZE * 8)
        entries = np.frombuffer(pagemap.read(pages * 8) or b"", dtype=np.uint64)
    return [int(entry) & FRAME for entry in entries]


def ratio(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    """Compare native and mounted seconds that were taken in turns."""
    return {
        "ratio": statistics.median(native / mounted for native, mounted in pairs),
        "native_s": statistics.median(native for native, _ in pairs),
        "mount_s": statistics.median(mounted for _, mounted in pairs),
    }


def counted(mount: Mount, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do some work and count the messages that it cost."""
    before = stats(mount)
    found = work()
    after = stats(mount)
    names = ("read_messages", "lookup_messages", "getattr_messages", "open_messages", "ioctl_messages")
    return found | {name: after[name] - before[name] for name in names}


def read(
    root: Path,
    count: int,
    seed: int,
    *,
    how: str = "os.open",
    preload: Path | None = None,
    group: Path | None = None,
) -> float:
    """Read every file once in a shuffled order, in a process of its own."""
    environment = dict(os.environ) | ({"LD_PRELOAD": str(preload)} if preload else {})
    members = str(group / "cgroup.procs") if group else ""
    command = [sys.executable, "-c", READER, str(root), str(count), str(seed), how, members, str(FILE_BYTES)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout)


def make_files(source: Path, count: int) -> None:
    """Make the files in folders of a hundred, from a seed."""
    content = random.Random(7).randbytes(FILE_BYTES + count)
    for index in range(count):
        path = source / f"{index // 100:03}" / f"{index:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content[index : index + FILE_BYTES])
    os.sync()


def warm(source: Path, count: int) -> None:
    """Bring the source into the page cache, so that native is the page cache's own speed."""
    for seed in range(2):
        read(source, count, seed)


def plan(memory_bytes: int, *, immutable: bool, staleness_s: float = 60) -> str:
    """Write a plan that pins every file."""
    cache = {"policy": "pinned", "share": 1.0, "immutable": immutable, "lock": True}
    rule = {
        "id": "pin",
        "priority": 50,
        "order": 0,
        "match": "all",
        "origin": {"layer": "custom", "file": "benchmark", "line": 1},
        "conditions": [{"fact": "file.path", "op": "glob", "value": "**", "weight": 1.0, "required": False}],
        "actions": [{"type": "cache", "parameters": cache}],
    }
    return json.dumps(
        {
            "version": 1,
            "seed": 7,
            "block_bytes": 1 << 20,
            "observe": "none",
            "staleness_ns": int(staleness_s * 1e9),
            "threshold": 0.5,
            "max_rules": 5,
            "tiers": {
                "memory": {"bytes": memory_bytes, "kernel_share": 1.0},
                "disk": {"bytes": 0, "dir_required": False},
            },
            "rules": [rule],
        }
    )


@contextmanager
def mounted(source: Path, place: Path, plan_json: str) -> Iterator[Mount]:
    """Mount for the length of a block."""
    with session.mounted(source, place, plan_json, MountOptions(sweep_s=2)) as mount:
        yield mount


@contextmanager
def memory_group(limit_bytes: int | None) -> Iterator[Path | None]:
    """Make a memory cgroup, v1 or v2; None where none is asked for or can be made."""
    group = _make_group(limit_bytes) if limit_bytes else None
    try:
        yield group
    finally:
        if group:
            group.rmdir()


def _make_group(limit_bytes: int) -> Path | None:
    for root, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = root / f"mlopt-benchmark-{os.getpid()}"
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


def stats(mount: Mount) -> dict[str, Any]:
    """Ask the mount for its counters."""
    found: dict[str, Any] = mount.status()["stats"]
    return found


def settle(mount: Mount) -> None:
    """Wait until nothing is under way any more."""
    quiet = ("pending_reads", "pending_fetches", "pending_orders", "pending_drops")
    deadline = time.monotonic() + 30
    while any(stats(mount)[name] for name in quiet):
        if time.monotonic() > deadline:
            raise TimeoutError("the mount does not come to rest")
        time.sleep(0.02)


def machine() -> dict[str, Any]:
    """Describe where the figures were taken."""
    return {
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_1min": os.getloadavg()[0],
    }


def commit() -> str:
    """Name the commit."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
