"""Asks the simulator what a recipe, or no recipe, would make of a job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import recipes
from simulator import Outcome, Scenario, simulate
from simulator.fuse_costs import FuseCosts
from simulator.scenario import Baseline
from simulator.storage import StorageModel
from traces.workload import Workload

#: `staleness_ns` of a plan whose source never changes.
FOREVER_NS = (1 << 64) - 1
SOURCE: Baseline = "source"
PAGE_CACHE: Baseline = "page_cache"


@dataclass(frozen=True)
class World:
    """Where the job runs: what all simulations of one learning have in common.

    Attributes
    ----------
    storage : StorageModel
        The source.
    fuse : FuseCosts
        What the mount itself costs.
    cpus : int
        Cores.
    memory_bytes : int
        Budget of the memory tier [bytes].
    seeds : tuple of int
        For CPU times and latencies; the first alone where one must do.
    time_rate : float
        How much shorter a sample's epochs are than the job's, 0 to 1; entries of the mount expire that much
        earlier, so as often per epoch [1].
    """

    storage: StorageModel
    fuse: FuseCosts
    cpus: int
    memory_bytes: int
    seeds: tuple[int, ...]
    time_rate: float = 1.0


def judge_recipe(
    world: World,
    workload: Workload,
    document: Mapping[str, Any],
    *,
    seeds: tuple[int, ...],
    with_bounds: bool = False,
) -> Outcome:
    """Simulate a job under a recipe.

    Parameters
    ----------
    world : World
        Where it runs.
    workload : Workload
        The job.
    document : mapping
        The recipe.
    seeds : tuple of int
        For the random parts.
    with_bounds : bool
        Whether to compute what no cache can beat.

    Returns
    -------
    Outcome
        What the simulator found.
    """
    text = recipes.dump(dict(document), "")
    plan = recipes.compile_plan(recipes.loads(text, "candidate"), memory_bytes=world.memory_bytes)
    plan_json = plan.json if world.time_rate == 1.0 else _sooner(plan.json, world.time_rate)
    return _simulate(world, workload, plan_json, None, seeds, with_bounds)


def judge_baseline(
    world: World, workload: Workload, baseline: Baseline, *, seeds: tuple[int, ...]
) -> Outcome:
    """Simulate a job without mlopt.

    Parameters
    ----------
    world : World
        Where it runs.
    workload : Workload
        The job.
    baseline : str
        `SOURCE` or `PAGE_CACHE`.
    seeds : tuple of int
        For the random parts.

    Returns
    -------
    Outcome
        What the simulator found.
    """
    return _simulate(world, workload, None, baseline, seeds, False)


def _sooner(plan_json: str, rate: float) -> str:
    """Shorten the plan's staleness; what never expires stays so."""
    plan = json.loads(plan_json)
    if plan["staleness_ns"] != FOREVER_NS:
        plan["staleness_ns"] = int(plan["staleness_ns"] * rate)
    return json.dumps(plan, sort_keys=True, separators=(",", ":"))


def _simulate(
    world: World,
    workload: Workload,
    plan_json: str | None,
    baseline: Baseline | None,
    seeds: tuple[int, ...],
    with_bounds: bool,
) -> Outcome:
    return simulate(
        Scenario(
            workload=workload,
            plan_json=plan_json,
            baseline=baseline,
            storage=world.storage,
            fuse=world.fuse,
            memory_bytes=world.memory_bytes,
            cpus=world.cpus,
            seeds=seeds,
            with_bounds=with_bounds,
        )
    )
