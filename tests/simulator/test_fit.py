"""Fits of made-up durations whose storage is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from mlopt_engine.errors import InvalidInputError
from simulator.fit import fit
from simulator.testing import JobShape, synthetic_workload
from traces.workload import OP_OPEN, OP_READ, Workload

LATENCY_NS = 5e6
BANDWIDTH = 60e6
SHAPE = JobShape(files=300, file_bytes=100_000, epochs=3, workers=4)


def recorded(
    shape: JobShape,
    *,
    sigma: float = 0.2,
    sizes: NDArray[np.int64] | None = None,
    call_ns: float = 0.0,
    held_after_first: bool = False,
    seed: int = 0,
) -> Workload:
    """Give a job the durations of a storage with 5 ms and 60 MB/s, alone on its link."""
    work = synthetic_workload(shape)
    random = np.random.default_rng(seed)
    length = work.length.copy()
    if sizes is not None:
        length[work.op == OP_READ] = sizes[work.file[work.op == OP_READ]]
    duration = LATENCY_NS * np.exp(sigma * random.standard_normal(len(length))) + length / BANDWIDTH * 1e9
    if held_after_first:
        duration = np.where((work.epoch > 0) & (work.op == OP_READ), 20_000 + length * 0.1, duration)
    return dataclasses.replace(
        work,
        length=length,
        duration_ns=(duration + call_ns).astype(np.int64),
        epoch_seconds=np.full(shape.epochs, shape.files * shape.file_bytes / 40e6),
    )


@pytest.mark.parametrize("sigma", [0.0, 0.2, 0.5])
def test_latency_spread_and_bandwidth_are_found_where_sizes_differ(sigma: float) -> None:
    sizes = np.random.default_rng(1).integers(10_000, 1_000_000, SHAPE.files)
    found = fit(recorded(SHAPE, sigma=sigma, sizes=sizes)).model
    assert found.latency_ns == pytest.approx(LATENCY_NS, rel=0.15)
    assert found.metadata_latency_ns == pytest.approx(LATENCY_NS, rel=0.1)
    assert found.latency_sigma == pytest.approx(sigma, abs=0.05)
    assert found.stream_bandwidth == pytest.approx(BANDWIDTH, rel=0.2)
    assert found.origin == "fit"


def test_of_alike_sizes_the_opens_tell_the_latency() -> None:
    found = fit(recorded(SHAPE)).model
    assert found.latency_ns == pytest.approx(LATENCY_NS, rel=0.1)
    assert found.bandwidth == pytest.approx(BANDWIDTH, rel=0.25)


def test_a_file_in_order_is_not_charged_the_same_time_twice() -> None:
    # reads of one size behind a single open: 1 MiB in 17.5 ms is the bandwidth, and no latency on top of it
    shape = JobShape(files=1, file_bytes=200 << 20, epochs=3, workers=1, read_bytes=1 << 20)
    work = recorded(shape)
    per_read = 17_476_267  # 1 MiB at 60 MB/s [ns]
    work = dataclasses.replace(
        work,
        duration_ns=np.where(work.op == OP_READ, per_read, LATENCY_NS).astype(np.int64),
        epoch_seconds=np.full(3, shape.file_bytes / BANDWIDTH),
    )
    found = fit(work).model
    in_order = found.latency_ns + (1 << 20) / found.stream_bandwidth * 1e9
    assert in_order == pytest.approx(per_read, rel=0.02)


def test_what_the_job_drew_is_a_lower_bound_of_the_bandwidth() -> None:
    work = recorded(SHAPE)
    fast = dataclasses.replace(work, epoch_seconds=np.full(3, SHAPE.files * SHAPE.file_bytes / 500e6))
    model = fit(fast).model
    assert model.bandwidth == pytest.approx(500e6)
    assert model.stream_bandwidth < 200e6


def test_small_reads_of_a_stream_do_not_make_the_storage_slow() -> None:
    """The first 10 kB after an open take as long as the 64 KiB of read-ahead that they start."""
    work = recorded(JobShape(files=300, file_bytes=10_000, epochs=3, workers=2), sigma=0.1)
    first = work.op == OP_READ
    duration = np.where(first, work.duration_ns + int(55_000 / BANDWIDTH * 1e9), work.duration_ns)
    # twenty more reads behind each, served from pages that are there, make the job draw 40 MB/s
    reads = np.flatnonzero(first)
    more = np.repeat(reads, 20)
    order = np.argsort(np.concatenate([np.arange(len(work.op)), more]), kind="stable")

    def with_more(
        column: NDArray[np.generic], values: NDArray[np.generic] | None = None
    ) -> NDArray[np.generic]:
        return np.concatenate([column, column[more] if values is None else values])[order]

    names = ("worker", "op", "file", "offset", "length", "cpu_ns", "wait_ns", "epoch", "batch")
    columns = {name: with_more(getattr(work, name)) for name in names}
    columns["duration_ns"] = with_more(duration, np.full(len(more), 20_000))
    found = fit(dataclasses.replace(work, **columns, epoch_seconds=np.full(3, 63e6 / 40e6))).model
    assert found.stream_bandwidth > 20e6


def test_concurrency_is_never_more_than_was_seen_and_that_is_said() -> None:
    for workers in (1, 4):
        found = fit(recorded(dataclasses.replace(SHAPE, workers=workers, batch_files=10)))
        assert found.model.concurrency == workers
        assert any(f"at most {workers} readers" in words for words in found.warnings)


def test_intervals_hold_the_estimate_and_narrow_with_more_reads() -> None:
    few = fit(recorded(dataclasses.replace(SHAPE, files=40)))
    many = fit(recorded(dataclasses.replace(SHAPE, files=1000)))
    for found in (few, many):
        low, high = found.intervals["latency_ns"]
        assert low <= found.model.latency_ns <= high
    assert np.ptp(many.intervals["latency_ns"]) < np.ptp(few.intervals["latency_ns"])
    assert fit(recorded(SHAPE)) == fit(recorded(SHAPE))


def test_the_cost_of_a_traced_call_is_taken_out() -> None:
    # Reads at the end of the file move nothing: their 0.4 ms are the tracer's.
    work = recorded(SHAPE, call_ns=4e5, sigma=0.0)
    at_end = (work.op == OP_READ) & (work.epoch == 2)
    length = np.where(at_end, 0, work.length)
    duration = np.where(at_end, 400_000, work.duration_ns)
    model = fit(dataclasses.replace(work, length=length, duration_ns=duration)).model
    assert model.metadata_latency_ns == pytest.approx(LATENCY_NS, rel=0.02)


def test_a_page_cache_that_keeps_is_noticed() -> None:
    kept = fit(recorded(SHAPE, held_after_first=True)).model
    assert kept.keeps_page_cache
    assert kept.latency_ns == pytest.approx(LATENCY_NS, rel=0.15)
    assert not fit(recorded(SHAPE)).model.keeps_page_cache


def test_a_record_of_a_warm_cache_is_warned_about() -> None:
    work = recorded(SHAPE)
    warm = dataclasses.replace(work, duration_ns=np.full(len(work.op), 30_000, np.int64))
    found = fit(warm)
    assert any("page cache answered" in words for words in found.warnings)
    assert found.model.latency_ns < 1e6


def test_without_opens_metadata_is_assumed_and_said() -> None:
    work = recorded(SHAPE)
    kept = work.op != OP_OPEN
    columns = (
        "worker",
        "op",
        "file",
        "offset",
        "length",
        "cpu_ns",
        "wait_ns",
        "duration_ns",
        "epoch",
        "batch",
    )
    reads = dataclasses.replace(work, **{name: getattr(work, name)[kept] for name in columns})
    found = fit(reads)
    assert found.model.metadata_latency_ns == found.model.latency_ns
    assert any("no open" in words for words in found.warnings)


@pytest.mark.parametrize("what", ["no reads", "no durations"])
def test_nothing_to_fit_is_refused(what: str) -> None:
    work = recorded(SHAPE)
    if what == "no reads":
        work = dataclasses.replace(work, op=np.full(len(work.op), OP_OPEN, np.uint8))
    else:
        work = dataclasses.replace(work, duration_ns=np.zeros(len(work.op), np.int64))
    with pytest.raises(InvalidInputError, match="no timed reads"):
        fit(work)
