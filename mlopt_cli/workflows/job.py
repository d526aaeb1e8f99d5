"""Runs the demo's job and measures it from outside: its own lines, and the emulator's counters."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlopt_cli.demo.train
from mlopt_cli.workflows.memory_cgroup import MemoryCgroup, OutOfMemoryError
from mlopt_engine.errors import RefusedError

#: How often the job's anonymous memory is looked at [s].
_SAMPLE_SECONDS = 0.2


@dataclass(frozen=True)
class JobSpec:
    """What to run.

    Attributes
    ----------
    data : Path
        Directory that it reads.
    output : Path
        Where its checkpoints go.
    epochs : int
        Epochs.
    workers : int
        Worker processes.
    """

    data: Path
    output: Path
    epochs: int
    workers: int = 4

    def command(self) -> list[str]:
        """Write the command line.

        Returns
        -------
        list of str
            As a user would type it.
        """
        return [
            sys.executable,
            str(Path(mlopt_cli.demo.train.__file__)),
            str(self.data),
            "--output",
            str(self.output),
            "--epochs",
            str(self.epochs),
            "--workers",
            str(self.workers),
        ]


@dataclass
class Measured:
    """What one run of the job showed.

    Attributes
    ----------
    epoch_s : list of float
        Epoch times by the job's own clock [s].
    source_bytes : list of int
        Bytes that the source served in each epoch [bytes].
    source_requests : list of int
        READs that the source served in each epoch.
    checksum : str
        Of all bytes read, in their order.
    model : str
        Hash of the trained model.
    anonymous_bytes : int
        Peak anonymous memory of the job's processes, 0 when not measured [bytes].
    """

    epoch_s: list[float] = field(default_factory=list)
    source_bytes: list[int] = field(default_factory=list)
    source_requests: list[int] = field(default_factory=list)
    checksum: str = ""
    model: str = ""
    anonymous_bytes: int = 0


def run_job(
    words: list[str],
    counters: Callable[[], dict[str, Any]],
    on_line: Callable[[dict[str, Any]], None],
    cgroup: MemoryCgroup | None = None,
) -> Measured:
    """Run a command whose innermost part is the job, and measure it.

    Parameters
    ----------
    words : list of str
        The command, with whatever stands around the job.
    counters : callable
        Returns the emulator's status.
    on_line : callable
        Told each line of the job.
    cgroup : MemoryCgroup, optional
        Run inside of it.

    Returns
    -------
    Measured
        The run.

    Raises
    ------
    RefusedError
        When the job fails, with the end of what it said.
    OutOfMemoryError
        When the cgroup was too small for it.
    """
    measured = Measured()
    before = _served(counters())
    process = subprocess.Popen(
        cgroup.wrap(words) if cgroup else words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    said: list[str] = []
    listener = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
    listener.start()
    watcher = _Watcher(process, cgroup)
    try:
        for text in process.stdout or ():
            line = json.loads(text)
            now = _served(counters())
            if "epoch" in line:
                measured.epoch_s.append(line["seconds"])
                measured.source_bytes.append(now[0] - before[0])
                measured.source_requests.append(now[1] - before[1])
            before = now
            measured.checksum = line.get("checksum", measured.checksum)
            measured.model = line.get("model", measured.model)
            on_line(line)
        code = process.wait()
    except BaseException:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
    finally:
        measured.anonymous_bytes = watcher.stop()
        listener.join(timeout=5)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    if watcher.is_out_of_memory():
        raise OutOfMemoryError
    if code != 0:
        raise RefusedError(
            f"the job ended with {code}: {' '.join(said[-3:]).strip()}",
            where=" ".join(words[-7:]),
            code="job",
        )
    return measured


def _served(status: dict[str, Any]) -> tuple[int, int]:
    reads = status["operations"]["read"]
    return int(reads["bytes"]), int(reads["count"])


class _Watcher:
    """Samples the anonymous memory of a cgroup on a thread of its own.

    The kernel kills one process of a group that is too small; the others would wait for it, and the job's
    output stay open, for ever. So they end too.
    """

    def __init__(self, process: subprocess.Popen[str], cgroup: MemoryCgroup | None) -> None:
        self.process = process
        self.cgroup = cgroup
        self.killed_before = cgroup.killed() if cgroup else 0
        self.peak = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while self.cgroup is not None and not self.over.wait(_SAMPLE_SECONDS):
            self.peak = max(self.peak, self.cgroup.anonymous_bytes())
            if self.process.poll() is not None or self.is_out_of_memory():
                self.cgroup.kill()

    def is_out_of_memory(self) -> bool:
        """Tell whether the kernel killed a process because the group was too small."""
        return self.cgroup is not None and self.cgroup.killed() > self.killed_before

    def stop(self) -> int:
        """End sampling; return the peak [bytes]."""
        self.over.set()
        self.thread.join()
        return self.peak
