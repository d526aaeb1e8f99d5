"""Wall time of the command line: ``mlopt --help``, and ``mlopt test-rules`` beside ``find`` on the same tree.

Writes benchmarks/results/cli.json. Each is a process of its own, from start to exit, with its output thrown
away, after one run to warm. The tree is made of 100,000 files of 16 bytes in 100 directories, in the
directory for temporary files; `find -printf '%s %f\\n'` also asks for each file's size.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "cli.json"
DIRECTORIES, FILES_EACH, FILE = 100, 1_000, b"0123456789abcdef"
HELP_ROUNDS, TREE_ROUNDS = 7, 3
RECIPE = "shuffled-images"


def median_s(command: list[str], rounds: int) -> float:
    """Wall seconds of a command, the median after one run to warm."""
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def make_tree(root: Path) -> None:
    """Make the small files."""
    for d in range(DIRECTORIES):
        directory = root / f"class{d:03d}"
        directory.mkdir()
        for f in range(FILES_EACH):
            (directory / f"{f:06d}.jpg").write_bytes(FILE)


def main() -> None:
    """Measure, print and keep the figures."""
    mlopt = str(Path(sys.executable).parent / "mlopt")
    help_s = median_s([mlopt, "--help"], HELP_ROUNDS)
    with tempfile.TemporaryDirectory() as directory:
        make_tree(Path(directory))
        rules_s = median_s([mlopt, "test-rules", directory, "-r", RECIPE], TREE_ROUNDS)
        find_s = median_s(["find", directory, "-printf", "%s %f\\n"], TREE_ROUNDS)
    document = {
        "name": "cli",
        "figures": {
            "help_s": round(help_s, 3),
            "files": DIRECTORIES * FILES_EACH,
            "test_rules_s": round(rules_s, 3),
            "find_s": round(find_s, 3),
            "test_rules_over_find": round(rules_s / find_s, 2),
        },
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
