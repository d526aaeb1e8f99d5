"""Types of the compiled module; one block per file of engine/py/src."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

__version__: str

# core.rs

class Core:
    """The deciding part of the engine, driven event by event.

    Parameters
    ----------
    plan_json : str
        A compiled recipe.

    Raises
    ------
    MloptError
        When the plan asks for what the engine does not have.
    """

    def __init__(self, plan_json: str) -> None: ...
    def handle(self, event_json: str, now_ns: int) -> None:
        """Take one event of ``engine/core/src/event.rs`` as JSON; the time never goes backwards [ns]."""

    def effects(self) -> list[str]:
        """Take the effects that wait, in order, each as JSON."""

    def stats(self) -> dict[str, Any]:
        """Return the counters; only what the core saw, silent hits are not counted."""

    def held(self) -> list[dict[str, Any]]:
        """Return what the cache policies hold: ``extent`` and ``tier`` of each block."""

def registry() -> dict[str, list[Any]]:
    """Return what the engine has, each with all that is known of it.

    Returns
    -------
    dict of str to list
        ``facts``, ``operators``, ``actions`` with their parameters, ``policies``, ``prefetchers``, and
        the words of ``file_types``, ``file_formats`` and ``access_patterns``.
    """

def replay_cache(
    policy: str,
    ids: NDArray[np.uint32],
    sizes: NDArray[np.uint64] | None,
    capacity: int,
    *,
    with_hits: bool = False,
) -> dict[str, Any]:
    """Count the misses of a policy over a sequence of accesses, without time.

    Parameters
    ----------
    policy : str
        As `registry` names it.
    ids : ndarray of uint32, shape (n,)
        Object of each access; dense, memory grows with the largest.
    sizes : ndarray of uint64, shape (n,), optional
        Size of each access's object [bytes]; each counts as one without. An object larger than the cache is
        never admitted, and victims leave until a new one fits.
    capacity : int
        Size of the cache [objects, or bytes].
    with_hits : bool
        Whether to return the hits too.

    Returns
    -------
    dict
        ``misses``, ``miss_bytes``, and with hits ``hits``: ndarray of bool, shape (n,).

    Raises
    ------
    MloptError
        When no policy has that name.
    ValueError
        When `sizes` has another length than `ids`.
    """

def lru_stack_distances(ids: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return for each access the smallest LRU cache in which it hits [objects], -1 for first accesses."""

# document.rs

MAX_DEPTH: int
MAX_FINDINGS: int
MAX_NODES: int

class Places:
    """Where the values of a text were written; `read_document` makes them."""

    def find(self, path: tuple[str | int, ...], *, key: bool = False) -> tuple[int, int]:
        """Return line and column, from 1, of the innermost thing on a path that was written.

        Parameters
        ----------
        path : tuple of str or int
            Keys and indexes from the top.
        key : bool
            The key's position instead of the value's.
        """

def read_document(
    text: str, is_json: bool
) -> tuple[dict[str, Any] | None, Places | None, list[tuple[str, str, tuple[int, int] | None, str]]]:
    """Read the text of a recipe.

    Parameters
    ----------
    text : str
        YAML or JSON.
    is_json : bool
        Whether it is JSON.

    Returns
    -------
    tuple
        The mapping on top, its places, and nothing else; or nothing, and what is wrong: code, message,
        line and column, what to do.
    """

def is_plain_text(text: str) -> bool:
    """Tell whether a word reads back as the same text without quotes.

    Parameters
    ----------
    text : str
        The word.

    Returns
    -------
    bool
        False for what looks like a constant, a number or one of the words that readers disagree on.
    """

# emulator.rs

