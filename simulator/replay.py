"""Runs scenarios through the engine and takes medians over the seeds."""

from __future__ import annotations

import json
import os
import statistics
import weakref
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from mlopt_engine import SimulatedJob
from simulator.scenario import SLEEP_NS, SLEEPING_REQUEST_CPU_NS, Outcome, Scenario
from simulator.storage import StorageModel
from traces.workload import Workload

#: Above this spread (standard deviation / mean) the recorded CPU times vary by themselves.
RECORDED_SPREAD = 0.25

_jobs: dict[int, tuple[weakref.ref[Workload], SimulatedJob]] = {}


def simulate(scenario: Scenario) -> Outcome:
    """Predict a job's epochs.

    Parameters
    ----------
    scenario : Scenario
        Job, storage, and what stands between them.

    Returns
    -------
    Outcome
        Medians over the scenario's seeds.

    Raises
    ------
    MloptError
        When the engine refuses the plan, or a read is never answered.
    """
    runs = _run(scenario, _front(scenario), scenario.seeds)
    outcome = _outcome(scenario, runs)
    return replace(outcome, bounds=bounds_of(scenario)) if scenario.with_bounds else outcome


def journal(scenario: Scenario) -> list[dict[str, Any]]:
    """Tell what the core of a simulated mount was told and what it answered, as a real mount's journal does.

    Parameters
    ----------
    scenario : Scenario
        Job, storage and plan; the first seed counts. Files are numbered as the workload numbers them.

    Returns
    -------
    list of dict
        ``seq``, ``now`` [ns], ``event``, ``effects``; empty for a baseline.
    """
    question = json.dumps(_question(scenario, _front(scenario)))
    entries: list[dict[str, Any]] = json.loads(_job(scenario.workload).journal(question, scenario.seeds[0]))
    return entries


def bounds_of(
    scenario: Scenario, known: Mapping[str, dict[str, Any]] | None = None
) -> dict[str, dict[str, Any]]:
    """Predict what no cache without prefetch could beat; opens and hits are free in a bound.

    Parameters
    ----------
    scenario : Scenario
        Job, storage, memory and cores; plan and baseline do not matter.
    known : mapping, optional
        Bounds of the same job with another memory size: ``infinite`` and ``no_io`` are taken from there.

    Returns
    -------
    dict
        For ``belady``, ``infinite`` and ``no_io``: ``epoch_s`` [s] and ``hit_ratio`` by reads [1].
    """
    fixed = known or {bound: _bound(scenario, bound) for bound in ("infinite", "no_io")}
    return {
        "belady": _bound(scenario, {"belady": scenario.memory_bytes}),
        "infinite": fixed["infinite"],
        "no_io": fixed["no_io"],
    }


def _front(scenario: Scenario) -> Any:
    if scenario.plan_json is not None:
        return {"mount": json.loads(scenario.plan_json)}
    return "source" if scenario.baseline == "source" else {"page_cache": scenario.memory_bytes}


def _bound(scenario: Scenario, front: Any) -> dict[str, Any]:
    outcome = _outcome(scenario, _run(scenario, front, scenario.seeds[:1]))
    return {"epoch_s": outcome.epoch_s, "hit_ratio": outcome.hit_ratio["by_reads"]}


def _question(scenario: Scenario, front: Any) -> dict[str, Any]:
    """Put a scenario into the engine's words."""
    storage = asdict(scenario.storage)
    for words in ("name", "origin"):
        storage.pop(words)
    if _client_is_unknown(scenario.storage):
        storage["client_request_cpu_ns"] = float(SLEEPING_REQUEST_CPU_NS)
    draw = scenario.draw_cpu
    return {
        "storage": storage,
        "fuse": scenario.fuse.to_dict(),
        "front": front,
        "cpus": scenario.cpus,
        "draw_cpu": not (scenario.replays or _varies(scenario.workload)) if draw is None else draw,
        "replays": scenario.replays,
        "wake_ns": scenario.wake_ns,
        "read_ahead_bytes": scenario.read_ahead_bytes,
        "fetch_threads": scenario.fetch_threads,
        "daemon_threads": scenario.daemon_threads,
        "facts": scenario.storage.facts() | scenario.workload.facts,
    }


def _run(scenario: Scenario, front: Any, seeds: tuple[int, ...]) -> list[dict[str, Any]]:
    question = _question(scenario, front)
    job = _job(scenario.workload)
    threads = min(len(seeds), len(os.sched_getaffinity(0)))
    runs: list[dict[str, Any]] = json.loads(job.simulate(json.dumps(question), list(seeds), threads))
    return runs


def _client_is_unknown(storage: StorageModel) -> bool:
    is_silent = storage.client_request_cpu_ns == 0 and storage.client_mib_cpu_ns == 0
    return is_silent and storage.latency_ns >= SLEEP_NS


def _varies(workload: Workload) -> bool:
    """Tell whether CPU times were recorded item by item: smoothed ones hardly differ."""
    burnt = workload.cpu_ns[workload.cpu_ns > 0]
    return len(burnt) > 1 and float(burnt.std()) > RECORDED_SPREAD * float(burnt.mean())


