"""Sweeps: which rows come, and the sentence that sums them up."""

from __future__ import annotations

import pytest

import recipes
from simulator import Outcome, Scenario
from simulator.fuse_costs import FuseCosts
from simulator.report import sentence
from simulator.storage import named
from simulator.sweep import Row, sweep
from simulator.testing import JobShape, synthetic_workload

MIB = 1 << 20


def row(recipe: str, memory_mib: int, saved_ratio: float) -> Row:
    """Make a row with nothing but what the sentence reads."""
    outcome = Outcome(
        epoch_s=[1.0, 1.0], epoch_s_spread=[0.0, 0.0], epoch_s_by_seed=[[1.0, 1.0]],
        resident_ratio=0.0, prefetched_ratio=0.0,
        hit_ratio_by_bytes=0.0, epoch_hit_ratio=[0.0, 0.0], epoch_hit_ratio_by_bytes=[0.0, 0.0],
        source_bytes=[0, 0], source_requests=[0, 0],
        stall_s=0.0, stall_s_by_worker=[], cpu_s=0.0, failed_reads=0, accesses=0,
        memory_bytes=memory_mib * MIB, storage="x",
    )  # fmt: skip
    return Row(recipe, outcome, saved_ratio)


def in_mib(size: float) -> str:
    """Write a size."""
    return f"{size / MIB:.0f} MiB"


def test_sweep_puts_baselines_and_bounds_beside_each_recipe() -> None:
    workload = synthetic_workload(JobShape(files=50))
    base = Scenario(workload, None, "source", named("s3"), FuseCosts.default(), 0, 2, seeds=(1,))
    lru = recipes.load("lru")
    rows = list(
        sweep(
            base,
            {"lru": lambda size: recipes.compile_plan(lru, memory_bytes=size).json},
            [2 * MIB, MIB],
        )
    )
    assert [(each.recipe, each.outcome.memory_bytes // MIB) for each in rows] == [
        ("source", 0), ("page cache", 1), ("lru", 1), ("page cache", 2), ("lru", 2),
    ]  # fmt: skip
    for each in rows:
        document = each.to_dict()
        assert set(document["bounds"]) == {"belady", "infinite", "no_io"}
        assert len(document["epoch_s"]) == 3
        assert set(document["hit_ratio"]) == {"resident", "prefetched", "by_reads", "by_bytes"}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [row("page cache", 200, 0.12), row("pinned", 200, 0.41), row("pinned", 400, 0.412)],
            "200 MiB with 'pinned' saves 41% of the epoch (the page cache with as much: 12%); "
            "beyond 200 MiB nothing.",
        ),
        ([row("lru", 100, 0.1), row("lru", 200, 0.3)], "200 MiB with 'lru' saves 30% of the epoch."),
        ([row("lru", 100, -0.2)], "No recipe saves anything: 'lru' comes closest with -20%."),
        ([row("source", 0, 0.0)], "No recipe was asked about."),
    ],
    ids=["enough at the smaller size", "more helps", "nothing helps", "baselines alone"],
)
def test_sentence_says_what_pays(rows: list[Row], words: str) -> None:
    assert sentence(rows, in_mib) == words


def test_a_plan_that_asks_for_it_brings_the_trace_of_its_decisions() -> None:
    workload = synthetic_workload(JobShape(files=50))
    base = Scenario(workload, None, "source", named("s3"), FuseCosts.default(), 0, 2, seeds=(1, 2))
    asked = recipes.resolve(recipes.LayerRequest(recipe="lru", sets=("debug=true",)))
    plans = {
        "quiet": lambda size: recipes.compile_plan(recipes.load("lru"), memory_bytes=size).json,
        "asked": lambda size: recipes.compile_plan(asked, memory_bytes=size).json,
    }
    rows = {each.recipe: each.to_dict() for each in sweep(base, plans, [2 * MIB])}
    assert "decisions" not in rows["quiet"]
    trace = rows["asked"]["decisions"]
    assert trace["made"] >= 50
    assert len({note["path"] for note in trace["kept"]}) == 50
    assert {note["winners"]["cache.policy"] for note in trace["kept"]} == {"lru-everything"}
    assert rows["asked"]["epoch_s"] == rows["quiet"]["epoch_s"]  # watching changes nothing
