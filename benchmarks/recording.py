"""What recording costs a job for each system call: `mlopt record` beside plain strace and no tracer at all.

Two jobs that do nothing but call: preads of 4 KiB in one file, and files that are opened, read once and
closed. strace alone runs with the very filter and format that `mlopt record` gives it, so the difference is
mlopt's own: tailing, parsing, logging and sampling beside the job. A job times its own loop; the time of the
whole command contains the start of both and the making of the database. The three ways take turns, each
figure is the median of its rounds.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from traces.capture.strace import traced_words

RESULT = Path(__file__).parent / "results" / "recording.json"
ROUNDS = 5
WAYS = ("bare", "strace", "mlopt")
PREADS = """
import os, sys, time
file = os.open(os.path.join(sys.argv[1], "0"), os.O_RDONLY)
begin = time.perf_counter()
for _ in range({count}):
    os.pread(file, 4096, 0)
print(time.perf_counter() - begin)
"""
OPENS = """
import os, sys, time
names = [os.path.join(sys.argv[1], str(number)) for number in range({count})]
begin = time.perf_counter()
for name in names:
    file = os.open(name, os.O_RDONLY)
    os.pread(file, 4096, 0)
    os.close(file)
print(time.perf_counter() - begin)
"""


@dataclass(frozen=True)
class Job:
    """One job: its program, how often it goes round, and its traced calls each time."""

    name: str
    program: str
    count: int
    calls_each: int


JOBS = (Job("small preads", PREADS, 50_000, 1), Job("many files", OPENS, 10_000, 3))


@dataclass(frozen=True)
class Run:
    """Seconds of the job's own loop, and of the whole command."""

    loop_s: float
    whole_s: float


def words(way: str, job: Job, data: Path, scratch: Path) -> list[str]:
    """Return the command line of a job in one of the ways."""
    command = [sys.executable, "-S", "-c", job.program.format(count=job.count), str(data)]
    if way == "strace":
        return traced_words(shutil.which("strace") or "strace", scratch / "text", command)
    if way == "mlopt":
        mlopt = Path(sys.executable).with_name("mlopt")
        return [str(mlopt), "record", "--force", "-o", str(scratch / "trace.duckdb"), "--", *command]
    return command


def run(way: str, job: Job, data: Path, scratch: Path) -> Run:
    """Run a job once."""
    begin = time.perf_counter()
    done = subprocess.run(words(way, job, data, scratch), check=True, capture_output=True, text=True)
    return Run(float(done.stdout.split()[0]), time.perf_counter() - begin)


def figures_of(job: Job, data: Path, scratch: Path) -> dict[str, object]:
    """Measure a job in all ways."""
    runs: dict[str, list[Run]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            runs[way].append(run(way, job, data, scratch))
    loop = {way: statistics.median(each.loop_s for each in runs[way]) for way in WAYS}
    whole = {way: statistics.median(each.whole_s for each in runs[way]) for way in WAYS}
    calls = job.count * job.calls_each
    return {
        "calls": calls,
        "us_per_call": {way: round(loop[way] / calls * 1e6, 2) for way in WAYS},
        "strace_over_bare": round(loop["strace"] / loop["bare"], 2),
        "mlopt_over_bare": round(loop["mlopt"] / loop["bare"], 2),
        "mlopt_over_strace": round(loop["mlopt"] / loop["strace"], 3),
        "whole_command_s": {way: round(whole[way], 2) for way in WAYS},
    }


def main() -> None:
    """Measure, print and keep the figures."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="mlopt-bench-") as directory:
        data, scratch = Path(directory, "data"), Path(directory, "scratch")
        data.mkdir()
        scratch.mkdir()
        for number in range(max(job.count for job in JOBS if job.program is OPENS)):
            (data / str(number)).write_bytes(bytes(4096))
        for job in JOBS:
            figures[job.name] = figures_of(job, data, scratch)
            print(job.name, json.dumps(figures[job.name]))
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}"
    RESULT.parent.mkdir(exist_ok=True)
    document = {"name": "recording", "figures": figures, "machine": machine, "commit": commit}
    RESULT.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
