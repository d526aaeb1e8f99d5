"""Shuffled epochs behind a mount that stages half of the data (k = .5) with ``epoch_set`` and pins nothing.

Run as ``python -m benchmarks.epoch_set``. The source is the emulator; one reader with a little work between
reads, so that the source has bandwidth to spare: then theory promises k (1 + ln(1 / k)) = .85 of the reads
without a wait, where every demand policy is bound by k = .50. Each read of a staged file is one message, so
nothing is estimated; a read waits when it finds nothing (source) or a fetch under way (late).
"""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.small_files import commit, machine, settle, stats
from runtime import emulator, session
from runtime.session import Mount

RESULT = Path(__file__).parent / "results" / "epoch_set.json"
FILES = 1000
FILE_BYTES = 100_000
INODE_BYTES = 2048
STAGED_SHARE = 0.5
EPOCHS = 6
#: Work of the reader for each file: it asks for 33 MB/s of the source's 60.
WORK_S = 0.003
SPEC = emulator.EmulatorSpec(latency_ns=5_000_000, bandwidth=60e6, concurrency=16)
READER = r"""
import os, random, sys, time
root, seed, work = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
names = sorted(os.listdir(root))
random.Random(seed).shuffle(names)
for name in names:
    descriptor = os.open(os.path.join(root, name), os.O_RDONLY)
    while os.read(descriptor, 1 << 20):
        pass
    os.close(descriptor)
    end = time.perf_counter() + work
    while time.perf_counter() < end:
        pass
"""


def main() -> None:
    """Measure, print and keep the figures."""
    with tempfile.TemporaryDirectory(prefix="mlopt-epoch-set-") as folder:
        figures = measure(Path(folder))
    result = {"name": "epoch_set", "figures": figures, "machine": machine(), "commit": commit()}
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def measure(folder: Path) -> dict[str, Any]:
    """Read all epochs through the mount; the first is cold and does not count."""
    data, slow, fast = (folder / name for name in ("data", "slow", "fast"))
    for place in (data, slow, fast):
        place.mkdir()
    content = random.Random(7).randbytes(FILE_BYTES + FILES)
    for index in range(FILES):
        (data / f"{index:05}.bin").write_bytes(content[index : index + FILE_BYTES])
    # Readers' copies of what is under way come on top of what is staged; two blocks are always in passing.
    budget = int(STAGED_SHARE * FILES * FILE_BYTES) + FILES * INODE_BYTES + (2 << 20)
    with emulator.start(data, slow, SPEC), session.mounted(slow, fast, plan(budget)) as mount:
        epochs = [epoch(mount, seed) for seed in range(EPOCHS)]
    steady = epochs[1:]
    expected = STAGED_SHARE * (1 + math.log(1 / STAGED_SHARE))
    return {
        "files": FILES,
        "file_bytes": FILE_BYTES,
        "staged_share": STAGED_SHARE,
        "served_without_wait_ratio": statistics.median(each["served_without_wait_ratio"] for each in steady),
        "expected_ratio": expected,
        "source_bytes_per_epoch_ratio": statistics.median(each["source_bytes_ratio"] for each in steady),
        "epochs": epochs,
    }


def epoch(mount: Mount, seed: int) -> dict[str, Any]:
    """Read every file once in a new order and count how the reads were served."""
    before = stats(mount)
    begun = time.perf_counter()
    command = [sys.executable, "-c", READER, str(mount.mountpoint), str(seed), str(WORK_S)]
    subprocess.run(command, check=True, env=os.environ)
    seconds = time.perf_counter() - begun
    after = stats(mount)
    settle(mount)

    def counted(name: str) -> int:
        return int(after[name]) - int(before[name])

    waited = counted("served_source_reads") + counted("served_late_reads")
    ready = counted("served_prefetched_reads") + counted("served_resident_reads")
    return {
        "seconds": seconds,
        "reads": waited + ready,
        "served_without_wait_ratio": ready / (waited + ready),
        "source_bytes_ratio": counted("source_read_bytes") / (FILES * FILE_BYTES),
    }


def plan(memory_bytes: int) -> str:
    """Write a plan that stages every file and keeps none."""
    rule = {
        "id": "stage",
        "priority": 50,
        "order": 0,
        "match": "all",
        "origin": {"layer": "custom", "file": "benchmark", "line": 1},
        "conditions": [{"fact": "file.path", "op": "glob", "value": "**", "weight": 1.0, "required": False}],
        "actions": [{"type": "prefetch", "parameters": {"mode": "epoch_set", "share": 1.0, "depth": 16}}],
    }
    memory = {"bytes": memory_bytes, "kernel_share": 0.0}
    return json.dumps(
        {
            "version": 1,
            "seed": 7,
            "block_bytes": 1 << 20,
            "observe": "none",
            "staleness_ns": 10**15,
            "threshold": 0.5,
            "max_rules": 5,
            "tiers": {"memory": memory, "disk": {"bytes": 0, "dir_required": False}},
            "rules": [rule],
        }
    )


if __name__ == "__main__":
    main()