class EmulatedStorage:
    """A slow storage in front of a directory, served by threads of this process.

    Parameters
    ----------
    source : str or PathLike
        Canonical directory with the data.
    mountpoint : str or PathLike
        Where it appears.
    fsname : str
        What the kernel shows as the mount's source.
    latency_ns : int
        Median latency [ns].
    jitter : float
        Standard deviation of the latency's natural logarithm [1].
    bandwidth : float
        Shared by all requests, infinite for no limit [bytes/s].
    concurrency : int
        Requests served at once.
    seed : int
        Seed of the latencies.
    keep_cache : bool
        Whether pages stay from one open to the next while a file is unchanged.
    allow_other : bool
        Whether other users see the files; only root may always ask for it.

    Raises
    ------
    OSError
        When it cannot be mounted; errno tells why.
    """

    def __init__(
        self,
        source: str | PathLike[str],
        mountpoint: str | PathLike[str],
        *,
        fsname: str,
        latency_ns: int,
        jitter: float,
        bandwidth: float,
        concurrency: int,
        seed: int,
        keep_cache: bool,
        allow_other: bool,
    ) -> None: ...
    def status(self) -> str:
        """Return the counters and the specification as JSON."""

    def log(self) -> str:
        """Return the first 65,536 requests since the start or the last reset as JSON."""

    def reset(self) -> None:
        """Set all counters to zero and forget the log."""

    def unmount(self, lazy: bool) -> None:
        """Unmount; raises OSError, with EBUSY when it is in use and not lazy."""

    def wait(self, limit_s: float) -> bool:
        """Wait until the mount has ended [s]; False when it lasts longer."""

# error.rs

class MloptError(Exception):
    """Base of every error that mlopt raises on purpose."""

# filetype.rs

FIRST_BYTES: int

class FileKind:
    """What kind of file this is.

    Attributes
    ----------
    type : str
        What rules call ``type``: model, dataset, checkpoint, config, tensor, log, tokenizer, index, unknown.
    format : str or None
        Name of the format in the engine's table.
    framework : str or None
        The framework that writes such files, where only one does.
    mime_type : str or None
        Where one is in use.
    by : str or None
        What told the format: ``content`` or ``name``.
    """

    @property
    def type(self) -> str: ...
    @property
    def format(self) -> str | None: ...
    @property
    def framework(self) -> str | None: ...
    @property
    def mime_type(self) -> str | None: ...
    @property
    def by(self) -> Literal["content", "name"] | None: ...

def detect(path: bytes | str | PathLike[str], first_bytes: bytes | None = None) -> FileKind:
    """Tell what kind of file this is.

    Parameters
    ----------
    path : bytes, str or path
        Its path or name; nothing is read.
    first_bytes : bytes, optional
        The beginning of its content; `FIRST_BYTES` are enough. Signatures in it win over the name.

    Returns
    -------
    FileKind
        Type ``unknown`` where nothing fits.
    """

# mount.rs

class MountSession:
    """A mount served by threads of this process; none of them ever calls Python."""

    def __new__(
        cls,
        source: str | PathLike[str],
        mountpoint: str | PathLike[str],
        plan_json: str,
        options_json: str,
    ) -> MountSession:
        """Mount and serve; an OSError carries the errno of what is missing."""

    def unmount(self, lazy: bool) -> None:
        """Unmount; not lazy, a busy mount is refused with OSError(EBUSY) and goes on."""

    def close(self) -> None:
        """Answer what waits and end the threads, after the unmount."""

    def reload(self, plan_json: str) -> None:
        """Swap the plan; MloptError when this mount cannot carry it out."""

    def set_facts(self, facts_json: str) -> None:
        """Hand over what is known of job and machine now, in place of what was."""

    def readers(self) -> list[int]:
        """Threads that read lately."""

    @property
    def is_served(self) -> bool:
        """Whether the kernel still talks to this process."""

    @property
    def warden_pid(self) -> int | None:
        """Process id of the warden, if one runs."""

    def stats_json(self) -> str:
        """Return all counters and gauges as a JSON object."""

    def decisions_json(self) -> str: ...
    def job_json(self) -> str:
        """Return what reads show of the job as a JSON object of facts; empty where no rule asks for it."""

    def rules_json(self) -> str:
        """Return the rules in force and what came of each as a JSON object."""

    def explain_json(self, path: bytes) -> str | None:
        """Return what happens to a file and why; None for what this mount has not shown yet."""

    def metrics_text(self) -> str:
        """Return all counters and gauges as Prometheus text."""

