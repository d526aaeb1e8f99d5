"""Measure what FUSE itself costs on this machine: a file system in memory, served by a child process."""

from __future__ import annotations

import contextlib
import errno
import json
import mmap
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlopt_engine import _native
from mlopt_engine.errors import MissingPrerequisiteError, RefusedError
from simulator.fuse_costs import FuseCosts

FILES = 1500
SMALL, LARGE = 4096, 1 << 20
#: Large files are few: each pass over them moves this many MiB.
LARGE_FILES = 64
ROUNDS = 3
#: The model has one number for dropping a block; it is that of an image file.
TYPICAL_BYTES = 110_000
SERVED_FILES = 800
_READERS = 8
#: Drops follow their replies by 1 ms; this much later all are done [s].
_DROPS_DONE_S = 0.1
_READY_S = 20.0
_PERMISSION = frozenset({errno.EPERM, errno.EACCES, errno.ENODEV, errno.ENOENT})


@dataclass(frozen=True)
class FuseProbe:
    """FUSE's costs as measured here.

    Attributes
    ----------
    costs : FuseCosts
        In the units that the simulator charges.
    client_us : dict of str to float
        CPU of the reader for each kind [us each].
    daemon_us : dict of str to float
        CPU of the daemon for each kind [us each].
    """

    costs: FuseCosts
    client_us: dict[str, float]
    daemon_us: dict[str, float]


@dataclass(frozen=True)
class _Cpu:
    """CPU time of one pass: of the reader and of the daemon, for each file [us]."""

    client: float
    daemon: float

    @property
    def sum(self) -> float:
        return self.client + self.daemon


class _Served:
    """A mounted file system and the process behind it."""

    def __init__(self, process: subprocess.Popen[str], mountpoint: Path, files: int, warden: int) -> None:
        self.process = process
        self.mountpoint = mountpoint
        self.names = [str(mountpoint / str(number)) for number in range(files)]
        self.warden = warden

    def cpu(self, work: Callable[[], object]) -> _Cpu:
        """Measure the CPU that some work takes, of this thread and of the daemon."""
        before = time.thread_time_ns(), _cpu_ns(self.process.pid)
        work()
        client = time.thread_time_ns() - before[0]
        daemon = _cpu_ns(self.process.pid) - before[1]
        return _Cpu(client / len(self.names) / 1e3, daemon / len(self.names) / 1e3)

    def served_cpu(self) -> tuple[_Cpu, _Cpu]:
        """Measure what a READ from the daemon's part costs the daemon, and its drop the warden.

        By several readers at once: those whose costs decide are many, and their drops go out in company. A
        lone reader's cost the warden 41 us each instead of 23.
        """
        before = _cpu_ns(self.process.pid), _cpu_ns(self.warden)
        with ThreadPoolExecutor(_READERS) as readers:
            parts = [self.names[number::_READERS] for number in range(_READERS)]
            list(readers.map(lambda part: _read_all(part, TYPICAL_BYTES), parts))
        time.sleep(_DROPS_DONE_S)
        daemon, warden = _cpu_ns(self.process.pid) - before[0], _cpu_ns(self.warden) - before[1]
        each = len(self.names) * 1e3
        return _Cpu(0.0, daemon / each), _Cpu(0.0, warden / each)

    def push(self) -> None:
        """Let the daemon push all files into the page cache; returns when it has."""
        assert self.process.stdin is not None  # noqa: S101 - narrows the type
        assert self.process.stdout is not None  # noqa: S101 - narrows the type
        self.process.stdin.write("push\n")
        self.process.stdin.flush()
        if self.process.stdout.readline().strip() != "done":
            raise RefusedError("pushing pages into the kernel failed", do="See 'mlopt doctor'")


def probe_fuse(on_progress: Callable[[float], None] | None = None, *, rounds: int = ROUNDS) -> FuseProbe:
    """Measure LOOKUP, OPEN, READ, push, drop and silent hits, reader and daemon apart.

    Parameters
    ----------
    on_progress : callable, optional
        Told the share done [1].
    rounds : int
        Measurements; of each cost the median is kept.

    Returns
    -------
    FuseProbe
        The costs.

    Raises
    ------
    MissingPrerequisiteError
        When FUSE or the right to mount is missing.
    RefusedError
        When the measurement did not work.
    """
    found: list[dict[str, _Cpu]] = []
    with tempfile.TemporaryDirectory(prefix="mlopt-probe-") as folder:
        native = Path(folder, "native")
        native.mkdir()
        for number in range(FILES):
            (native / str(number)).write_bytes(bytes(SMALL))
        for number in range(LARGE_FILES):  # as many as in the mount: one file would stay in the CPU's cache
            (native / f"large-{number}").write_bytes(bytes(LARGE))
        typical = Path(folder, "typical")
        typical.mkdir()
        for number in range(SERVED_FILES):
            (typical / str(number)).write_bytes(bytes(TYPICAL_BYTES))
        with _on_one_core():
            for number in range(rounds):
                found.append(_round(Path(folder), native))
                if on_progress is not None:
                    on_progress((number + 1) / rounds)
    median = {
        name: _Cpu(
            float(np.median([each[name].client for each in found])),
            float(np.median([each[name].daemon for each in found])),
        )
        for name in found[0]
    }
    return FuseProbe(
        _costs(median),
        {name: cpu.client for name, cpu in median.items()},
        {name: cpu.daemon for name, cpu in median.items()},
    )


