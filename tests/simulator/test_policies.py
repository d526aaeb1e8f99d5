"""The policies that ship to compare with, on jobs that tell them apart: the ancestor's score beside LRU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import recipes
from recipes.policies import POLICIES
from simulator.fuse_costs import FuseCosts
from simulator.scenario import Outcome, Scenario
from simulator.storage import StorageModel
from simulator.sweep import sweep
from simulator.testing import JobShape, synthetic_workload
from traces.workload import Workload

STORAGE = StorageModel("file server", 5e6, 0.0, 5e6, 60e6, 60e6, 16)
FILE_BYTES = 100_000
TO_COMPARE = ("lru", "fifo", "lfu", "sieve", "upstream", "pin-all")


def outcomes(job: Workload, memory_bytes: int) -> dict[str, Outcome]:
    """Simulate each recipe as ``mlopt simulate -r lru -r lfu ...`` does."""
    base = Scenario(job, None, "source", STORAGE, FuseCosts.default(), 0, 2, seeds=(1,), with_bounds=False)
    loaded = {name: recipes.load(name) for name in TO_COMPARE}
    plans = {
        name: lambda size, recipe=recipe: recipes.compile_plan(recipe, memory_bytes=size).json
        for name, recipe in loaded.items()
    }
    rows = {row.recipe: row.outcome for row in sweep(base, plans, [memory_bytes])}
    assert all(rows[name].failed_reads == 0 for name in TO_COMPARE)
    return {name: rows[name] for name in TO_COMPARE}


def models_between_logs(models: int, logs: int, rounds: int) -> Workload:
    """Each round reads the models, then as many logs as come to be, which nobody reads again."""
    job = synthetic_workload(JobShape(models + rounds * logs, FILE_BYTES, epochs=1, shuffled=False))
    order = np.concatenate(
        [
            np.concatenate([np.arange(models), models + each * logs + np.arange(logs)])
            for each in range(rounds)
        ]
    )
    rows = np.repeat(order * 2, 2) + np.tile([0, 1], len(order))  # an open and a read for each
    names = [b"m/%03d.pth" % each for each in range(models)]
    names += [b"run/%05d.log" % each for each in range(rounds * logs)]
    files = replace(job.files, path=names)
    per_access = {
        name: getattr(job, name)[rows]
        for name in ("worker", "op", "file", "offset", "length", "cpu_ns", "wait_ns", "duration_ns", "batch")
    }
    epoch = np.repeat(np.arange(rounds), 2 * (models + logs)).astype(np.int32)
    return replace(
        job,
        files=files,
        epoch=epoch,
        epoch_seconds=np.zeros(rounds),
        epoch_tail_cpu_ns=np.zeros(rounds, np.int64),
        **per_access,
    )


def test_every_policy_can_be_compared_by_a_recipe_that_ships() -> None:
    named = {
        action["parameters"]["policy"]
        for name in TO_COMPARE
        for rule in recipes.load(name).rules
        for action in rule["actions"]
        if action["type"] == "cache"
    }
    assert named == {name for name, policy in POLICIES.items() if not policy.simulation_only}


def test_the_ancestors_score_keeps_models_that_lru_loses_to_logs() -> None:
    # 20 models and 60 logs a round, and room for half of that
    job = models_between_logs(models=20, logs=60, rounds=6)
    found = outcomes(job, 40 * FILE_BYTES)
    hits = {name: float(np.mean(each.epoch_hit_ratio[1:])) for name, each in found.items()}
    assert hits["lru"] == hits["fifo"] == 0
    assert hits["upstream"] > 0.2, hits  # of 80 reads a round, 20 are of models
    fetched = {name: sum(each.source_bytes) for name, each in found.items()}
    assert fetched["upstream"] < fetched["lru"]


def test_on_shuffled_epochs_the_ancestors_score_is_behind_pinning_and_before_lru() -> None:
    job = synthetic_workload(JobShape(600, FILE_BYTES, epochs=6))
    found = outcomes(job, 300 * FILE_BYTES)
    hits = {name: float(np.mean(each.epoch_hit_ratio[2:])) for name, each in found.items()}
    assert hits["lru"] < hits["upstream"] < hits["pin-all"], hits
    assert hits["lfu"] > hits["lru"], hits
    assert found["pin-all"].steady_epoch_s < found["lru"].steady_epoch_s
