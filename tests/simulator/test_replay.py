"""Exact times of small jobs, conservation, closed forms, determinism."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import recipes
from simulator import Outcome, Scenario, simulate
from simulator.fuse_costs import FuseCosts
from simulator.storage import StorageModel
from simulator.testing import JobShape, synthetic_workload
from traces.workload import Workload

MIB = 1 << 20
FREE_FUSE = FuseCosts(
    lookup_us=0, open_us=0, read_us=0, read_us_per_mib=0, fill_us=0, fill_us_per_mib=0, serve_us=0, drop_us=0,
    silent_us=0, silent_us_per_mib=0, client_share=0,
)  # fmt: skip
SLOW = StorageModel(
    name="slow", latency_ns=5e6, latency_sigma=0.0, metadata_latency_ns=2e6, bandwidth=100e6,
    stream_bandwidth=1e12, concurrency=16, request_bytes=MIB,
)  # fmt: skip


def run(workload: Workload, **changes: object) -> Outcome:
    """Simulate without FUSE costs, without spread, on two cores."""
    settings: dict[str, object] = {
        "plan_json": None, "baseline": None, "storage": SLOW, "fuse": FREE_FUSE, "memory_bytes": 1 << 30,
        "cpus": 2, "seeds": (1,), "draw_cpu": False, "with_bounds": False,
    }  # fmt: skip
    settings |= changes
    if settings["plan_json"] is None and settings["baseline"] is None:
        settings["baseline"] = "source"
    return simulate(Scenario(workload=workload, **settings))  # type: ignore[arg-type]


def plan(policy: str, memory_bytes: int, **settings: object) -> str:
    """Compile a recipe that treats every file alike and for ever."""
    document = {
        "version": "1",
        "name": "all",
        "settings": settings,
        "rules": [
            {
                "id": "all",
                "conditions": [
                    {"type": "file_context", "property": "size", "operator": "greater_than", "value": 0}
                ],
                "actions": [
                    {"type": "cache", "parameters": {"policy": policy, "share": 1.0, "immutable": True}}
                ],
            }
        ],
    }
    recipe = recipes.loads(recipes.dump(document, ""), "all")
    return recipes.compile_plan(recipe, memory_bytes=memory_bytes).json


def test_one_file_takes_open_latency_link_wakes_and_work() -> None:
    # open 2 ms + 60 us wake; read 5 ms + 100,000 B / 100 MB/s = 1 ms + 60 us wake; 3 ms CPU before the read
    outcome = run(synthetic_workload(JobShape(files=1, epochs=1, cpu_ns=3_000_000)))
    assert outcome.epoch_s == pytest.approx([0.01112], abs=1e-9)
    assert outcome.source_bytes == [100_000]
    assert outcome.source_requests == [2]
    assert outcome.stall_s == pytest.approx(0.00812, abs=1e-9)


def test_a_large_file_is_read_ahead_of_its_reader() -> None:
    # 8 MiB by 1 MiB: two windows are under way from the second on, so the link hardly idles
    workload = synthetic_workload(JobShape(files=1, file_bytes=8 * MIB, read_bytes=MIB, epochs=1))
    outcome = run(workload, storage=replace(SLOW, metadata_latency_ns=0.0))
    link_s = 8 * MIB / 100e6
    assert link_s < outcome.epoch_s[0] < link_s + 0.02
    assert outcome.source_bytes == [8 * MIB]


def test_workers_overlap_their_latencies_and_share_the_link() -> None:
    shape = JobShape(files=64, epochs=1)
    storage = replace(SLOW, metadata_latency_ns=0.0)
    one = run(synthetic_workload(shape), storage=storage).epoch_s[0]
    four = run(synthetic_workload(replace(shape, workers=4)), storage=storage).epoch_s[0]
    # alone 6.06 ms a file; four share the link, so their cycle is 5 + 4 x 1 ms at first, then 6.06 ms
    assert one == pytest.approx(64 * 0.00606, abs=1e-6)
    assert four == pytest.approx(16 * 0.00606 + 0.003, rel=0.05)


def test_a_consumer_bound_job_takes_its_consumers_time() -> None:
    shape = JobShape(files=96, epochs=2, workers=2, batch_files=8, consumer_cpu_ns=50_000_000)
    outcome = run(synthetic_workload(shape), storage=replace(SLOW, latency_ns=1e5, metadata_latency_ns=0.0))
    # 12 batches of 50 ms behind the first batch's reading
    assert outcome.epoch_s[1] == pytest.approx(0.6, rel=0.05)


def test_a_full_queue_stops_the_readers() -> None:
    shape = JobShape(
        files=64, epochs=1, batch_files=4, consumer_wait_ns=100_000_000, prefetch_batches=1, cpu_ns=1_000_000
    )
    outcome = run(synthetic_workload(shape))
    # the reader may be one batch ahead only: 16 waits of 100 ms, and its own time for the first batch alone
    assert 1.6 < outcome.epoch_s[0] < 1.7


def test_threads_of_one_interpreter_compute_one_at_a_time() -> None:
    shape = JobShape(files=40, epochs=1, workers=4, cpu_ns=5_000_000)
    processes = run(synthetic_workload(shape), cpus=4)
    threads = run(synthetic_workload(replace(shape, shares_lock=True)), cpus=4)
    assert threads.epoch_s[0] >= 40 * 0.005
    assert processes.epoch_s[0] < 0.7 * threads.epoch_s[0]


def test_the_work_behind_an_epoch_belongs_to_it() -> None:
    workload = synthetic_workload(JobShape(files=2, epochs=2))
    longer = replace(workload, epoch_tail_cpu_ns=np.array([0, 30_000_000], np.int64))
    plain, tailed = run(workload).epoch_s, run(longer).epoch_s
    assert tailed[0] == pytest.approx(plain[0], abs=1e-9)
    assert tailed[1] == pytest.approx(plain[1] + 0.03, abs=1e-9)


@pytest.mark.parametrize("baseline", ["source", "page_cache"])
def test_every_byte_is_read_once_from_a_source_without_a_cache(baseline: str) -> None:
    shape = JobShape(files=50, file_bytes=110_000, epochs=3, workers=3)
    outcome = run(synthetic_workload(shape), baseline=baseline, memory_bytes=1 << 20)
    assert outcome.failed_reads == 0
    assert outcome.accesses == 300
    assert all(fetched <= 50 * 110_000 for fetched in outcome.source_bytes)
    assert outcome.source_bytes[0] == 50 * 110_000


def test_a_page_cache_of_the_working_set_reads_the_source_once() -> None:
    outcome = run(synthetic_workload(JobShape(files=50)), baseline="page_cache", memory_bytes=64 * MIB)
    assert outcome.source_bytes[1:] == [0, 0]
    assert outcome.epoch_hit_ratio == [0.0, 1.0, 1.0]


def test_a_page_cache_of_half_the_data_follows_the_fifo_form() -> None:
    # storage_facts 2.1: h = -c - ln(1-c) = .193 at c = .5
    shape = JobShape(files=2000, file_bytes=102_400, epochs=8)
    outcome = run(synthetic_workload(shape), baseline="page_cache", memory_bytes=1000 * 102_400)
    assert np.mean(outcome.epoch_hit_ratio[2:]) == pytest.approx(0.193, abs=0.01)


def test_a_storage_that_keeps_its_pages_is_read_once() -> None:
    outcome = run(synthetic_workload(JobShape(files=10)), storage=replace(SLOW, keeps_page_cache=True))
    assert outcome.source_bytes == [1_000_000, 0, 0]


def test_more_page_cache_never_fetches_more() -> None:
    workload = synthetic_workload(JobShape(files=300, epochs=4))
    fetched = [
        sum(run(workload, baseline="page_cache", memory_bytes=size * MIB).source_bytes)
        for size in (2, 8, 16, 24, 40)
    ]
    assert fetched == sorted(fetched, reverse=True)


def test_the_same_seed_gives_the_same_outcome_and_another_does_not() -> None:
    workload = synthetic_workload(JobShape(files=100, workers=4, cpu_ns=1_000_000))
    storage = replace(SLOW, latency_sigma=0.3)
    first, again, other = (run(workload, storage=storage, draw_cpu=True, seeds=(seed,)) for seed in (7, 7, 8))
    assert first == again
    assert first.epoch_s != other.epoch_s


def test_bounds_are_ordered_and_belady_holds_the_budget() -> None:
    workload = synthetic_workload(JobShape(files=200, epochs=4))
    outcome = run(workload, memory_bytes=100 * 100_000, with_bounds=True)
    bounds = outcome.bounds
    # under permutations MIN keeps c of the data: .5
    assert bounds["belady"]["hit_ratio"] == pytest.approx(0.5, abs=0.01)
    times = [sum(bounds[name]["epoch_s"]) for name in ("no_io", "infinite", "belady")]
    assert times == sorted(times)
    assert times[-1] < sum(outcome.epoch_s)


def test_a_mount_answers_every_read_with_the_files_bytes() -> None:
    workload = synthetic_workload(JobShape(files=40, file_bytes=2_500_000, read_bytes=100_000, workers=3))
    outcome = run(workload, plan_json=plan("pinned", 20 * MIB), memory_bytes=20 * MIB)
    assert outcome.failed_reads == 0
    assert outcome.accesses == 40 * 3 * 26
    assert outcome.source_bytes[0] >= 40 * 2_500_000


@pytest.mark.parametrize(
    ("policy", "least", "most"),
    # under permutations at c = .5: pinned c, lru .153, fifo .193; inodes and headroom take some
    [("pinned", 0.46, 0.50), ("lru", 0.12, 0.16), ("fifo", 0.15, 0.20)],
)
def test_a_policy_meets_its_closed_form_under_shuffled_epochs(policy: str, least: float, most: float) -> None:
    shape = JobShape(files=2000, file_bytes=102_400, epochs=8, cpu_ns=200_000)
    half = 1000 * 102_400
    outcome = run(synthetic_workload(shape), plan_json=plan(policy, half), memory_bytes=half)
    assert least < np.mean(outcome.epoch_hit_ratio[2:]) < most
    assert outcome.failed_reads == 0


def test_more_memory_never_misses_more_when_pinned() -> None:
    workload = synthetic_workload(JobShape(files=300, epochs=4))
    fetched = [
        sum(run(workload, plan_json=plan("pinned", size * MIB), memory_bytes=size * MIB).source_bytes)
        for size in (2, 8, 16, 24, 40)
    ]
    assert fetched == sorted(fetched, reverse=True)
    assert fetched[-1] == 300 * 100_000


def test_prefetch_serves_more_than_any_demand_policy() -> None:
    # the shipped recipe pins .6 and stages .2 of half the data, where pinning all of it would serve .5
    workload = synthetic_workload(
        JobShape(files=1000, file_bytes=102_400, epochs=5, workers=2, cpu_ns=200_000)
    )
    half = 500 * 102_400
    recipe = recipes.compile_plan(recipes.load("shuffled-images"), memory_bytes=half)
    outcome = run(workload, plan_json=recipe.json, memory_bytes=half)
    assert outcome.resident_ratio + outcome.prefetched_ratio > 0.5
    assert outcome.prefetched_ratio > 0.1


def test_a_scenario_is_either_a_plan_or_a_baseline() -> None:
    workload = synthetic_workload(JobShape(files=1))
    with pytest.raises(ValueError, match="either a plan or a baseline"):
        Scenario(workload, None, None, SLOW, FREE_FUSE, MIB, 2)


def test_cpu_drawn_for_a_reader_does_not_depend_on_who_waits_for_what() -> None:
    # the second reader computes nothing, but its items are drawn too, at other times behind another storage
    workload = synthetic_workload(JobShape(files=60, epochs=3, workers=2, cpu_ns=20_000_000))
    workload.cpu_ns[workload.worker == 1] = 0
    slow = replace(SLOW, client_request_cpu_ns=1.0)
    instant = replace(slow, latency_ns=0.0, metadata_latency_ns=0.0, bandwidth=1e15)
    drawn = set()
    for seed in range(1, 6):
        with_waits, without = (
            run(workload, seeds=(seed,), draw_cpu=True, storage=storage).cpu_s for storage in (slow, instant)
        )
        assert with_waits == pytest.approx(without, rel=1e-6)
        drawn.add(round(without, 6))
    assert len(drawn) == 5


def test_a_replayer_computes_for_the_recorded_time_whatever_its_calls_cost() -> None:
    # one reader, 1 ms of recorded CPU per file of one READ; half of the 40 us of a message are the reader's
    workload = synthetic_workload(JobShape(files=50, epochs=3, cpu_ns=1_000_000))
    costs = replace(FREE_FUSE, read_us=40.0, client_share=0.5)
    storage = replace(SLOW, client_request_cpu_ns=1.0)
    options = {"fuse": costs, "plan_json": plan("lru", 1 << 30), "cpus": 8, "storage": storage}
    job, replayer = (run(workload, replays=replays, **options) for replays in (False, True))
    # the calls come on top of the job (20 us of its own and 20 us of waiting each), not of the replayer
    assert job.epoch_s[1] - replayer.epoch_s[1] == pytest.approx(50 * 20e-6, rel=0.05)


def test_a_recipe_for_a_framework_acts_in_a_job_that_is_known_to_use_it() -> None:
    job = synthetic_workload(JobShape(files=100, file_bytes=100_000))
    text = """{version: "1", name: t, rules: [{id: r, match: all,
      actions: [{type: cache, parameters: {policy: pinned}}],
      conditions: [{type: workload_context, property: framework, value: PyTorch},
                   {type: system_context, property: bandwidth, operator: greater_than, value: 1MB/s}]}]}"""
    compiled = recipes.compile_plan(recipes.loads(text), memory_bytes=5 * MIB).json
    question = {"baseline": None, "plan_json": compiled, "memory_bytes": 5 * MIB, "with_bounds": False}
    facts: list[dict[str, str | int]] = [{}, {"workload.framework": "pytorch"}]
    unknown, known = (run(replace(job, facts=each), **question) for each in facts)
    # what nobody keeps trails behind its readers until the room is needed; half of the set is pinned
    assert unknown.resident_ratio < 0.3 < 0.4 < known.resident_ratio