@contextlib.contextmanager
def _on_one_core() -> Iterator[None]:
    """Keep reader and daemon on one core, as they are when all cores are busy and these costs decide.

    Where each message wakes an idle core it costs two to four times as much, in time that nobody else wants.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _round(folder: Path, native: Path) -> dict[str, _Cpu]:
    found: dict[str, _Cpu] = {}
    with _served(folder, FILES, {"file_bytes": SMALL, "answers_open": True}) as small:
        found["lookup"] = small.cpu(lambda: _stat_all(small.names))
        found["stat"] = small.cpu(lambda: _stat_all(small.names))
        found["open"] = small.cpu(lambda: _open_all(small.names))
        found["native open"] = small.cpu(lambda: _open_all([str(native / str(n)) for n in range(FILES)]))
    with _served(folder, FILES, {"file_bytes": SMALL, "answers_open": False}) as small:
        _open_all(small.names)
        found["silent open"] = small.cpu(lambda: _open_all(small.names))
        found["read small"] = small.cpu(lambda: _read_all(small.names, SMALL))
        found["silent small"] = small.cpu(lambda: _read_all(small.names, SMALL))
        _drop_all(small.names)
        found["fill small"] = small.cpu(small.push)
    with _served(folder, LARGE_FILES, {"file_bytes": LARGE, "answers_open": False}) as large:
        _open_all(large.names)
        found["read large"] = large.cpu(lambda: _read_all(large.names, LARGE))
        found["silent large"] = large.cpu(lambda: _read_all(large.names, LARGE))
        _drop_all(large.names)
        found["fill large"] = large.cpu(large.push)
        same = [str(native / f"large-{number}") for number in range(LARGE_FILES)]
        _read_all(same, LARGE)
        found["native large"] = large.cpu(lambda: _read_all(same, LARGE))
    with _served(folder, SERVED_FILES, {"source": str(folder / "typical")}) as typical:
        _read_all(typical.names, TYPICAL_BYTES)
        time.sleep(_DROPS_DONE_S)
        found["served"], found["drop"] = typical.served_cpu()
    return found


def _costs(cpu: dict[str, _Cpu]) -> FuseCosts:
    """Take apart what was measured: each cost is the difference of two passes."""

    def above(name: str, base: str) -> float:
        return max(0.0, cpu[name].sum - cpu[base].sum)

    read_small, read_large = above("read small", "silent small"), above("read large", "silent large")
    fill_small, fill_large = cpu["fill small"].sum, cpu["fill large"].sum
    # Small reads move 1/256 MiB, which hardly shows; what a large one costs more is its bytes'.
    read_mib = max(0.0, read_large - read_small)
    fill_mib = max(0.0, fill_large - fill_small)
    bare, bare_large = cpu["read small"].daemon, cpu["read large"].daemon
    bare_typical = bare + max(0.0, bare_large - bare) * TYPICAL_BYTES / LARGE
    messages = ("lookup", "open", "read small", "read large")
    client = sum(max(0.0, cpu[name].client) for name in messages)
    everything = sum(cpu[name].sum for name in messages)
    return FuseCosts(
        lookup_us=above("lookup", "stat"),
        open_us=above("open", "native open"),
        read_us=read_small,
        read_us_per_mib=read_mib,
        fill_us=fill_small,
        fill_us_per_mib=fill_mib,
        serve_us=max(0.0, cpu["served"].daemon - bare_typical),
        drop_us=cpu["drop"].daemon,
        silent_us=above("silent open", "native open"),
        silent_us_per_mib=above("silent large", "native large"),
        client_share=client / everything if everything else 0.5,
        origin="measured",
    )


def _stat_all(names: list[str]) -> None:
    for name in names:
        os.stat(name)  # noqa: PTH116 - a Path's own work would count


def _open_all(names: list[str]) -> None:
    for name in names:
        os.close(os.open(name, os.O_RDONLY))


def _read_all(names: list[str], length: int) -> None:
    buffer = _buffer(length)
    for name in names:
        file = os.open(name, os.O_RDONLY)
        if os.preadv(file, [buffer], 0) != length:
            os.close(file)
            raise RefusedError("a file of the measurement was short", where=name)
        os.close(file)


def _drop_all(names: list[str]) -> None:
    for name in names:
        file = os.open(name, os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


_buffers: dict[tuple[int, int], mmap.mmap] = {}


def _buffer(length: int) -> mmap.mmap:
    """A thread's page-aligned buffer whose pages exist: neither faults nor bad alignment shall count."""
    key = (threading.get_ident(), length)
    buffer = _buffers.get(key)
    if buffer is None:
        buffer = _buffers[key] = mmap.mmap(-1, length)
        buffer[:] = bytes(length)
    return buffer


