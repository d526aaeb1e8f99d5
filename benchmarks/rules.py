"""What rules cost: load, compile and decide, with 20 and with 1,000 rules of three conditions.

Writes benchmarks/results/rules.json, for two kinds of recipes. `alike`: each rule compares the path, the
extension and the size; nearly all rules hold in part, and of 1,000 some 450 fire for the small file. `mixed`:
ten kinds of rules, a tenth with regular expressions (100, as many as a recipe may have), others with globs of
several shapes and parts of names, each with a type and a size. Half of the rules go by weight, half by
`match: all`. Times are CPU, the least of several rounds: other processes do not count. Deciding is measured
inside the engine, without the border to Python, over and over for one file.
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
ROUNDS = 11
FILES = {"small": (b"train/class7/000123.jpg", 110_000), "large": (b"shards/shard-000123.tar", 1 << 30)}


def alike(number: int) -> str:
    """Conditions that hold for nearly every file in part."""
    return (
        f"{{type: file_context, property: path, operator: glob, value: 'train/class{number}/**'}}, "
        f"{{type: file_context, property: extension, operator: in, value: [jpg, png, x{number}]}}, "
        f"{{type: file_context, property: size, operator: less_than, value: {number + 1}KiB}}"
    )


# Property, operator and value of the first condition of each kind of rules; a type and a size follow.
KINDS = (
    ("name", "matches", "^[a-z-]*0*{0}[0-9]+\\.(jpg|tar)$"),
    ("path", "glob", "train/class{0}/**"),
    ("path", "glob", "**/shard-*{0}.tar"),
    ("path", "glob", "*/class[0-9]/*{0}?.jpg"),
    ("name", "glob", "*{0}.jpg"),
    ("path", "contains", "class{0}/"),
    ("name", "starts_with", "shard-{0:03}"),
    ("extension", "in", "[jpg, x{0}]"),
    ("extension", "not_in", "[tar, x{0}]"),
    ("path", "ends_with", "{0}.jpg"),
)
TYPES = ("dataset", "model", "checkpoint", "config")


def mixed(number: int) -> str:
    """Conditions of all kinds."""
    subject, operator, value = KINDS[number % len(KINDS)]
    value = value.format(number // len(KINDS))
    quoted = value if value.startswith("[") else f"'{value}'"
    required = "true" if number % 3 == 0 else "false"
    kind = f"property: type, operator: equals, value: {TYPES[number % len(TYPES)]}, required: {required}"
    return (
        f"{{type: file_context, property: {subject}, operator: {operator}, value: {quoted}}}, "
        f"{{type: file_context, {kind}}}, "
        f"{{type: file_context, property: size, operator: greater_than, value: {number + 1}KiB, weight: 0.5}}"
    )


RECIPES = {"alike": alike, "mixed": mixed}


def text(count: int, conditions: Callable[[int], str]) -> str:
    """Write a recipe of so many rules."""
    rules = [
        f"  - id: r{number}\n    priority: {number % 100}\n"
        f"    match: {('weighted', 'all')[number // 10 % 2]}\n"
        f"    conditions: [{conditions(number)}]\n"
        "    actions: [{type: cache, parameters: {policy: pinned, share: 0.5}}]\n"
        for number in range(count)
    ]
    return 'version: "1"\nname: measured\nrules:\n' + "".join(rules)


def least_s(work: Callable[[], object]) -> float:
    """CPU seconds of the fastest round: all of it is one thread, so that other processes do not count."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def measure(count: int, conditions: Callable[[int], str]) -> dict[str, float]:
    """Measure one recipe."""
    source = text(count, conditions)
    recipe = recipes.loads(source)
    plan = recipes.compile_plan(recipe, memory_bytes=1 << 30).json
    rules = Rules(plan)
    times = 2_000_000 // count
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
        "figures": {
            f"{name}_{count}": measure(count, conditions)
            for name, conditions in RECIPES.items()
            for count in (20, 1_000)
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
