"""Measure a storage in about ten seconds: existing files are read past the page cache, alone and together."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import mmap
import os
import random
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlopt_engine import _native
from mlopt_engine.errors import InvalidInputError, RefusedError
from simulator.scenario import WAKE_NS
from simulator.storage import StorageModel

SMALL, LARGE = 4096, 1 << 20
SIZES = (SMALL, 65_536, 262_144, LARGE)
THREADS = (4, 16, 64)
#: A quarter of the ten seconds for one reader at each size, the rest for many readers.
_ALONE_S, _TOGETHER_S = 0.7, 0.6
_WALK_S, _OPEN_S, _WALK_FILES = 2.0, 1.5, 4000
_FILES_MIN, _FILES_MAX = 4, 48
#: With fewer places to read from, a cache of the storage answers more than the storage.
_PLACES_MIN = 16
_PAGE_CACHE_S, _PAIRS = 1.0, 40
_RESAMPLES = 200
_INTERVAL = (5.0, 95.0)
#: Above this share of the readers the slots were never all taken.
_UNSATURATED = 0.85
_RISING = 1.3
_MODELLED = 3000
_OWN_LIMIT = 0.2
#: Below this latency nothing can be said about requests and page cache from times alone [ns].
_TOO_FAST_NS = 300_000.0
MIB = 1 << 20


@dataclass(frozen=True)
class Point:
    """Reads of one size by so many readers.

    Attributes
    ----------
    bytes : int
        Size of each read [bytes].
    readers : int
        Readers at once.
    requests : int
        Reads made.
    median_ns : float
        Median duration [ns].
    p10_ns : float
        10th percentile of the durations [ns].
    p99_ns : float
        99th percentile of the durations [ns].
    bytes_per_s : float
        Bytes that arrived, by time [bytes/s].
    """

    bytes: int
    readers: int
    requests: int
    median_ns: float
    p10_ns: float
    p99_ns: float
    bytes_per_s: float


@dataclass(frozen=True)
class ProbeResult:
    """A measured storage.

    Attributes
    ----------
    model : StorageModel
        The storage.
    intervals : dict of str to (float, float)
        90 % bootstrap interval of latency_ns, metadata_latency_ns and stream_bandwidth, in the model's units.
    points : tuple of Point
        What was measured.
    files : int
        Files read.
    is_direct : bool
        Whether O_DIRECT was possible; otherwise pages were dropped before each read.
    warnings : tuple of str
        What could not be measured well.
    """

    model: StorageModel
    intervals: dict[str, tuple[float, float]]
    points: tuple[Point, ...]
    files: int
    is_direct: bool
    warnings: tuple[str, ...]


@dataclass
class _Run:
    """All reads of one size by so many readers, and the CPU that they took."""

    size: int
    readers: int
    start_ns: NDArray[np.uint64]
    end_ns: NDArray[np.uint64]
    client_cpu_ns: float
    server_cpu_ns: float

    @property
    def durations(self) -> NDArray[np.float64]:
        return (self.end_ns - self.start_ns).astype(np.float64)

    @property
    def bytes_per_s(self) -> float:
        """Bytes that arrived behind the first fifth, in which the readers get going."""
        first, last = int(self.start_ns.min()), int(self.start_ns.max())
        arrivals = np.sort(self.end_ns)
        arrivals = arrivals[(arrivals > first + (last - first) // 5) & (arrivals <= last)]
        if len(arrivals) < 3:
            return float(len(self.end_ns) * self.size / (int(self.end_ns.max()) - first) * 1e9)
        return float((len(arrivals) - 1) * self.size / int(arrivals[-1] - arrivals[0]) * 1e9)

    @property
    def own_ns(self) -> float:
        """Time of each read that was this machine's: the simulator charges it to the cores [ns]."""
        return (self.client_cpu_ns + self.server_cpu_ns) / len(self.end_ns) + WAKE_NS

    def point(self) -> Point:
        p10, p50, p99 = np.percentile(self.durations, [10, 50, 99])
        return Point(
            self.size, self.readers, len(self.end_ns), float(p50), float(p10), float(p99), self.bytes_per_s
        )


@dataclass
class _Notes:
    warnings: list[str] = field(default_factory=list)