def _cpu_ns(pid: int) -> int:
    """CPU time of a process so far, by the kernel's number of its clock."""
    return time.clock_gettime_ns(~pid << 3 | 2)


@contextlib.contextmanager
def _served(folder: Path, files: int, content: dict[str, object]) -> Iterator[_Served]:
    """Mount in a child: a process that uses its own mount can hang for ever."""
    mountpoint = folder / "mount"
    mountpoint.mkdir(exist_ok=True)
    words = json.dumps({"mountpoint": str(mountpoint), "files": files, **content})
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "simulator.fuse_probe", words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # an interrupt ends the measurement, which then ends the child
    )
    assert process.stdout is not None  # noqa: S101 - narrows the type
    try:
        said = json.loads(process.stdout.readline() or "{}")
        if said.get("ok") is not True:
            kind = MissingPrerequisiteError if said.get("errno") in _PERMISSION else RefusedError
            raise kind(
                f"FUSE cannot be measured: {said.get('what', 'the child process ended')}",
                do="See 'mlopt doctor'",
            )
        yield _Served(process, mountpoint, files, said["warden"])
    finally:
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()  # the child unmounts at the end of its input
        try:
            process.wait(_READY_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


#: Everything kept by the daemon and nothing by the kernel, as an lru class is.
_KEPT_BY_DAEMON = {
    "version": 1, "seed": 0, "block_bytes": LARGE, "observe": "none", "staleness_ns": 3_600_000_000_000,
    "threshold": 0.5, "max_rules": 5,
    "tiers": {"memory": {"bytes": 1 << 28, "kernel_share": 0.0}, "disk": {"bytes": 0, "dir_required": False}},
    "rules": [{
        "id": "all", "priority": 0, "order": 0, "match": "all",
        "origin": {"layer": "built-in", "file": "probe", "line": 1},
        "conditions": [{"fact": "file.path", "op": "glob", "value": "**", "weight": 1.0, "required": False}],
        "actions": [{"type": "cache", "parameters": {"policy": "lru", "share": 1.0}}],
    }],
}  # fmt: skip
_WARDEN = "import sys; from mlopt_engine import _native; _native.serve_warden(sys.argv[1])"


def serve(content: str) -> int:
    """Run the child: mount, push when told, unmount at the end of the input.

    Parameters
    ----------
    content : str
        JSON with ``mountpoint`` and ``files``; ``source`` for a mount as users have it, or ``file_bytes`` and
        ``answers_open`` for files in memory.

    Returns
    -------
    int
        Exit code.
    """
    spec = json.loads(content)
    try:
        if "source" in spec:
            _serve_source(spec)
        else:
            _serve_memory(spec)
    except OSError as error:
        _say({"ok": False, "errno": error.errno, "what": error.strerror})
        return 1
    return 0


def _serve_memory(spec: dict[str, Any]) -> None:
    files = spec["files"]
    mounted = _native.MemoryFiles(spec["mountpoint"], files, spec["file_bytes"], spec["answers_open"])
    try:
        _say({"ok": True, "warden": 0})
        for line in sys.stdin:
            if line.strip() == "push":
                mounted.push(0, files)
                sys.stdout.write("done\n")
                sys.stdout.flush()
    finally:
        mounted.stop()


def _serve_source(spec: dict[str, Any]) -> None:
    options = {
        "fsname": "mlopt:probe", "deadline_ns": 10_000_000_000, "allow_other": False,
        "check_permissions": True, "fuse_threads": min(4, max(2, os.cpu_count() or 2)), "fetch_threads": 8,
        "sweep_ns": 3_600_000_000_000, "read_ahead_kib": 1024,
        "warden": [sys.executable, "-P", "-c", _WARDEN], "journal": None,
    }  # fmt: skip
    session = _native.MountSession(
        spec["source"], spec["mountpoint"], json.dumps(_KEPT_BY_DAEMON), json.dumps(options)
    )
    try:
        _say({"ok": True, "warden": session.warden_pid})
        sys.stdin.read()
    finally:
        session.unmount(True)
        session.close()


def _say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(serve(sys.argv[1]))