def serve_warden(mountpoint: str | PathLike[str]) -> None:
    """Be the warden of a mount, with orders on standard input and answers on standard output."""

def mounted_at(path: str | PathLike[str]) -> tuple[str, str, bool] | None:
    """Return type, fsname and whether the daemon is gone of what is mounted exactly here."""

def cached_bytes(path: str | PathLike[str]) -> int:
    """Ask cachestat(2) how much of a file the kernel holds, in whole pages [bytes]."""

def replay_journal(path: str | PathLike[str]) -> tuple[int, str | None]:
    """Feed a mount's journal to a fresh core: events replayed, the first difference as JSON."""

def clear_dead_mount(mountpoint: str | PathLike[str]) -> bool:
    """Clear a dead mount of ours; False when there is none."""

# probe.rs

class StorageProber:
    """Files that are open for timed reads past the page cache.

    Parameters
    ----------
    paths : list of str or PathLike
        The files; those that cannot be opened are left out.

    Raises
    ------
    OSError
        When none can be opened.
    """

    def __init__(self, paths: Sequence[str | PathLike[str]]) -> None: ...
    @property
    def is_direct(self) -> bool:
        """Whether reads go past the page cache; otherwise pages are dropped before each."""
    @property
    def opens_ns(self) -> list[int]:
        """Duration of each open [ns]."""

    def run(
        self, size: int, threads: int, limit_ns: int, seed: int
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Read pieces at random places; return start, end [ns] and bytes of each read.

        Raises OSError, with ENODATA when no file is so large.
        """

class MemoryFiles:
    """A mounted file system in memory, served by threads of this process; named by number from 0.

    Parameters
    ----------
    mountpoint : str or PathLike
        Where.
    files : int
        Number of files.
    file_bytes : int
        Bytes of each.
    answers_open : bool
        Answer OPEN; otherwise the kernel is told never to ask.

    Raises
    ------
    OSError
        When it cannot be mounted.
    """

    def __init__(
        self, mountpoint: str | PathLike[str], files: int, file_bytes: int, answers_open: bool
    ) -> None: ...
    def push(self, first: int, files: int) -> None:
        """Push all bytes of some files into the kernel's page cache."""

    def stop(self) -> None:
        """Unmount."""

# replay.rs

class RunningReplay:
    """A recorded job that is being done again by threads of this process.

    Parameters
    ----------
    directory : str or PathLike
        Where the files are.
    speed : float or None
        2 halves CPU times and waits; None leaves them out.
    holds : bool
        Stand still behind each epoch, in time that is not counted, until `go_on`.
    paths : list of bytes
        Files, relative to the directory.
    worker, op, file, offset, length, cpu_ns, wait_ns, epoch, batch : ndarray, shape (n,)
        Access columns as those of `traces.workload.Workload`.
    lock : ndarray of int32, shape (n_workers,)
        Interpreter lock of each worker, -1 for none.
    tail_cpu_ns : ndarray of int64, shape (n_epochs,)
        CPU time behind each epoch [ns].
    consumer : tuple or None
        CPU and waiting for each batch [ns], batches that each reader may be ahead.

    Raises
    ------
    OSError
        When the directory cannot be opened.
    MloptError
        When the columns do not fit together.
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        speed: float | None,
        *,
        holds: bool = ...,
        paths: list[bytes],
        worker: NDArray[Any],
        op: NDArray[Any],
        file: NDArray[Any],
        offset: NDArray[Any],
        length: NDArray[Any],
        cpu_ns: NDArray[Any],
        wait_ns: NDArray[Any],
        epoch: NDArray[Any],
        batch: NDArray[Any],
        lock: NDArray[Any],
        tail_cpu_ns: NDArray[Any],
        consumer: tuple[NDArray[Any], NDArray[Any], int] | None,
    ) -> None: ...
    def progress(self) -> float:
        """Return the share of accesses done [1]."""

    def held(self) -> int | None:
        """Return the epoch behind whose end it stands still, None while it runs."""

    def go_on(self) -> None:
        """Let it go on."""

    def cancel(self) -> None:
        """End soon."""

    def wait(self, limit_s: float) -> dict[str, Any] | None:
        """Return the outcome, or None when it is not there within this time [s]."""

# rules.rs

class Rules:
    """A plan's rules, ready to judge files.

    Parameters
    ----------
    plan_json : str
        The compiled recipe.
    """

    def __new__(cls, plan_json: str) -> Rules: ...
    def decide(
        self, path: bytes, size_bytes: int, live_json: str | None = None, facts_json: str | None = None
    ) -> str:
        """Decide what happens to a file.

        Parameters
        ----------
        path : bytes
            Relative to the source.
        size_bytes : int
            Its size [bytes].
        live_json : str, optional
            What was observed of it, as ``{"pattern": "sequential", "frequency": 3}``.
        facts_json : str, optional
            What is known of job and machine, as ``{"workload.framework": "pytorch"}``.

        Returns
        -------
        str
            The decision as JSON.
        """

    def explain(
        self, path: bytes, size_bytes: int, live_json: str | None = None, facts_json: str | None = None
    ) -> str:
        """Decide what happens to a file, and say why.

        Parameters
        ----------
        path : bytes
            Relative to the source.
        size_bytes : int
            Its size [bytes].
        live_json : str, optional
            What was observed of it.

        Returns
        -------
        str
            The decision, every rule and every condition as JSON.
        """

    def decide_repeatedly(self, path: bytes, size_bytes: int, times: int) -> int:
        """Decide for one file many times, to measure the cost of a decision.

        Parameters
        ----------
        path : bytes
            Relative to the source.
        size_bytes : int
            Its size [bytes].
        times : int
            How often.

        Returns
        -------
        int
            Number of rules applied, summed.
        """

def check_condition(fact: str, operator: str, value_json: str) -> str | None:
    """Say what is wrong with a condition.

    Parameters
    ----------
    fact : str
        Canonical name, as ``file.size``.
    operator : str
        As ``less_than``.
    value_json : str
        The value as JSON.

    Returns
    -------
    str or None
        What is wrong; None when the condition can be compiled.
    """

# scan.rs

class RuleScan:
    """Judge every file of a tree, or of a trace, by a plan's rules.

    Parameters
    ----------
    plan_json : str
        The compiled recipe.
    root : str or PathLike, optional
        The tree; links are not followed. The traced files themselves without one.
    starts : list of str or PathLike
        Where to start below the root: directories or single files; the root itself by default.
    options_json : str
        ``limit``: how many files are explained, shared out among treatments (null: all); ``why_not``: index
        of the rule whose silence is asked for; ``tree_depth``: folders down to it are counted; ``content``:
        look at first bytes; ``facts``: what is known of job and machine.
    traced : list of tuple
        Of each file of a trace: path, size [bytes], modification time [ns], pattern, reads, bytes read.

    Raises
    ------
    OSError
        When the root cannot be listed.
    """

    def __new__(
        cls,
        plan_json: str,
        root: str | PathLike[str] | None = None,
        starts: Sequence[str | PathLike[str]] = ...,
        options_json: str = "{}",
        traced: list[tuple[bytes, int, int, str | None, int, int]] = ...,
    ) -> RuleScan: ...
    def advance(self, files: int) -> int:
        """Look at more files.

        Parameters
        ----------
        files : int
            At most so many.

        Returns
        -------
        int
            How many; 0 when the walk is over.
        """

    def report(self) -> str:
        """Give what was found so far.

        Returns
        -------
        str
            Totals, explained files, a summary by rule and what was unreadable, as JSON.
        """

# observe.rs

def observe_job(
    paths: list[bytes],
    sizes: NDArray[np.int64],
    reader: NDArray[np.uint32],
    file: NDArray[np.uint32],
    offset: NDArray[np.int64],
    length: NDArray[np.int64],
    work: str | None = None,
) -> list[tuple[int, str]]:
    """Tell what reads show of the job, as a mount would see it.

    Parameters
    ----------
    paths : list of bytes
        The files, relative to the source.
    sizes : ndarray of int64
        Their sizes [bytes].
    reader : ndarray of uint32
        Who made each read, in the order of time.
    file : ndarray of uint32
        Index of the file read.
    offset, length : ndarray of int64
        What was read [bytes].
    work : str, optional
        What the job's processes tell that it does, as ``workload.type``.

    Returns
    -------
    list of tuple
        After which read each change came, and the facts from there on, as JSON.
    """

def observe_reads(
    paths: list[bytes],
    sizes: NDArray[np.int64],
    reader: NDArray[np.uint32],
    file: NDArray[np.uint32],
    offset: NDArray[np.int64],
    length: NDArray[np.int64],
) -> list[tuple[str | None, int, int]]:
    """Tell what reads show of their order, as a mount would see it.

    Parameters
    ----------
    paths : list of bytes
        The files, relative to the source.
    sizes : ndarray of int64
        Their sizes [bytes].
    reader : ndarray of uint32
        Who made each read, in the order of time.
    file : ndarray of uint32
        Index of the file read.
    offset, length : ndarray of int64
        What was read [bytes].

    Returns
    -------
    list of tuple
        For each file its access pattern if one shows, reads, and bytes read.
    """

# shim.rs

def isatty_shim() -> bytes:
    """Return a shared library whose preloaded ``isatty`` sends no message for regular files.

    Returns
    -------
    bytes
        An ELF shared object of about 5 kB, to be written to a private folder and named in ``LD_PRELOAD``.
    """

# tap.rs

class Tap:
    """One recording, live or replayed: strace's text in, columns out.

    Parameters
    ----------
    cwd : bytes
        Working directory of the job's first process.
    inherited : list of tuple
        Descriptors that it has open at its start: (number, path, position [bytes]).
    """

    def __new__(cls, cwd: bytes, inherited: list[tuple[int, bytes, int]]) -> Tap: ...
    rows_waiting: int
    """Rows not taken yet."""

    def feed(self, text: bytes) -> None:
        """Take the next piece of strace's text; it may end anywhere.

        Parameters
        ----------
        text : bytes
            The text.
        """

    def finish(self) -> None:
        """Say that no text follows."""

    def begin(self, log: str, spool: str, head: bytes) -> None:
        """Begin to write the log and to tail the tracer's file.

        Parameters
        ----------
        log : str
            The log to create.
        spool : str
            The file that the tracer writes.
        head : bytes
            Facts about the run.
        """

    def watch(self, pid: int, role: str) -> None:
        """Sample all threads of a process too.

        Parameters
        ----------
        pid : int
            The process.
        role : str
            Whose it is: job, tracer, recorder or daemon.
        """

    def tick(self, t_ns: int, tree: bool) -> int:
        """Take in what the tracer wrote, sample CPU times, log both.

        Parameters
        ----------
        t_ns : int
            Now, by the tracer's clock [ns].
        tree : bool
            Find the job's threads in /proc, for want of a tracer.

        Returns
        -------
        int
            Bytes of text taken in.
        """

    def end(self, end: bytes) -> None:
        """Write the last frame.

        Parameters
        ----------
        end : bytes
            How the run ended.
        """

    def replay(self, log: str, spool: str | None) -> dict[str, Any]:
        """Take in a log and what the tracer wrote after it.

        Parameters
        ----------
        log : str
            The log.
        spool : str or None
            The tracer's file.

        Returns
        -------
        dict
            head and end (bytes or None), lost_bytes, last_sample_ns.
        """

    def take_rows(self) -> dict[str, NDArray[Any]]:
        """Take the rows that are final.

        Returns
        -------
        dict
            The columns of the trace's access table.
        """

    def take_samples(self) -> dict[str, NDArray[Any]]:
        """Take the CPU samples.

        Returns
        -------
        dict
            tid, t_ns, cpu_ns, delay_ns.
        """

    def files(self) -> list[tuple[bytes, str | None, int | None, int | None]]:
        """List the files seen.

        Returns
        -------
        list of tuple
            Path, kind, first and last size [bytes].
        """

    def threads(self) -> list[tuple[int, int, int, int, int | None, int | None]]:
        """List the threads seen in the text.

        Returns
        -------
        list of tuple
            pid, tid, ppid, start [ns], end [ns], exit code or -signal.
        """

    def identities(self) -> list[tuple[int, int, int, str, bytes, bytes]]:
        """List the threads seen in /proc.

        Returns
        -------
        list of tuple
            pid, tid, ppid, role, name, command line (words separated by NUL).
        """

    def counts(self) -> dict[str, int]:
        """Count what was understood and what was not.

        Returns
        -------
        dict
            lines, calls, unreadable, halves, orphans, unresolved.
        """

def traced_calls() -> tuple[list[str], list[str]]:
    """Name the system calls that the strace tap asks for.

    Returns
    -------
    tuple of list
        All of them, and those whose vectors must be printed whole.
    """

def operation_names() -> list[str]:
    """Name the operations of a trace in the order of their numbers.

    Returns
    -------
    list of str
        The names.
    """

def redact(words: list[bytes]) -> list[bytes]:
    """Mask the secrets in a command line.

    Parameters
    ----------
    words : list of bytes
        The command line.

    Returns
    -------
    list of bytes
        The same, values of words that look secret replaced.
    """

# sim.rs

class SimulatedJob:
    """A recorded job, sorted for the replay in virtual time."""

    def __new__(
        cls,
        paths: list[bytes],
        sizes: NDArray[np.int64],
        mtimes_ns: NDArray[np.int64],
        worker: NDArray[np.uint32],
        op: NDArray[np.uint8],
        file: NDArray[np.uint32],
        offset: NDArray[np.int64],
        length: NDArray[np.int64],
        cpu_ns: NDArray[np.int64],
        wait_ns: NDArray[np.int64],
        epoch: NDArray[np.int32],
        batch: NDArray[np.int32],
        lock: NDArray[np.int32],
        tail_cpu_ns: NDArray[np.int64],
        consumer: tuple[NDArray[np.int64], NDArray[np.int64], int] | None,
    ) -> Self: ...
    def journal(self, scenario: str, seed: int) -> str:
        """Run the job once behind a mount and return a JSON list of events with their effects.

        Parameters
        ----------
        scenario : str
            The question as JSON.
        seed : int
            For what is drawn.

        Returns
        -------
        str
            Objects with ``seq``, ``now``, ``event``, ``effects``; empty without a mount.

        Raises
        ------
        MloptError
            When the scenario is not one, or a read is never answered.
        """

    def simulate(self, scenario: str, seeds: list[int], threads: int) -> str:
        """Run the job once for each seed and return a JSON list of what each run found.

        Parameters
        ----------
        scenario : str
            The question as JSON: storage, costs, cores, what stands between job and storage.
        seeds : list of int
            One run each.
        threads : int
            Runs at the same time.

        Returns
        -------
        str
            A list of objects with ``epochs``, ``stall_s``, ``cpu_s``, ``failed_reads``, ``accesses``.

        Raises
        ------
        MloptError
            When the engine refuses the scenario or the job cannot come to its end.
        """