def probe(
    directory: Path,
    *,
    server_pid: int | None = None,
    on_progress: Callable[[float], None] | None = None,
    haste: float = 1.0,
    seed: int = 0,
) -> ProbeResult:
    """Measure the storage below a directory; nothing is written.

    Parameters
    ----------
    directory : Path
        A directory with files, best a few of a megabyte or more.
    server_pid : int, optional
        A process on this machine that serves the storage; its CPU time is measured too.
    on_progress : callable, optional
        Told the share done [1].
    haste : float
        2 halves the time of about ten seconds, and widens the intervals.
    seed : int
        Of the choice of files and places.

    Returns
    -------
    ProbeResult
        The storage as a model, with what it was concluded from.

    Raises
    ------
    InvalidInputError
        When the directory is missing, unreadable or holds no file of 4 KiB or more.
    RefusedError
        When its files cannot be read.
    """
    notes = _Notes()
    paths = _choose(directory, seed, notes)
    try:
        prober = _native.StorageProber(paths)
        sizes = _sizes([path.stat().st_size for path in paths])
        runs = list(_measure(prober, sizes, server_pid, on_progress, haste, seed))
    except OSError as error:
        raise RefusedError(
            f"the files cannot be read: {error.strerror}", where=str(directory), do="Check mode and mount"
        ) from error
    if not prober.is_direct:
        notes.warnings.append(
            "no O_DIRECT here: pages were dropped before each read, which may blur the times"
        )
    opens = np.asarray(prober.opens_ns, np.float64)
    model, intervals = _conclude(runs, opens, notes)
    model = _with_page_cache(model, paths, runs, server_pid, notes)
    return ProbeResult(
        model,
        intervals,
        tuple(run.point() for run in runs),
        len(opens),
        prober.is_direct,
        tuple(notes.warnings),
    )


def _choose(directory: Path, seed: int, notes: _Notes) -> list[Path]:
    """Pick some files of all sizes and the largest, as many as can be opened in a second and a half."""
    try:
        is_directory = stat.S_ISDIR(directory.stat().st_mode)
    except OSError as error:
        raise InvalidInputError(
            f"DIR is not there: {error.strerror}", where=str(directory), do="Name an existing directory"
        ) from error
    if not is_directory:
        raise InvalidInputError(
            "DIR is not a directory", where=str(directory), do="Name a directory with files"
        )
    deadline = time.monotonic() + _WALK_S
    found = list(
        itertools.islice(
            itertools.takewhile(lambda _: time.monotonic() < deadline, _files(directory)), _WALK_FILES
        )
    )
    usable = sorted((size, path) for size, path in found if size >= SMALL)
    if not usable:
        largest = max((size for size, _ in found), default=None)
        raise InvalidInputError(
            "no file of 4 KiB or more to read",
            where=str(directory),
            value="no files" if largest is None else f"{len(found)} files, the largest of {largest} bytes",
            do="Name a directory with data; a few files of 1 MiB or more measure best",
            code="nothing-to-probe",
        )
    if usable[-1][0] < LARGE:
        notes.warnings.append(
            f"the largest file has {usable[-1][0]} bytes: bandwidth is measured with reads smaller than 1 MiB"
        )
    if len(usable) < _FILES_MIN:
        notes.warnings.append(f"only {len(usable)} files: a cache of the storage may have answered")
    begun = time.monotonic()
    for size, path in usable[-_FILES_MIN:]:
        del size
        with path.open("rb"):
            pass
    each = (time.monotonic() - begun) / len(usable[-_FILES_MIN:])
    count = int(np.clip(_OPEN_S / max(each, 1e-6), _FILES_MIN, _FILES_MAX))
    chosen = usable[-_FILES_MIN:] + random.Random(seed).sample(usable, min(count, len(usable)))  # noqa: S311
    names = list(dict.fromkeys(path for _, path in chosen))
    for name in names:
        name.stat()  # so that the timed open has no lookup before it
    return names


