"""Epochs, workers, batches and work found in text whose truth is known."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from mlopt_engine._native import Tap
from traces.analysis import summarize, workload
from traces.analysis.facts import facts_of_job, file_uses, job_changes, run_facts
from traces.capture.build import Recorded, build
from traces.capture.roots import ReadFile, infer_roots
from traces.store import Trace
from traces.workload import OP_READ, OP_READDIR, assume_epochs

T0 = 1_000_000_000
HEAD = {
    "argv": ["job"], "cwd": "/", "host": "h", "kernel": "k", "ncpu": 2, "mem_bytes": 1, "tap": "strace",
    "tap_options": "", "sources": ["/data"], "inherited": [], "fuse_mounts": [],
    "fuse_daemons": [], "t0_ns": T0,
}  # fmt: skip
READ_NS = 1_000_000
WORK_NS = 2_000_000


@dataclass
class Job:
    """Writes the text of a made-up job."""

    lines: list[tuple[int, str]] = field(default_factory=list)

    def call(self, tid: int, at_ns: int, body: str, took_ns: int = 1000) -> None:
        stamp = f"{(T0 + at_ns) // 10**9}.{(T0 + at_ns) % 10**9:09d}"
        self.lines.append((at_ns, f"{tid} {stamp} {body} <{took_ns / 1e9:.9f}>"))

    def read_file(self, tid: int, at_ns: int, name: str, size: int = 5000) -> int:
        self.call(tid, at_ns, f'openat(AT_FDCWD, "/data/{name}", O_RDONLY) = 30')
        self.call(tid, at_ns + 2000, f'read(30, ""..., {size + 1}) = {size}', READ_NS)
        self.call(tid, at_ns + 4000 + READ_NS, f'read(30, "", {size + 1}) = 0')
        self.call(tid, at_ns + 6000 + READ_NS, "close(30) = 0")
        return at_ns + 10_000 + READ_NS

    def trace(self, path: Path) -> Trace:
        tap = Tap(b"/", [])
        tap.feed("".join(f"{line}\n" for _, line in sorted(self.lines)).encode())
        tap.finish()
        end = max(at for at, _ in self.lines) + 10_000_000
        build(path, [Recorded(tap, dict(HEAD), {"exit_code": 0, "dur_ns": end})])
        return Trace.open(path)


def loader(epochs: int, workers: int, batch: int, *, shuffle: bool) -> Job:
    """Main reads an index, workers fetch batches of file names by a pipe, main reads a validation file."""
    job, at, rng = Job(), 1000, random.Random(3)
    job.call(10, 0, 'execve("/job", [...], 0x7f) = 0')
    for w in range(workers):
        job.call(10, 100 + w, f"clone(child_stack=NULL, flags=SIGCHLD) = {20 + w}")
    names = [f"img/{i:03d}.jpg" for i in range(48)]
    for _ in range(epochs):
        at = job.read_file(10, at, "index.csv", 300)
        if shuffle:
            rng.shuffle(names)
        clock = [at] * workers
        for k in range(0, len(names), batch):
            w = (k // batch) % workers
            job.call(20 + w, clock[w], 'read(4, ""..., 4) = 4')
            clock[w] += 5000
            for name in names[k : k + batch]:
                clock[w] = job.read_file(20 + w, clock[w], name) + WORK_NS
        at = job.read_file(10, max(clock) + 1_000_000, "val/v.bin", 900) + 5_000_000
    return job


@pytest.mark.parametrize(("workers", "batch"), [(1, 4), (3, 4), (4, 6)])
def test_a_loaders_epochs_workers_and_batches_are_found(tmp_path: Path, workers: int, batch: int) -> None:
    with loader(4, workers, batch, shuffle=True).trace(tmp_path / "t.duckdb") as trace:
        found = workload(trace)
        facts = summarize(trace).facts
    assert len(found.epoch_seconds) == 4
    assert found.shuffled
    reads = found.op == OP_READ
    for epoch in range(4):
        inside = reads & (found.epoch == epoch)
        assert inside.sum() == 50
        assert found.files.path[found.file[inside][0]] == b"index.csv"
        assert found.files.path[found.file[inside][-1]] == b"val/v.bin"
    assert facts["consumer"]["batch_files"] == batch
    assert facts["consumer"]["fetchers"] == workers
    assert found.batch.max() + 1 == 4 * (48 // batch)
    assert found.consumer is not None
    # In the consumer's order, batches go round the workers.
    first = [int(found.worker[np.flatnonzero(found.batch == b)[0]]) for b in range(workers)]
    assert len(set(first)) == workers
    assert found.consumer.worker not in first
    assert facts["reuse"] == pytest.approx(4)


def test_a_fixed_order_is_not_called_shuffled(tmp_path: Path) -> None:
    with loader(3, 2, 4, shuffle=False).trace(tmp_path / "t.duckdb") as trace:
        found = workload(trace)
    assert len(found.epoch_seconds) == 3
    assert not found.shuffled


def test_workers_made_anew_each_epoch_keep_their_numbers(tmp_path: Path) -> None:
    job, at = Job(), 1000
    job.call(10, 0, 'execve("/job", [...], 0x7f) = 0')
    for epoch in range(3):
        ends = []
        for w in range(2):
            tid, clock = 100 + 10 * epoch + w, at
            job.call(10, at - 500 + w, f"clone(child_stack=NULL, flags=SIGCHLD) = {tid}")
            for k in range(w, 8, 2):
                job.call(tid, clock, 'read(4, ""..., 4) = 4')
                for i in range(3):
                    clock = job.read_file(tid, clock + 5000, f"{3 * k + i}.bin") + WORK_NS
            ends.append(clock)
            job.lines.append((clock, f"{tid} {(T0 + clock) / 1e9:.9f} +++ exited with 0 +++"))
        at = max(ends) + 10_000_000
    with job.trace(tmp_path / "t.duckdb") as trace:
        found = workload(trace)
    assert found.lock.shape == (2,)
    assert len(found.epoch_seconds) == 3


def test_epochs_inside_one_file_are_found_by_offsets(tmp_path: Path) -> None:
    job, at, rng = Job(), 1000, random.Random(5)
    job.call(10, 0, 'openat(AT_FDCWD, "/data/big.bin", O_RDONLY) = 3')
    offsets = [4096 * i for i in range(100)]
    for _ in range(3):
        rng.shuffle(offsets)
        for offset in offsets:
            job.call(10, at, f'pread64(3, ""..., 4096, {offset}) = 4096')
            at += 50_000
    with job.trace(tmp_path / "t.duckdb") as trace:
        found = workload(trace)
        facts = summarize(trace).facts
    assert len(found.epoch_seconds) == 3
    assert found.shuffled
    assert facts["inside_files"]
    assert facts["order_inside_files"]["random"] > 0.8


def test_draws_at_random_are_one_epoch(tmp_path: Path) -> None:
    job, at, rng = Job(), 1000, random.Random(7)
    job.call(10, 0, 'execve("/job", [...], 0x7f) = 0')
    for _ in range(400):
        at = job.read_file(10, at, f"{rng.randrange(60)}.bin")
    with job.trace(tmp_path / "t.duckdb") as trace:
        assert len(workload(trace).epoch_seconds) == 1


def test_replicas_side_by_side_are_one_epoch_in_one_order(tmp_path: Path) -> None:
    """Three processes read the same six files in the same order, each a little later than the one before."""
    job = Job()
    job.call(10, 0, 'execve("/job", [...], 0x7f) = 0')
    for replica in range(3):
        at = 10_000 + 500_000 * replica
        job.call(10, 100 + replica, f"clone(child_stack=NULL, flags=SIGCHLD) = {20 + replica}")
        for number in range(6):
            at = job.read_file(20 + replica, at, f"shard-{number}.bin")
    with job.trace(tmp_path / "t.duckdb") as trace:
        found = workload(trace)
    assert len(found.epoch_seconds) == 1
    assert not found.shuffled


def test_a_wait_of_one_reader_among_idle_ones_is_exposed(tmp_path: Path) -> None:
    """A pool of three threads that read one after the other: the job waits, though most threads are idle."""
    job, at = Job(), 10_000
    job.call(10, 0, 'execve("/job", [...], 0x7f) = 0')
    for thread in range(3):
        job.call(10, 100 + thread, f"clone(child_stack=NULL, flags=CLONE_VM|CLONE_THREAD) = {20 + thread}")
    for number in range(12):
        at = job.read_file(20 + number % 3, at, f"{number}.bin")
    with job.trace(tmp_path / "t.duckdb") as trace:
        (epoch,) = summarize(trace).facts["epochs"]
    assert epoch["exposed_wait_s"] >= 12 * READ_NS / 1e9


def test_a_trace_without_reads_gives_empty_columns_and_a_warning(tmp_path: Path) -> None:
    job = Job()
    job.call(10, 0, 'execve("/job", [...], 0x7f) = 0')
    with job.trace(tmp_path / "t.duckdb") as trace:
        assert len(workload(trace).op) == 0
        assert "no-reads" in [code for code, _ in summarize(trace).warnings]


def test_large_mappings_are_warned_of(tmp_path: Path) -> None:
    job = Job()
    job.call(10, 0, 'openat(AT_FDCWD, "/data/model.bin", O_RDONLY) = 3')
    job.call(10, 10, "fstat(3, {st_mode=S_IFREG|0644, st_size=8000000, ...}) = 0")
    job.call(10, 20, "mmap(NULL, 8000000, PROT_READ, MAP_SHARED, 3, 0) = 0x7f00")
    with job.trace(tmp_path / "t.duckdb") as trace:
        found = workload(trace)
        assert "mapped-files" in [code for code, _ in summarize(trace).warnings]
    assert found.length[found.op == OP_READ].tolist() == [8_000_000]


def test_assumed_epochs_repeat_the_set_in_another_order(tmp_path: Path) -> None:
    with loader(2, 2, 4, shuffle=True).trace(tmp_path / "t.duckdb") as trace:
        recorded = workload(trace)
    longer = assume_epochs(recorded, 5, seed=1)
    assert len(longer.epoch_seconds) == 5
    orders = []
    for epoch in range(5):
        inside = (longer.epoch == epoch) & (longer.op == OP_READ)
        assert len(np.unique(longer.file[inside])) == 50
        orders.append(longer.file[inside].tolist())
    assert len({tuple(order) for order in orders}) == 5
    assert longer.consumer is not None
    assert len(longer.consumer.cpu_ns) == longer.batch.max() + 1
    again = assume_epochs(recorded, 5, seed=1)
    assert (again.file == longer.file).all()
    assert assume_epochs(recorded, 2, seed=1) is recorded


@pytest.mark.parametrize(
    ("paths", "cwd", "expected"),
    [
        pytest.param({b"/d/s/a/1": 9, b"/d/s/b/2": 9}, b"/w", [b"/d/s"], id="one tree"),
        pytest.param(
            {b"/w/data/a/1": 9, b"/w/data/2": 9, b"/w/conf.yaml": 1}, b"/w", [b"/w/data"], id="below cwd"
        ),
        pytest.param(
            {b"/x/a/1": 9, b"/y/b/2": 5, b"/usr/lib/z": 99}, b"/w", [b"/x/a", b"/y/b"], id="two trees"
        ),
        pytest.param({b"/usr/lib/python3.11/os.py": 9}, b"/w", [], id="nothing but programs"),
    ],
)
def test_source_directories_are_inferred(paths: dict[bytes, int], cwd: bytes, expected: list[bytes]) -> None:
    files = [ReadFile(path, size) for path, size in paths.items()]
    assert infer_roots(files, cwd=cwd, mountpoints=[]) == expected


def test_a_trace_tells_what_job_it_was_and_how_its_files_were_read(tmp_path: Path) -> None:
    with loader(epochs=3, workers=2, batch=8, shuffle=True).trace(tmp_path / "t.duckdb") as trace:
        job = workload(trace)
    facts = job.facts
    assert (facts["workload.batch_size"], facts["system.cpu_count"], facts["system.time"]) == (8, 2, 1)
    assert "workload.framework" not in facts
    shown = facts_of_job(job)
    assert (shown["workload.type"], shown["workload.phase"], shown["workload.epoch"]) == (
        "training",
        "training",
        2,
    )
    phases = [change.facts.get("workload.phase") for change in job_changes(job)]
    # the index, one epoch that may be anything, then what comes again; each epoch ends with a validation
    assert phases[0] == "initialization" or phases[0] is None
    assert [phase for phase, _ in groupby(filter(None, phases))][-2:] == ["training", "validation"]
    trained = [size for path, size in zip(job.files.path, job.files.size, strict=True) if b"img/" in path]
    assert shown["workload.dataset_size"] == sum(trained)
    uses = {use.path: use for use in file_uses(job)}
    reads = job.op == OP_READ
    assert sum(use.reads for use in uses.values()) == reads.sum()
    assert sum(use.read_bytes for use in uses.values()) == job.length[reads].sum()
    trained = [use for path, use in uses.items() if b"img/" in path and use.reads]
    assert len(trained) > 32
    assert {use.pattern for use in trained} == {"shuffled"}


def test_a_folder_that_the_job_listed_is_no_file_of_it(tmp_path: Path) -> None:
    with loader(epochs=2, workers=1, batch=8, shuffle=True).trace(tmp_path / "t.duckdb") as trace:
        job = workload(trace)
    listed = replace(job, op=np.where(job.file == 0, OP_READDIR, job.op))
    paths = [use.path for use in file_uses(job)]
    assert [use.path for use in file_uses(listed)] == paths[1:]


def test_what_a_recording_saw_of_the_processes_stands_above_the_command_line(tmp_path: Path) -> None:
    tap = Tap(b"/", [])
    tap.feed(b'10 1.000000000 execve("/job", [...], 0x7f) = 0 <0.000001000>\n')
    tap.finish()
    head = HEAD | {"argv": ["python", "keras_predict.py"]}
    seen = {"workload.framework": "pytorch", "workload.world_size": 4}
    build(tmp_path / "t.duckdb", [Recorded(tap, head, {"exit_code": 0, "dur_ns": 9, "facts": seen})])
    with Trace.open(tmp_path / "t.duckdb") as trace:
        facts = run_facts(trace)
    assert facts["workload.framework"] == "pytorch"
    assert (facts["workload.type"], facts["workload.world_size"]) == ("inference", 4)
