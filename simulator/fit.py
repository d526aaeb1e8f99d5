"""The storage as a recorded job saw it: a model with intervals, and what the record cannot tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlopt_engine.errors import InvalidInputError
from simulator.storage import StorageModel
from traces.workload import OP_OPEN, OP_READ, Workload

#: Queues and busy cores only ever lengthen a call: the fast tenth shows the storage, means do not.
FAST = 10.0
#: Standard normal quantiles of 5, 10 and 25 percent.
_Z5, _Z10, _Z25 = -1.6449, -1.2816, -0.6745
#: A call that is shorter never left the machine: 150 us and 4 GB/s above a call that moves nothing.
_HIT_NS, _HIT_NS_PER_BYTE = 150_000.0, 0.25
#: A call that leaves the machine takes at least this long: a loopback round trip.
_LEAST_NS = 50_000.0
_ENOUGH = 20
_RESAMPLES = 200
_SAMPLES = 20_000
#: 90 % of the resampled values.
_INTERVAL = (5.0, 95.0)
#: Sizes must differ by this factor before their durations tell bandwidth from latency.
_SIZE_RANGE = 4.0
_BINS = 8
_ROUNDS = 5


@dataclass(frozen=True)
class Fit:
    """A fitted storage.

    Attributes
    ----------
    model : StorageModel
        The storage.
    intervals : dict of str to (float, float)
        90 % bootstrap interval of latency_ns, latency_sigma, metadata_latency_ns and bandwidth, in the units
        of the model; of those that the record shows.
    reads : int
        Reads that reached the storage.
    warnings : tuple of str
        What was assumed or could not be seen.
    """

    model: StorageModel
    intervals: dict[str, tuple[float, float]]
    reads: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Seen:
    """Calls that reached the storage, the cost of a call that moves nothing taken out."""

    open_ns: NDArray[np.float64]
    read_ns: NDArray[np.float64]
    read_bytes: NDArray[np.float64]

    def resampled(self, random: np.random.Generator) -> _Seen:
        opens = random.integers(0, max(1, len(self.open_ns)), len(self.open_ns))
        reads = random.integers(0, len(self.read_ns), len(self.read_ns))
        return _Seen(self.open_ns[opens], self.read_ns[reads], self.read_bytes[reads])


@dataclass(frozen=True)
class _Numbers:
    latency_ns: float
    latency_sigma: float
    metadata_latency_ns: float | None
    stream_bandwidth: float | None


def fit(workload: Workload) -> Fit:
    """Infer a storage from the durations of a job's recorded calls.

    Parameters
    ----------
    workload : Workload
        The job.

    Returns
    -------
    Fit
        The storage. Its concurrency is what the job used at once, never more.

    Raises
    ------
    InvalidInputError
        When the record has no reads or no durations.

    Notes
    -----
    Latency is the 10th percentile of the durations, by size of the read, brought to the median with the
    spread of the fast quarter of the opens. Bandwidth is the slope over the sizes or, where the sizes are
    alike, what a read takes longer than an open; at least what the job drew in its best epoch. Without opens
    and with reads of one size, latency is what that bandwidth leaves of a read.
    """
    is_read = (workload.op == OP_READ) & (workload.length > 0)
    if not is_read.any() or not (workload.duration_ns[is_read] > 0).any():
        raise InvalidInputError(
            "the trace has no timed reads to fit a storage to",
            where="--storage",
            value="fit",
            do="Name a storage, or measure yours with 'mlopt probe DIR -o FILE'",
            code="no-reads",
        )
    warnings: list[str] = []
    seen, keeps = _storage_calls(workload, warnings)
    best = _best_throughput(workload, seen)
    numbers = _numbers(seen, best)
    bandwidth, stream = _bandwidths(numbers, best, _best_stream(workload), warnings)
    concurrency = _readers_at_once(workload)
    warnings.append(
        f"at most {concurrency} readers were at work at once: what the storage does with more was not seen; "
        "'mlopt probe DIR -o FILE' measures it"
    )
    metadata = numbers.metadata_latency_ns
    if metadata is None:
        warnings.append("no open reached the storage: metadata is taken to be as slow as the first byte")
    model = StorageModel(
        name="fit",
        latency_ns=numbers.latency_ns,
        latency_sigma=numbers.latency_sigma,
        metadata_latency_ns=numbers.latency_ns if metadata is None else metadata,
        bandwidth=bandwidth,
        stream_bandwidth=stream,
        concurrency=concurrency,
        keeps_page_cache=keeps,
        origin="fit",
    )
    return Fit(model, _intervals(seen, best), len(seen.read_ns), tuple(warnings))


def _storage_calls(workload: Workload, warnings: list[str]) -> tuple[_Seen, bool]:
    """Find the calls that the page cache did not answer, and whether it keeps pages from open to open."""
    idle_ns = _idle_call_ns(workload)
    rows = np.flatnonzero((workload.op == OP_READ) & (workload.length > 0))
    first = rows[_follows_open(workload)[rows]]
    if len(first) < _ENOUGH:
        first = rows
    duration = np.maximum(workload.duration_ns[first] - idle_ns, 1_000.0)
    size = workload.length[first].astype(np.float64)
    is_miss = duration > _HIT_NS + size * _HIT_NS_PER_BYTE
    again = workload.epoch[first] > 0
    keeps = bool(again.sum() >= _ENOUGH and (~is_miss)[again].mean() > 0.5)
    if is_miss.sum() < _ENOUGH:
        warnings.append(
            "the page cache answered nearly every read: the storage itself was not seen, only this machine"
        )
        is_miss = np.ones(len(first), np.bool_)
        keeps = True
    opens = np.maximum(workload.duration_ns[workload.op == OP_OPEN] - idle_ns, 0.0)
    opens = opens[opens > _HIT_NS]
    limit = slice(None, _SAMPLES)
    return (
        _Seen(
            opens[limit] if len(opens) >= _ENOUGH else np.empty(0),
            duration[is_miss][limit],
            size[is_miss][limit],
        ),
        keeps,
    )


def _idle_call_ns(workload: Workload) -> float:
    """Wall time of a traced call that moves nothing: reads at the end of a file."""
    empty = workload.duration_ns[(workload.op == OP_READ) & (workload.length == 0)]
    return float(np.median(empty)) if len(empty) >= _ENOUGH else 0.0


def _follows_open(workload: Workload) -> NDArray[np.bool_]:
    """Mark reads of a file that the same worker has just opened: read-ahead has not touched it yet."""
    result = np.zeros(len(workload.op), np.bool_)
    order = np.argsort(workload.worker, kind="stable")
    op, file, worker = workload.op[order], workload.file[order], workload.worker[order]
    after = (op[1:] == OP_READ) & (op[:-1] == OP_OPEN) & (file[1:] == file[:-1]) & (worker[1:] == worker[:-1])
    result[order[1:][after]] = True
    return result


def _numbers(seen: _Seen, best: float) -> _Numbers:
    sigma = _spread(seen.open_ns if len(seen.open_ns) else seen.read_ns)
    to_median = float(np.exp(-_Z10 * sigma))
    metadata = float(np.percentile(seen.open_ns, FAST)) if len(seen.open_ns) else None
    line = _fast_line(seen)
    if line is not None:
        intercept, slope = line
        return _Numbers(intercept * to_median, sigma, _scaled(metadata, to_median), 1e9 / slope)
    base = float(np.percentile(seen.read_ns, FAST))
    if metadata is not None and base > metadata:
        size = float(np.median(seen.read_bytes))
        latency = metadata * to_median
        return _Numbers(latency, sigma, latency, size / (base - metadata) * 1e9)
    # One size and no opens: what the job drew at best explains a part of the read, latency only the rest. To
    # charge both would count the same time twice (a file in order: predicted 2.3 s for a measured 1.15 s).
    rest = base - float(np.median(seen.read_bytes)) / best * 1e9
    return _Numbers(max(rest, _LEAST_NS) * to_median, sigma, _scaled(metadata, to_median), None)


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _spread(durations: NDArray[np.float64]) -> float:
    """Spread of the logarithm, from the fast quarter: what lies above it also waited in queues."""
    fastest, fast = np.percentile(durations, [5.0, 25.0])
    return float(np.clip(np.log(fast / fastest) / (_Z25 - _Z5), 0.0, 1.5))


def _fast_line(seen: _Seen) -> tuple[float, float] | None:
    """Fast duration as a line over the size [ns, ns/byte]; None where the sizes are too alike."""
    edges = np.unique(np.percentile(seen.read_bytes, np.linspace(0, 100, _BINS + 1)))
    group = np.digitize(seen.read_bytes, edges[1:-1], right=True)
    members = [group == number for number in np.unique(group)]
    members = [each for each in members if each.sum() >= _ENOUGH]
    sizes = np.asarray([np.median(seen.read_bytes[each]) for each in members])
    if len(sizes) < 2 or sizes[-1] < _SIZE_RANGE * sizes[0]:
        return None
    intercept = slope = 0.0
    # The fast ones of a group are its small ones too: bring all to the group's median size, with the slope
    # so far.
    for _ in range(_ROUNDS):
        fast = [
            np.percentile(seen.read_ns[each] - slope * (seen.read_bytes[each] - size), FAST)
            for each, size in zip(members, sizes, strict=True)
        ]
        slope, intercept = (float(value) for value in np.polyfit(sizes, fast, 1))
    return (intercept, slope) if slope > 0 and intercept > 0 else None


def _best_throughput(workload: Workload, seen: _Seen) -> float:
    """Bytes per second of the best epoch; of the fastest read where epochs were not timed."""
    is_read = workload.op == OP_READ
    epochs = len(workload.epoch_seconds)
    bytes_of = np.bincount(workload.epoch[is_read], workload.length[is_read], minlength=epochs)[:epochs]
    timed = workload.epoch_seconds > 0
    if len(seen.read_ns) and timed.any():
        return float((bytes_of[timed] / workload.epoch_seconds[timed]).max())
    return float((seen.read_bytes / seen.read_ns).max() * 1e9)


def _best_stream(workload: Workload) -> float:
    """Bytes per second in calls of the fastest reader in its best epoch.

    It is a floor: a small read that starts a large read-ahead looks slow for its size (10 KiB of tar in the
    time of 64 KiB: 9 MB/s were concluded of 47).
    """
    is_read = workload.op == OP_READ
    key = (
        workload.epoch[is_read].astype(np.int64) * (int(workload.worker.max()) + 1) + workload.worker[is_read]
    )
    in_calls = np.bincount(key, workload.duration_ns[is_read])
    size = np.bincount(key, workload.length[is_read])
    timed = in_calls > 0
    return float((size[timed] / in_calls[timed]).max() * 1e9)


def _bandwidths(
    numbers: _Numbers, best: float, best_stream: float, warnings: list[str]
) -> tuple[float, float]:
    stream = numbers.stream_bandwidth
    if stream is None:
        warnings.append(
            "the sizes do not tell bandwidth from latency: bandwidth is taken to be what the job drew at "
            "best, latency the rest of a read; 'mlopt probe DIR -o FILE' measures both"
        )
        return best, best
    stream = max(stream, min(best_stream, best))
    return max(stream, best), stream


def _readers_at_once(workload: Workload) -> int:
    """Each reader has one call out at a time, so the readers of an epoch bound what was seen."""
    is_read = workload.op == OP_READ
    pairs = np.unique(np.stack([workload.epoch[is_read], workload.worker[is_read].astype(np.int32)]), axis=1)
    return int(np.bincount(pairs[0]).max())


def _intervals(seen: _Seen, best: float) -> dict[str, tuple[float, float]]:
    random = np.random.default_rng(0)
    rows: dict[str, list[float]] = {}
    for _ in range(_RESAMPLES):
        numbers = _numbers(seen.resampled(random), best)
        found = {
            "latency_ns": numbers.latency_ns,
            "latency_sigma": numbers.latency_sigma,
            "metadata_latency_ns": numbers.metadata_latency_ns,
            "bandwidth": None if numbers.stream_bandwidth is None else max(best, numbers.stream_bandwidth),
        }
        for name, value in found.items():
            if value is not None:
                rows.setdefault(name, []).append(value)
    result = {}
    for name, values in rows.items():
        low, high = np.percentile(values, _INTERVAL)
        result[name] = (float(low), float(high))
    return result
