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
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

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
    """A mounted file system in memory and the process behind it."""

    def __init__(self, process: subprocess.Popen[str], mountpoint: Path, files: int) -> None:
        self.process = process
        self.mountpoint = mountpoint
        self.names = [str(mountpoint / str(number)) for number in range(files)]
        self._clock = ~process.pid << 3 | 2  # the kernel's number of a process's CPU clock

    def cpu(self, work: Callable[[], object], each: int | None = None) -> _Cpu:
        """Measure the CPU that some work takes, of this thread and of the daemon."""
        files = each or len(self.names)
        before = time.thread_time_ns(), time.clock_gettime_ns(self._clock)
        work()
        client = time.thread_time_ns() - before[0]
        daemon = time.clock_gettime_ns(self._clock) - before[1]
        return _Cpu(client / files / 1e3, daemon / files / 1e3)

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


def _round(folder: Path, native: Path) -> dict[str, _Cpu]:
    found: dict[str, _Cpu] = {}
    with _served(folder, FILES, SMALL, answers_open=True) as small:
        found["lookup"] = small.cpu(lambda: _stat_all(small.names))
        found["stat"] = small.cpu(lambda: _stat_all(small.names))
        found["open"] = small.cpu(lambda: _open_all(small.names))
        found["native open"] = small.cpu(lambda: _open_all([str(native / str(n)) for n in range(FILES)]))
    with _served(folder, FILES, SMALL, answers_open=False) as small:
        _open_all(small.names)
        found["silent open"] = small.cpu(lambda: _open_all(small.names))
        found["read small"] = small.cpu(lambda: _read_all(small.names, SMALL))
        found["silent small"] = small.cpu(lambda: _read_all(small.names, SMALL))
        found["drop and open"] = small.cpu(lambda: _drop_all(small.names))
        found["fill small"] = small.cpu(small.push)
    with _served(folder, LARGE_FILES, LARGE, answers_open=False) as large:
        _open_all(large.names)
        found["read large"] = large.cpu(lambda: _read_all(large.names, LARGE))
        found["silent large"] = large.cpu(lambda: _read_all(large.names, LARGE))
        found["silent large open"] = large.cpu(lambda: _open_all(large.names))
        found["drop large and open"] = large.cpu(lambda: _drop_all(large.names))
        found["fill large"] = large.cpu(large.push)
        same = [str(native / f"large-{number}") for number in range(LARGE_FILES)]
        _read_all(same, LARGE)
        found["native large"] = large.cpu(lambda: _read_all(same, LARGE))
    return found


def _costs(cpu: dict[str, _Cpu]) -> FuseCosts:
    """Take apart what was measured: each cost is the difference of two passes."""

    def above(name: str, base: str) -> float:
        return max(0.0, cpu[name].sum - cpu[base].sum)

    read_small, read_large = above("read small", "silent small"), above("read large", "silent large")
    fill_small, fill_large = cpu["fill small"].sum, cpu["fill large"].sum
    drop_small = above("drop and open", "silent open")
    drop_large = above("drop large and open", "silent large open")
    # Small reads move 1/256 MiB, which hardly shows; what a large one costs more is its bytes'.
    read_mib = max(0.0, read_large - read_small)
    fill_mib = max(0.0, fill_large - fill_small)
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
        drop_us=drop_small + max(0.0, drop_large - drop_small) * TYPICAL_BYTES / LARGE,
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


_buffers: dict[int, mmap.mmap] = {}


def _buffer(length: int) -> mmap.mmap:
    """A page-aligned buffer whose pages exist: neither faults nor bad alignment shall count."""
    buffer = _buffers.get(length)
    if buffer is None:
        buffer = _buffers[length] = mmap.mmap(-1, length)
        buffer[:] = bytes(length)
    return buffer


@contextlib.contextmanager
def _served(folder: Path, files: int, file_bytes: int, *, answers_open: bool) -> Iterator[_Served]:
    """Mount in a child: a process that uses its own mount can hang for ever."""
    mountpoint = folder / "mount"
    mountpoint.mkdir(exist_ok=True)
    content = json.dumps([str(mountpoint), files, file_bytes, answers_open])
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "simulator.fuse_probe", content],
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
        yield _Served(process, mountpoint, files)
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


def serve(content: str) -> int:
    """Run the child: mount, push when told, unmount at the end of the input.

    Parameters
    ----------
    content : str
        JSON list of mountpoint, files, bytes of each, whether OPEN is answered.

    Returns
    -------
    int
        Exit code.
    """
    mountpoint, files, file_bytes, answers_open = json.loads(content)
    try:
        mounted = _native.MemoryFiles(mountpoint, files, file_bytes, answers_open)
    except OSError as error:
        _say({"ok": False, "errno": error.errno, "what": error.strerror})
        return 1
    try:
        _say({"ok": True})
        for line in sys.stdin:
            if line.strip() == "push":
                mounted.push(0, files)
                sys.stdout.write("done\n")
                sys.stdout.flush()
    finally:
        mounted.stop()
    return 0


def _say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(serve(sys.argv[1]))
