"""What it takes to judge a tree of a million files: `mlopt test-rules` beside `find -printf '%s %p\\n'`.

Writes benchmarks/results/test_rules.json. The tree, empty files with sizes and names as data sets have them
(images by class, shards, tables, annotations, checkpoints), is made among the temporary files in 30 s and
removed at the end; `--keep` leaves it for the next run, which takes one that is there. All commands are whole
processes that write to nothing, in turns, so that a slow minute is every command's; medians
of wall time, with names and sizes in the kernel's memory as a first round leaves them. Peak memory is as the
kernel counts it; `one_file` is the same command on a tree of one file, which tells what a million add.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

RESULT = Path(__file__).parent / "results" / "test_rules.json"
FILES = 1_000_000
ROUNDS = 5
#: Share of the files, files of a folder, name and size of each kind.
KINDS = (
    (0.80, 1_300, "train/n{folder:08d}/n{folder:08d}_{file}.JPEG", 110_000),
    (0.05, 50_000, "val/{folder:03d}/ILSVRC2012_val_{file:08d}.JPEG", 110_000),
    (0.08, 1_000, "annotations/{folder:04d}/{file:06d}.json", 900),
    (0.03, 2_000, "features/part-{folder:02d}/chunk-{file:05d}.parquet", 4_000_000),
    (0.02, 5_000, "shards/shard-{folder:02d}-{file:06d}.tar", 300_000_000),
    (0.01, 500, "checkpoints/step-{folder:05d}/rank-{file:05d}.safetensors", 2_000_000_000),
    (0.01, 1_000, "logs/{folder:03d}/worker.{file}.log", 12_000),
)


def paths(count: int) -> Iterator[tuple[str, int]]:
    """Name so many files, each with its size."""
    for share, per_folder, name, size in KINDS:
        for number in range(round(share * count)):
            yield name.format(folder=number // per_folder, file=number), size + number % 1_000


def make(root: Path, count: int) -> None:
    """Make the tree, unless a whole one is there."""
    done = root.with_name(root.name + ".made")
    if done.exists():
        return
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    folder = ""
    for path, size in paths(count):
        if (parent := path.rpartition("/")[0]) != folder:
            (root / parent).mkdir(parents=True, exist_ok=True)
            folder = parent
        descriptor = os.open(f"{root}/{path}", os.O_CREAT | os.O_WRONLY)
        os.ftruncate(descriptor, size)  # no block is written
        os.close(descriptor)
    done.touch()


def run(command: list[str]) -> dict[str, float]:
    """Run a command to its end: wall and CPU seconds, peak memory."""
    start = time.monotonic()
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawnp(command[0], command, os.environ, file_actions=silent)
    _, status, usage = os.wait4(process, 0)
    if status != 0:
        raise RuntimeError(f"{command[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return {
        "wall_s": time.monotonic() - start,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }


def measure(root: Path, small: Path) -> dict[str, dict[str, float]]:
    """Measure each command in turns, after one round that only warms."""
    mlopt = [str(Path(sys.executable).with_name("mlopt")), "test-rules"]
    commands = {
        "find": ["find", str(root), "-printf", "%s %p\n"],
        "json": [*mlopt, str(root), "--json", "--limit", "100"],
        "plain": [*mlopt, str(root)],
        "one_file": [*mlopt, str(small)],
    }
    rounds = [{name: run(command) for name, command in commands.items()} for _ in range(1 + ROUNDS)][1:]
    figures = {
        name: {key: round(median(each[name][key] for each in rounds), 3) for key in rounds[0][name]}
        for name in commands
    }
    for name in ("json", "plain"):
        figures[name]["times_find"] = round(figures[name]["wall_s"] / figures["find"]["wall_s"], 3)
    return figures


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.test_rules", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the tree for the next run")
    options = parser.parse_args(arguments)
    root = Path(tempfile.gettempdir()) / f"mlopt-bench-tree-{FILES}"
    try:
        make(root, FILES)
        with tempfile.TemporaryDirectory() as small:
            (Path(small) / "one.jpg").touch()
            figures = measure(root, Path(small))
    finally:
        if not options.keep:
            root.with_name(root.name + ".made").unlink(missing_ok=True)
            shutil.rmtree(root, ignore_errors=True)
    document = {
        "name": "test_rules",
        "figures": {"files": FILES, **figures},
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}",
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
        ).stdout.strip(),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(document, indent=2) + "\n")
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
