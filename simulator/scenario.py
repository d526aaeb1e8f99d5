"""One question to the simulator, and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from simulator.fuse_costs import FuseCosts
from simulator.storage import StorageModel
from traces.workload import Workload

#: What a job has without mlopt.
Baseline = Literal["source", "page_cache"]

#: Runs per question: medians of five were stable to 1 % in the prototype.
SEEDS = (1, 2, 3, 4, 5)
#: Wake-up behind a wait for the source [ns], measured on a virtual machine of 2 cores.
WAKE_NS = 60_000
#: A storage slower than this makes its readers sleep [ns]; a faster one is not told from the page cache.
SLEEP_NS = 100_000
#: What an open or read that sleeps costs its reader above one that the page cache answers, where the storage
#: does not say: the client's own work, the wake-up and cold caches. Measured with one reader of 100 KB files
#: on a FUSE storage of 5 ms: .95 ms CPU per file for open, read and work, .63 ms once all is held [ns].
SLEEPING_REQUEST_CPU_NS = 140_000


@dataclass(frozen=True)
class Scenario:
    """A job, a storage, and what stands between them.

    Attributes
    ----------
    workload : Workload
        The recorded job.
    plan_json : str or None
        The compiled recipe; None for a baseline.
    baseline : {'source', 'page_cache'} or None
        The source as it is, or behind Linux's page cache of `memory_bytes`.
    storage : StorageModel
        The source.
    fuse : FuseCosts
        What FUSE costs.
    memory_bytes : int
        The budget; the plan carries its own, which must be the same [bytes].
    cpus : int
        Cores that job and daemon share.
    seeds : tuple of int
        One run each.
    draw_cpu : bool or None
        Draw the CPU time of each item from a gamma distribution of shape 6 around the recorded value; None
        draws unless the recorded values vary by themselves.
    replays : bool
        The job is `mlopt replay`, which burns the recorded CPU times in all, its calls included; False is the
        job itself, whose CPU time depends on what its calls cost.
    with_bounds : bool
        Compute the bounds too, which takes three more runs.
    wake_ns : int
        Delay of a wake-up behind a wait for the source [ns].
    read_ahead_bytes : int
        Largest READ and read-ahead of the mount [bytes].
    fetch_threads : int
        Source reads that the daemon has under way at once; the mount lets half of its 64 threads into one
        directory.
    daemon_threads : int
        Threads of the daemon that answer the kernel.
    """

    workload: Workload
    plan_json: str | None
    baseline: Baseline | None
    storage: StorageModel
    fuse: FuseCosts
    memory_bytes: int
    cpus: int
    seeds: tuple[int, ...] = SEEDS
    draw_cpu: bool | None = None
    replays: bool = False
    with_bounds: bool = True
    wake_ns: int = WAKE_NS
    read_ahead_bytes: int = 1 << 20
    fetch_threads: int = 32
    daemon_threads: int = 4

    def __post_init__(self) -> None:
        if (self.plan_json is None) == (self.baseline is None):
            raise ValueError("a scenario has either a plan or a baseline")
        if not self.seeds:
            raise ValueError("a scenario needs at least one seed")


@dataclass(frozen=True)
class Outcome:
    """What the simulator found; medians over the seeds.

    Attributes
    ----------
    epoch_s : list of float
        Time of each epoch, the job's work behind it included [s].
    epoch_s_spread : list of float
        Longest less shortest over the seeds, for each epoch [s].
    epoch_s_by_seed : list of list of float
        Time of each epoch under each seed; what is drawn for a job depends on the seed alone, so two outcomes
        can be compared seed by seed [s].
    resident_ratio : float
        Reads that found everything held, of all reads after the first epoch [1].
    prefetched_ratio : float
        Reads that found everything because of a prefetch [1].
    hit_ratio_by_bytes : float
        Bytes on pages that were held or prefetched, of all bytes read after the first epoch [1].
    epoch_hit_ratio : list of float
        Hits of both kinds by reads, for each epoch [1].
    epoch_hit_ratio_by_bytes : list of float
        The same by bytes.
    source_bytes : list of int
        Read from the source in each epoch [bytes].
    source_requests : list of int
        Requests to the source in each epoch, metadata included.
    stall_s : float
        Time that a reader waited for data, all epochs, the mean over the readers [s].
    stall_s_by_worker : list of float
        The same for each reader [s].
    cpu_s : float
        CPU time of job and daemon together [s].
    failed_reads : int
        Reads that ended with an error.
    accesses : int
        Accesses simulated in each run.
    memory_bytes : int
        The budget [bytes].
    storage : str
        Name of the storage.
    bounds : dict
        For ``belady``, ``infinite`` and ``no_io``: ``epoch_s`` and ``hit_ratio``; empty without bounds.
    assumptions : list of str
        What the result rests on and was not measured.
    decisions : dict or None
        Under the first seed: how many decisions on files were ``made``, and the latest in ``kept``; None
        where the plan asks for no trace.
    """

    epoch_s: list[float]
    epoch_s_spread: list[float]
    epoch_s_by_seed: list[list[float]]
    resident_ratio: float
    prefetched_ratio: float
    hit_ratio_by_bytes: float
    epoch_hit_ratio: list[float]
    epoch_hit_ratio_by_bytes: list[float]
    source_bytes: list[int]
    source_requests: list[int]
    stall_s: float
    stall_s_by_worker: list[float]
    cpu_s: float
    failed_reads: int
    accesses: int
    memory_bytes: int
    storage: str
    bounds: dict[str, dict[str, Any]] = field(default_factory=dict)
    assumptions: list[str] = field(default_factory=list)
    decisions: dict[str, Any] | None = None

    @property
    def hit_ratio(self) -> dict[str, float]:
        """Hit ratios after the first epoch: both kinds by reads, then together by reads and by bytes."""
        return {
            "resident": self.resident_ratio,
            "prefetched": self.prefetched_ratio,
            "by_reads": self.resident_ratio + self.prefetched_ratio,
            "by_bytes": self.hit_ratio_by_bytes,
        }

    @property
    def steady_epoch_s(self) -> float:
        """Mean time of the epochs after the first, which has no reuse [s]."""
        rest = self.epoch_s[1:] or self.epoch_s
        return sum(rest) / len(rest) if rest else 0.0

    def row(self) -> dict[str, Any]:
        """Return the row of a command's JSON.

        Returns
        -------
        dict
            As published for ``simulate``; the caller adds ``recipe``.
        """
        return {
            "memory_bytes": self.memory_bytes,
            "disk_bytes": 0,
            "storage": self.storage,
            "epoch_s": self.epoch_s,
            "epoch_s_spread": self.epoch_s_spread,
            "hit_ratio": self.hit_ratio,
            "epoch_hit_ratio": self.epoch_hit_ratio,
            "source_bytes": self.source_bytes,
            "source_requests": self.source_requests,
            "stall_s": self.stall_s,
            "cpu_s": self.cpu_s,
            "failed_reads": self.failed_reads,
            "bounds": self.bounds,
        } | ({"decisions": self.decisions} if self.decisions is not None else {})
