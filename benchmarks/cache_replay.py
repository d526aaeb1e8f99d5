"""How many requests per second a cache is replayed, beside libcachesim.

Writes benchmarks/results/cache_replay.json. Both replay the same Zipf(1.0) accesses in one process, once to
warm and three times measured. libcachesim reads a binary trace in its own format, in its own loop: nobody
crosses into Python per request. It maps the file and hashes ids; ours indexes dense ones in memory.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import libcachesim
import numpy as np
from numpy.typing import NDArray

from mlopt_engine import replay_cache

RESULT = Path(__file__).parent / "results" / "cache_replay.json"
OBJECTS, REQUESTS, CAPACITY, SEED = 1_000_000, 5_000_000, 100_000, 1
ORACLES = {
    "lru": libcachesim.LRU,
    "fifo": libcachesim.FIFO,
    "lfu": libcachesim.LFU,
    "sieve": libcachesim.Sieve,
    "belady": libcachesim.Belady,
}
# oracleGeneral, 24 bytes: time, object, size, when it is read next (-1: never)
ORACLE_GENERAL = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])


def zipf() -> NDArray[np.uint32]:
    """Accesses with dense ids, the most popular first."""
    cumulative = np.cumsum(1 / np.arange(1, OBJECTS + 1))
    draws = np.random.default_rng(SEED).random(REQUESTS) * cumulative[-1]
    return np.minimum(np.searchsorted(cumulative, draws), OBJECTS - 1).astype(np.uint32)


def write_trace(ids: NDArray[np.uint32], path: Path) -> None:
    """Write accesses as libcachesim reads them, the future included."""
    records = np.zeros(len(ids), dtype=ORACLE_GENERAL)
    records["time"] = np.arange(len(ids))
    records["id"] = ids
    records["size"] = 1
    order = np.argsort(ids, kind="stable")
    same = ids[order[1:]] == ids[order[:-1]]
    records["next"] = -1
    records["next"][order[:-1][same]] = order[1:][same]
    records.tofile(path)


def median_rate(replay: Callable[[], int]) -> tuple[float, int]:
    """Requests per second, the median of three after one to warm, and the misses."""
    misses = replay()
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        replay()
        rates.append(REQUESTS / (time.perf_counter() - start))
    return sorted(rates)[1], misses


def main() -> None:
    """Measure both, print and keep the figures."""
    ids = zipf()
    figures = {}
    with tempfile.TemporaryDirectory() as directory:
        trace = Path(directory) / "zipf.oracleGeneral"
        write_trace(ids, trace)

        def theirs(policy: str) -> int:
            options = libcachesim.ReaderInitParam(ignore_obj_size=True)
            kind = libcachesim.TraceType.ORACLE_GENERAL_TRACE
            reader = libcachesim.TraceReader(str(trace), kind, options)
            ratio, _ = ORACLES[policy](cache_size=CAPACITY).process_trace(reader)
            return round(ratio * REQUESTS)

        for policy in ORACLES:
            ours_rate, ours = median_rate(
                lambda name=policy: int(replay_cache(name, ids, None, CAPACITY)["misses"])
            )
            their_rate, expected = median_rate(lambda name=policy: theirs(name))
            if ours != expected:
                raise SystemExit(f"{policy}: {ours} misses, libcachesim counts {expected}")
            figures[policy] = {
                "requests_per_s": round(ours_rate),
                "libcachesim_requests_per_s": round(their_rate),
                "misses": ours,
            }
            print(
                f"{policy:8} {ours_rate / 1e6:6.1f} M/s, libcachesim {their_rate / 1e6:6.1f} M/s, "
                f"{ours:,} misses"
            )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}"
    RESULT.parent.mkdir(exist_ok=True)
    document = {"name": "cache_replay", "figures": figures, "machine": machine, "commit": commit}
    RESULT.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