def _sizes(files: list[int]) -> list[int]:
    """Choose the sizes of reads: up to 1 MiB where some files have it, else up to what a quarter of them has.

    Whole small files tell a bandwidth that 4 KiB reads cannot: with 5 ms and 16 slots those end at 13 MB/s.
    Three shards of a model are enough for 1 MiB: in 64 KiB a link of 200 MB/s looked like one of 51.
    """
    by_size = sorted(files)
    is_enough = sum(size // LARGE for size in files) >= _PLACES_MIN
    largest = LARGE if is_enough else by_size[-_FILES_MIN:][0]
    if largest < LARGE:
        largest = by_size[-max(_FILES_MIN, len(files) // 4) :][0]
    largest = min(LARGE, largest // SMALL * SMALL)
    return [size for size in SIZES if size <= largest // 2 or size == SMALL] + [largest] * (largest > SMALL)


def _files(directory: Path) -> Iterator[tuple[int, Path]]:
    """Walk breadth first, so that a deadline cuts the depth; links are not followed."""
    folders = [directory]
    while folders:
        folder = folders.pop(0)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            if folder == directory:
                raise InvalidInputError(
                    f"DIR cannot be listed: {error.strerror}", where=str(directory), do="Check its mode"
                ) from error
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield entry.stat(follow_symlinks=False).st_size, Path(entry.path)
            except OSError:
                continue


def _measure(
    prober: _native.StorageProber,
    sizes: list[int],
    server_pid: int | None,
    on_progress: Callable[[float], None] | None,
    haste: float,
    seed: int,
) -> Iterator[_Run]:
    together = [SMALL] if sizes[-1] == SMALL else [SMALL, sizes[-1]]
    plan = [(size, 1, _ALONE_S) for size in sizes]
    plan += [(size, threads, _TOGETHER_S) for size in together for threads in THREADS]
    for number, (size, threads, seconds) in enumerate(plan):
        client, server = time.process_time_ns(), _cpu_ns(server_pid)
        start, end, _ = prober.run(size, threads, int(seconds / haste * 1e9), seed + number)
        yield _Run(
            size,
            threads,
            start,
            end,
            time.process_time_ns() - client,
            _cpu_ns(server_pid) - server,
        )
        if on_progress is not None:
            on_progress((number + 1) / len(plan))


def _cpu_ns(pid: int | None) -> int:
    """CPU time of another process so far [ns]; 0 when there is none."""
    if pid is None:
        return 0
    try:
        return time.clock_gettime_ns(~pid << 3 | 2)  # the kernel's number of a process's CPU clock
    except OSError:
        return 0


def _conclude(
    runs: list[_Run], opens: NDArray[np.float64], notes: _Notes
) -> tuple[StorageModel, dict[str, tuple[float, float]]]:
    alone = {run.size: run for run in runs if run.readers == 1}
    latency, stream = _line(alone, [_waited(run) for run in alone.values()])
    together = [run for run in runs if run.readers > 1]
    size = max(run.size for run in together)
    at = {run.readers: run.bytes_per_s for run in together if run.size == size}
    bandwidth = max(*at.values(), alone[size].bytes_per_s)
    if at[THREADS[-1]] > _RISING * at[THREADS[-2]]:
        notes.warnings.append(
            f"{THREADS[-1]} readers still got more than {THREADS[-2]}: the bandwidth may be higher"
        )
    concurrency = _slots([run for run in together if run.size == SMALL], alone[SMALL], bandwidth, notes)
    fast, slow = np.percentile(_waited(alone[SMALL]), [25, 75])
    opens = np.maximum(opens - alone[SMALL].own_ns, _OWN_LIMIT * opens)
    model = StorageModel(
        name="probe",
        latency_ns=latency,
        latency_sigma=float(np.log(slow / fast) / 1.349),  # the distance of a normal's quartiles
        metadata_latency_ns=float(np.median(opens)),
        bandwidth=bandwidth,
        stream_bandwidth=bandwidth if stream is None else min(stream, 1e12),
        concurrency=concurrency,
        origin="probe",
        client_request_cpu_ns=alone[SMALL].client_cpu_ns / len(alone[SMALL].end_ns),
        request_cpu_ns=alone[SMALL].server_cpu_ns / len(alone[SMALL].end_ns),
    )
    if stream is None:
        notes.warnings.append(
            "one stream's bandwidth could not be told from its latency: the shared one is taken"
        )
    return model, _intervals(alone, opens)


def _waited(run: _Run) -> NDArray[np.float64]:
    """Durations without this machine's part; a fifth is the storage's at least [ns]."""
    return np.maximum(run.durations - run.own_ns, _OWN_LIMIT * run.durations)


def _line(alone: dict[int, _Run], durations: list[NDArray[np.float64]]) -> tuple[float, float | None]:
    """Latency [ns] and one stream's bandwidth [bytes/s] from median durations over sizes."""
    medians = np.asarray([np.median(each) for each in durations])
    if len(medians) < 2:
        return float(medians[0]), None
    # Times spread with their length: weigh them by it, or the large reads would set the latency.
    slope, intercept = np.polyfit(np.asarray(list(alone), np.float64), medians, 1, w=1 / medians)
    if slope <= 0 or intercept <= 0:
        return float(medians[0]), None
    return float(intercept), 1e9 / float(slope)


def _slots(small: list[_Run], alone: _Run, bandwidth: float, notes: _Notes) -> int:
    """Requests served at once: with so many the model answers small reads as fast as the storage did."""
    best = max(small, key=lambda run: run.bytes_per_s)
    measured = best.bytes_per_s / best.size
    most = max(run.readers for run in small)
    service_ns = _waited(alone)
    if _modelled_rate(service_ns, best, bandwidth, most) * _UNSATURATED < measured:
        notes.warnings.append(f"{most} readers did not take all slots: concurrency is at least {most}")
        return most
    low, high = 1, most
    while low < high:  # the rate grows with the slots
        middle = (low + high) // 2
        if _modelled_rate(service_ns, best, bandwidth, middle) < measured:
            low = middle + 1
        else:
            high = middle
    return low


def _modelled_rate(service_ns: NDArray[np.float64], run: _Run, bandwidth: float, slots: int) -> float:
    """Requests per second that the storage model answers when there are always readers waiting.

    Little's law alone would come out 10 % low: answers leave the one link in the order of their booking, so
    a short latency waits for a long one before it.
    """
    drawn = np.random.default_rng(1).choice(service_ns, _MODELLED)
    sending = run.size / bandwidth * 1e9
    free = [0.0] * slots
    link = 0.0
    for latency in drawn:
        start = heapq.heappop(free)
        link = max(start + max(0.0, float(latency) - sending), link) + sending
        heapq.heappush(free, link)
    return _MODELLED / link * 1e9


def _intervals(alone: dict[int, _Run], opens: NDArray[np.float64]) -> dict[str, tuple[float, float]]:
    draw = np.random.default_rng(0)
    rows: dict[str, list[float]] = {}
    for _ in range(_RESAMPLES):
        drawn = [draw.choice(_waited(run), min(len(run.end_ns), 2000)) for run in alone.values()]
        latency, stream = _line(alone, drawn)
        rows.setdefault("latency_ns", []).append(latency)
        rows.setdefault("metadata_latency_ns", []).append(float(np.median(draw.choice(opens, len(opens)))))
        if stream is not None:
            rows.setdefault("stream_bandwidth", []).append(stream)
    result = {}
    for name, values in rows.items():
        low, high = np.percentile(values, _INTERVAL)
        result[name] = (float(low), float(high))
    return result


def _with_page_cache(
    model: StorageModel, paths: list[Path], runs: list[_Run], server_pid: int | None, notes: _Notes
) -> StorageModel:
    """Read whole files as jobs do: whether pages stay from open to open, request size, CPU by the MiB."""
    buffer = mmap.mmap(-1, LARGE)  # page-aligned: others copy four times slower
    buffer[:] = bytes(LARGE)  # its page faults are nobody's cost
    pairs: list[tuple[int, int]] = []
    bytes_read = client = server = 0
    deadline = time.monotonic() + _PAGE_CACHE_S
    for path in itertools.islice(itertools.cycle(paths), _PAIRS):
        before = time.thread_time_ns(), _cpu_ns(server_pid)
        cold = _timed_whole(path, buffer, drop=True)
        after = time.thread_time_ns(), _cpu_ns(server_pid)
        warm = _timed_whole(path, buffer, drop=False)
        if cold is not None and warm is not None:
            client, server = client + after[0] - before[0], server + after[1] - before[1]
            bytes_read += cold[1]
            pairs.append((cold[0], warm[0]))
        if time.monotonic() > deadline:
            break
    if not bytes_read:
        return model
    cold_ns, warm_ns = np.asarray(pairs, np.float64).T
    is_fast = bool(np.median(cold_ns) < _TOO_FAST_NS)
    if is_fast:
        notes.warnings.append("too fast to tell kept pages from pages read again: they are taken to be kept")
    mib, files = bytes_read / MIB, len(pairs)
    return dataclasses.replace(
        model,
        keeps_page_cache=is_fast or bool(np.median(warm_ns / cold_ns) < 0.5),
        request_bytes=_request_bytes(model, runs),
        client_mib_cpu_ns=max(0.0, client - 2 * files * model.client_request_cpu_ns) / mib,
        mib_cpu_ns=max(0.0, server - 2 * files * model.request_cpu_ns) / mib,  # an open and a read each
    )


def _timed_whole(path: Path, buffer: mmap.mmap, *, drop: bool) -> tuple[int, int] | None:
    """Time the reads of a file's first MiB, opened anew [ns], and its bytes."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if drop:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        begun = time.monotonic_ns()
        length = os.preadv(file, [buffer], 0)
        return time.monotonic_ns() - begun, length
    except OSError:
        return None  # the timed reads before have told of lasting trouble
    finally:
        os.close(file)


def _request_bytes(model: StorageModel, runs: list[_Run]) -> int:
    """Largest piece that pays one latency only."""
    largest = max(run.size for run in runs)
    if largest < LARGE or model.latency_ns < _TOO_FAST_NS:
        return LARGE
    duration = float(
        np.median(next(run for run in runs if run.size == largest and run.readers == 1).durations)
    )
    pieces = (duration - largest / model.stream_bandwidth * 1e9) / model.latency_ns
    return int(largest / 2 ** round(np.log2(np.clip(pieces, 1, 16))))
