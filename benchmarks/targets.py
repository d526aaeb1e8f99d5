"""What the benchmarks are to reach: one line each, judged from the results that are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Target:
    """One figure of one benchmark and its limit."""

    benchmark: str
    figure: str
    measure: Callable[[Any], float]
    limit: float
    #: Where it is to go later; None where the limit is all.
    aim: float | None = None
    is_upper: bool = False

    def is_met(self, value: float) -> bool:
        """Tell whether a measured value keeps the limit."""
        return value <= self.limit if self.is_upper else value >= self.limit


def _errors(figures: Any) -> list[float]:
    """Take every prediction error, however deep."""
    found: list[float] = []
    for name, value in figures.items():
        if isinstance(value, dict):
            found += _errors(value)
        elif name == "error_ratio" and value is not None:
            found.append(abs(value))
    return found


def _times_libcachesim(figures: Any) -> float:
    return float(
        min(each["requests_per_s"] / each["libcachesim_requests_per_s"] for each in figures.values())
    )


_DECIDING = ("decide_small_us", "decide_large_us")

TARGETS = (
    Target("small_files", "warm read of small files / native", lambda f: f["warm"]["ratio"], 0.85, 0.92),
    Target(
        "small_files",
        "first read of pushed files / native",
        lambda f: f["first_read_after_push"]["ratio"],
        0.65,
        0.75,
    ),
    Target(
        "small_files",
        "READ messages of that first read, per file",
        lambda f: f["first_read_after_push"]["read_messages"] / f["files"],
        0,
        is_upper=True,
    ),
    Target(
        "small_files",
        "warm read when every entry has expired / native",
        lambda f: f["expired"]["ratio"],
        0.30,
    ),
    Target(
        "small_files",
        "hits of pinned files, per share held",
        lambda f: f["pinned_half"]["hit_ratio_per_held_share"],
        0.98,
        0.99,
    ),
    Target(
        "small_files",
        "the same with 16 MiB of memory for the reader",
        lambda f: f["pinned_half_tight_reader"]["hit_ratio_per_held_share"],
        0.98,
        0.99,
    ),
    Target(
        "epoch_set",
        "epoch_set, half of the set ahead: reads without a wait",
        lambda f: f["served_without_wait_ratio"],
        0.80,
    ),
    Target(
        "epoch_set",
        "the same against its closed form, difference",
        lambda f: abs(f["served_without_wait_ratio"] - f["expected_ratio"]),
        0.01,
        is_upper=True,
    ),
    Target(
        "cache_replay",
        "cache replay / libcachesim, requests per second, slowest policy",
        _times_libcachesim,
        10,
        20,
    ),
    Target(
        "prediction",
        "predicted / measured epoch time, median error",
        lambda f: median(_errors(f)),
        0.07,
        0.05,
        is_upper=True,
    ),
    Target(
        "prediction",
        "predicted / measured epoch time, worst error",
        lambda f: max(_errors(f)),
        0.20,
        0.10,
        is_upper=True,
    ),
    Target(
        "prediction",
        "demo: epoch under the learned recipe / on the source as it is",
        lambda f: f["demo: tuned"]["measured_s"] / f["demo: source"]["measured_s"],
        0.60,
        is_upper=True,
    ),
    Target(
        "prediction",
        "demo: epoch under the learned recipe / under the page cache at equal memory",
        lambda f: f["demo: tuned"]["measured_s"] / f["demo: page cache"]["measured_s"],
        0.80,
        is_upper=True,
    ),
    Target(
        "rules",
        "deciding a file under 20 rules, us",
        lambda f: max(f[kind][size] for kind in ("alike_20", "mixed_20") for size in _DECIDING),
        2,
        is_upper=True,
    ),
    Target(
        "rules",
        "deciding a file under 1,000 rules, us",
        lambda f: max(f[kind][size] for kind in ("alike_1000", "mixed_1000") for size in _DECIDING),
        10,
        is_upper=True,
    ),
    Target(
        "rules",
        "loading and compiling 1,000 rules, ms",
        lambda f: max(f[kind]["load_ms"] + f[kind]["compile_ms"] for kind in ("alike_1000", "mixed_1000")),
        100,
        is_upper=True,
    ),
    Target(
        "test_rules",
        "test-rules on a million files / find, the slower of JSON and plain",
        lambda f: max(f[name]["times_find"] for name in ("json", "plain")),
        2,
        is_upper=True,
    ),
    Target(
        "test_rules",
        "memory of that, MiB",
        lambda f: max(f[name]["peak_mib"] for name in ("json", "plain")),
        256,
        is_upper=True,
    ),
    Target(
        "simulate",
        "simulated accesses per second, small files, epoch_set",
        lambda f: f["small files, epoch_set"]["accesses_per_s"],
        5e6,
    ),
    Target(
        "simulate",
        "simulated accesses per second, large file, sequential prefetch",
        lambda f: f["large file by 16 KiB, prefetch"]["accesses_per_s"],
        5e6,
    ),
    Target(
        "strace_parse",
        "strace text to DuckDB, million lines per second",
        lambda f: f["to_duckdb_m_lines_per_s"],
        4,
    ),
    Target("strace_parse", "bytes on disk per access", lambda f: f["bytes_per_access"], 24, is_upper=True),
    Target("cli", "mlopt --help, seconds", lambda f: f["help_s"], 0.3, is_upper=True),
)


def judged(results: Path) -> Iterator[tuple[Target, float | None]]:
    """Go through the targets with what was measured; None where no result has the figure."""
    for target in TARGETS:
        try:
            figures = json.loads((results / f"{target.benchmark}.json").read_text())["figures"]
            yield target, float(target.measure(figures))
        except (OSError, KeyError, TypeError, ValueError):
            yield target, None