def _job(workload: Workload) -> SimulatedJob:
    """Prepare a job once, however many questions are asked about it."""
    known = _jobs.get(id(workload))
    if known is not None and known[0]() is workload:
        return known[1]
    columns = workload
    consumer = None
    if columns.consumer is not None:
        consumer = (
            _signed(columns.consumer.cpu_ns),
            _signed(columns.consumer.wait_ns),
            columns.consumer.prefetch_batches,
        )
    job = SimulatedJob(
        paths=columns.files.path,
        sizes=_signed(columns.files.size),
        mtimes_ns=_signed(columns.files.mtime_ns),
        worker=np.ascontiguousarray(columns.worker, np.uint32),
        op=np.ascontiguousarray(columns.op, np.uint8),
        file=np.ascontiguousarray(columns.file, np.uint32),
        offset=_signed(columns.offset),
        length=_signed(columns.length),
        cpu_ns=_signed(columns.cpu_ns),
        wait_ns=_signed(columns.wait_ns),
        epoch=np.ascontiguousarray(columns.epoch, np.int32),
        batch=np.ascontiguousarray(columns.batch, np.int32),
        lock=np.ascontiguousarray(columns.lock, np.int32),
        tail_cpu_ns=_signed(columns.epoch_tail_cpu_ns),
        consumer=consumer,
    )
    key = id(workload)
    _jobs[key] = (weakref.ref(workload, lambda _: _jobs.pop(key, None)), job)
    return job


def _signed(values: Any) -> Any:
    return np.ascontiguousarray(values, np.int64)


def _outcome(scenario: Scenario, runs: list[dict[str, Any]]) -> Outcome:
    epochs = range(len(runs[0]["epochs"]))
    steady = [epoch for epoch in epochs if epoch > 0] or list(epochs)

    def per_epoch(
        value: Callable[[dict[str, Any]], float], take: Callable[[list[float]], float]
    ) -> list[float]:
        return [take([value(run["epochs"][epoch]) for run in runs]) for epoch in epochs]

    def share(part: tuple[str, ...], whole: str) -> float:
        found = [
            sum(run["epochs"][epoch][name] for epoch in steady for name in part)
            / max(1, sum(run["epochs"][epoch][whole] for epoch in steady))
            for run in runs
        ]
        return float(statistics.median(found))

    hits = ("resident_reads", "prefetched_reads")
    by_worker = [statistics.median(times) for times in zip(*(run["stall_s"] for run in runs), strict=True)]
    return Outcome(
        epoch_s=per_epoch(lambda epoch: epoch["epoch_s"], statistics.median),
        epoch_s_spread=per_epoch(lambda epoch: epoch["epoch_s"], lambda times: max(times) - min(times)),
        epoch_s_by_seed=[[float(epoch["epoch_s"]) for epoch in run["epochs"]] for run in runs],
        resident_ratio=share(("resident_reads",), "reads"),
        prefetched_ratio=share(("prefetched_reads",), "reads"),
        hit_ratio_by_bytes=share(("resident_bytes", "prefetched_bytes"), "bytes"),
        epoch_hit_ratio=per_epoch(
            lambda epoch: sum(epoch[name] for name in hits) / max(1, epoch["reads"]), statistics.median
        ),
        epoch_hit_ratio_by_bytes=per_epoch(
            lambda epoch: (epoch["resident_bytes"] + epoch["prefetched_bytes"]) / max(1, epoch["bytes"]),
            statistics.median,
        ),
        source_bytes=[int(n) for n in per_epoch(lambda epoch: epoch["source_bytes"], statistics.median)],
        source_requests=[
            int(n) for n in per_epoch(lambda epoch: epoch["source_requests"], statistics.median)
        ],
        stall_s=statistics.fmean(by_worker) if by_worker else 0.0,
        stall_s_by_worker=by_worker,
        cpu_s=statistics.median(run["cpu_s"] for run in runs),
        failed_reads=int(statistics.median(run["failed_reads"] for run in runs)),
        accesses=int(runs[0]["accesses"]),
        memory_bytes=scenario.memory_bytes,
        storage=scenario.storage.name,
        assumptions=_assumptions(scenario),
        decisions=runs[0].get("decisions"),
    )


def _assumptions(scenario: Scenario) -> list[str]:
    found = []
    if scenario.fuse.origin == "default" and scenario.plan_json is not None:
        found.append("FUSE's own costs are the shipped default, not measured here ('mlopt probe --fuse')")
    if scenario.plan_json is not None and not scenario.replays and _client_is_unknown(scenario.storage):
        found.append(
            f"a read that waits for '{scenario.storage.name}' costs its reader "
            f"{SLEEPING_REQUEST_CPU_NS / 1e6:.2f} ms of CPU more than one that does not"
        )
    if scenario.storage.origin == "named":
        found.append(f"storage '{scenario.storage.name}' is typical of its kind, not measured on yours")
    if scenario.baseline == "source" and scenario.storage.keeps_page_cache:
        found.append("the source as it is has a page cache with room for everything")
    if scenario.baseline == "page_cache":
        found.append("the page cache is a fifo approximation of the Linux page cache")
    return found
