"""What rules cost: load, compile and decide, with 20 and with 1,000 rules of three conditions.

Writes benchmarks/results/rules.json. Each rule compares the path, a word and the size, half of the rules by
weight, half with `match: all`, and keeps files it fits. Times are CPU, the least of several rounds:
other processes do not count. Deciding is measured inside the engine, without the border to Python.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import recipes
from mlopt_engine import Rules

RESULT = Path(__file__).parent / "results" / "rules.json"
ROUNDS = 5
FILES = {"small": (b"train/class7/000123.jpg", 110_000), "large": (b"shards/shard-000123.tar", 1 << 30)}


def text(count: int) -> str:
    """Write a recipe of so many rules."""
    rules = []
    for number in range(count):
        conditions = (
            f"{{type: file_context, property: path, operator: glob, value: 'train/class{number}/**'}}, "
            f"{{type: file_context, property: extension, operator: in, value: [jpg, png, x{number}]}}, "
            f"{{type: file_context, property: size, operator: less_than, value: {number + 1}KiB}}"
        )
        rules.append(
            f"  - id: r{number}\n    priority: {number % 100}\n"
            f"    match: {('weighted', 'all')[number % 2]}\n"
            f"    conditions: [{conditions}]\n"
            "    actions: [{type: cache, parameters: {policy: pinned, share: 0.5}}]\n"
        )
    return 'version: "1"\nname: measured\nrules:\n' + "".join(rules)


def least_s(work: Callable[[], object]) -> float:
    """CPU seconds of the fastest round: all of it is one thread, so that other processes do not count."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def measure(count: int) -> dict[str, float]:
    """Measure one number of rules."""
    source = text(count)
    recipe = recipes.loads(source)
    plan = recipes.compile_plan(recipe, memory_bytes=1 << 30).json
    rules = Rules(plan)
    times = 100_000 // count
    figures = {
        "load_ms": round(1e3 * least_s(lambda: recipes.loads(source)), 1),
        "compile_ms": round(
            1e3 * least_s(lambda: Rules(recipes.compile_plan(recipe, memory_bytes=1 << 30).json)), 1
        ),
    }
    for name, (path, size) in FILES.items():
        seconds = least_s(lambda path=path, size=size: rules.decide_repeatedly(path, size, times))
        figures[f"decide_{name}_us"] = round(1e6 * seconds / times, 2)
    return figures


def main() -> None:
    """Measure, print and keep the figures."""
    document = {
        "name": "rules",
        "figures": {f"rules_{count}": measure(count) for count in (20, 1_000)},
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
