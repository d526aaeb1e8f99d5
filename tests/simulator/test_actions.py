"""What stream and prioritize change in virtual time, by arithmetic."""

from __future__ import annotations

from dataclasses import replace

import pytest

import recipes
from simulator import Outcome, Scenario, simulate
from simulator.fuse_costs import FuseCosts
from simulator.storage import StorageModel
from simulator.testing import JobShape, synthetic_workload
from traces.workload import Workload

MIB = 1 << 20
FREE_FUSE = FuseCosts(
    lookup_us=0, open_us=0, read_us=0, read_us_per_mib=0, fill_us=0, fill_us_per_mib=0, drop_us=0,
    silent_us=0, silent_us_per_mib=0, client_share=0,
)  # fmt: skip
# One request alone takes 50 ms whatever its bytes: only requests side by side make it faster.
FAR = StorageModel(
    name="far", latency_ns=50e6, latency_sigma=0.0, metadata_latency_ns=0.0, bandwidth=1e12,
    stream_bandwidth=1e12, concurrency=64, request_bytes=MIB,
)  # fmt: skip


def run(workload: Workload, *actions: str, storage: StorageModel = FAR) -> Outcome:
    all_files = "{type: file_context, property: path, operator: glob, value: '**'}"
    rule = f"{{id: all, conditions: [{all_files}], actions: [{', '.join(actions)}]}}"
    recipe = recipes.loads(f'version: "1"\nname: t\nrules: [{rule}]\n')
    assert not recipe.warnings
    plan = recipes.compile_plan(recipe, memory_bytes=1 << 30)
    return simulate(
        Scenario(
            workload=workload,
            plan_json=plan.json,
            baseline=None,
            storage=storage,
            fuse=FREE_FUSE,
            memory_bytes=1 << 30,
            cpus=2,
            seeds=(1,),
            draw_cpu=False,
            with_bounds=False,
        )
    )


def one_large_file(mebibytes: int) -> Workload:
    return synthetic_workload(JobShape(files=1, file_bytes=mebibytes * MIB, read_bytes=MIB, epochs=1))


@pytest.mark.parametrize("streams", [4, 8, 16])
def test_a_stream_is_charged_its_number_of_requests_side_by_side(streams: int) -> None:
    outcome = run(
        one_large_file(64), f"{{type: stream, parameters: {{streams: {streams}, chunk_bytes: 1MiB}}}}"
    )
    # 64 requests of 50 ms, `streams` at a time and one that the kernel's read-ahead asks for itself
    assert 64 * 0.05 / (streams + 1) <= outcome.epoch_s[0] <= 64 * 0.05 / streams + 3 * 0.05
    assert outcome.source_bytes == [64 * MIB]


def test_a_storage_with_few_slots_gains_nothing_from_more_streams() -> None:
    two_slots = replace(FAR, concurrency=2)
    few, many = (
        run(one_large_file(32), f"{{type: stream, parameters: {{streams: {streams}}}}}", storage=two_slots)
        for streams in (2, 16)
    )
    assert few.epoch_s[0] >= 32 * 0.05 / 2
    assert many.epoch_s[0] == pytest.approx(few.epoch_s[0], rel=0.1)


def test_a_limit_is_charged_as_the_time_that_its_bytes_take() -> None:
    limited = run(
        one_large_file(32), "{type: stream}", "{type: prioritize, parameters: {limit_bytes_per_s: 16MiB/s}}"
    )
    free = run(one_large_file(32), "{type: stream}")
    # 32 MiB at 16 MiB/s, less an eighth of a second saved up and the last block, which starts without debt
    assert 2 - 0.125 - 1 / 16 <= limited.epoch_s[0] <= 2 + 0.2
    assert free.epoch_s[0] < 1
    assert limited.source_bytes == free.source_bytes == [32 * MIB]
