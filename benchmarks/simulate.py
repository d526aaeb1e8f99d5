"""How many accesses per second the simulator replays; writes benchmarks/results/simulate.json."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import recipes
from simulator import Scenario, simulate
from simulator.fuse_costs import FuseCosts
from simulator.storage import named
from simulator.testing import JobShape, synthetic_workload

RESULT = Path(__file__).parent / "results" / "simulate.json"
MIB = 1 << 20


@dataclass(frozen=True)
class Case:
    """One measured replay: a job under a baseline or a shipped recipe, one seed, one thread."""

    name: str
    shape: JobShape
    recipe: str | None
    memory_share: float
    baseline: str | None = None


def cases() -> Iterator[Case]:
    """Small files in shuffled epochs and one large file, from no engine at all to prefetch."""
    small = JobShape(files=50_000, file_bytes=100_000, epochs=4, workers=4, cpu_ns=100_000)
    large = JobShape(files=1, file_bytes=2048 * MIB, read_bytes=16_384, epochs=2, cpu_ns=1_000)
    yield Case("small files, source", small, None, 0.5, "source")
    yield Case("small files, page cache that holds all", small, None, 2.0, "page_cache")
    yield Case("small files, lru at c = .5", small, "lru", 0.5)
    yield Case("small files, pinned at c = .5", small, "pin-all", 0.5)
    yield Case("small files, epoch_set", small, "shuffled-images", 0.5)
    yield Case("large file by 16 KiB, read-ahead", large, None, 0.1, "source")
    yield Case("large file by 16 KiB, prefetch", large, "stream-once", 0.1)


def measure(case: Case) -> float:
    """Replay a case three times and return the median of accesses/s."""
    workload = synthetic_workload(case.shape)
    memory_bytes = int(case.memory_share * workload.working_set_bytes)
    plan = None
    if case.recipe is not None:
        plan = recipes.compile_plan(recipes.load(case.recipe), memory_bytes=memory_bytes).json
    scenario = Scenario(
        workload=workload, plan_json=plan, baseline=case.baseline, storage=named("nfs"),
        fuse=FuseCosts.default(), memory_bytes=memory_bytes, cpus=4, seeds=(1,), with_bounds=False,
    )  # fmt: skip
    rates = []
    simulate(scenario)
    for _ in range(3):
        start = time.perf_counter()
        outcome = simulate(scenario)
        rates.append(outcome.accesses / (time.perf_counter() - start))
    return sorted(rates)[1]


def main() -> None:
    """Measure all cases, print and keep them."""
    figures = {}
    for case in cases():
        figures[case.name] = {"accesses_per_s": round(measure(case))}
        print(f"{case.name:45} {figures[case.name]['accesses_per_s'] / 1e6:6.2f} M accesses/s")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}"
    RESULT.parent.mkdir(exist_ok=True)
    document = {"name": "simulate", "figures": figures, "machine": machine, "commit": commit}
    RESULT.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
