"""Replays of made-up jobs on real files: what is read, in which order, and that the work between is done."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mlopt_cli.main import main
from mlopt_cli.workflows.replay import ReplayResult, replay
from mlopt_engine.errors import InvalidInputError, RefusedError
from simulator.testing import JobShape, synthetic_workload
from traces.workload import OP_READ, OP_READDIR, OP_STAT, Workload

MS = 1_000_000
SHAPE = JobShape(files=20, file_bytes=50_000, epochs=2, workers=3, batch_files=4, shuffled=True)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "train").mkdir()
    for number in range(SHAPE.files):
        (tmp_path / "train" / f"{number:06}.bin").write_bytes(bytes([number]) * SHAPE.file_bytes)
    return tmp_path


def job(**changes: object) -> Workload:
    return synthetic_workload(dataclasses.replace(SHAPE, **changes))  # type: ignore[arg-type]


def test_every_recorded_byte_is_read_once_per_epoch(data: Path) -> None:
    result = replay(job(), data, None)
    assert result.epoch_bytes == [SHAPE.files * SHAPE.file_bytes] * 2
    assert result.bytes_read == 2 * SHAPE.files * SHAPE.file_bytes
    assert (result.accesses, result.errors, result.problems) == (2 * 2 * SHAPE.files, 0, [])
    assert len(result.epoch_s) == 2
    assert result.total_s == pytest.approx(sum(result.epoch_s))


def test_the_checksum_depends_on_content_and_place_and_not_on_order(data: Path) -> None:
    same = [
        replay(job(seed=seed, workers=workers), data, None).checksum for seed, workers in [(0, 3), (5, 1)]
    ]
    assert same[0] == same[1]
    (data / "train" / "000007.bin").write_bytes(b"\xff" + bytes([7]) * (SHAPE.file_bytes - 1))
    assert replay(job(), data, None).checksum != same[0]


def test_reads_of_parts_add_up_to_the_file(data: Path) -> None:
    result = replay(job(read_bytes=16_384), data, None)
    assert result.bytes_read == 2 * SHAPE.files * SHAPE.file_bytes
    assert result.errors == 0


@pytest.mark.parametrize("shares_lock", [False, True], ids=["own processes", "one interpreter"])
def test_cpu_time_is_burnt_by_the_readers(data: Path, shares_lock: bool) -> None:
    # 2 epochs x 20 files x 2 ms = 80 ms of CPU; one interpreter computes on one core at a time.
    before = time.process_time()
    result = replay(job(cpu_ns=2 * MS, batch_files=0, shares_lock=shares_lock), data, 1.0)
    assert time.process_time() - before >= 0.9 * 0.080
    if shares_lock:
        assert result.total_s >= 0.9 * 0.080


def test_speed_scales_the_work(data: Path) -> None:
    before = time.process_time()
    replay(job(cpu_ns=4 * MS, batch_files=0), data, 4.0)
    used = time.process_time() - before
    assert 0.9 * 0.040 <= used < 0.160  # of the recorded 160 ms a quarter


def test_the_consumer_and_the_work_behind_an_epoch_take_their_time(data: Path) -> None:
    # 5 batches an epoch, each 4 ms of waiting and 1 ms of computing, 10 ms behind each epoch: 35 ms an epoch.
    made = job(consumer_cpu_ns=1 * MS, consumer_wait_ns=4 * MS)
    made = dataclasses.replace(made, epoch_tail_cpu_ns=np.full(2, 10 * MS, np.int64))
    result = replay(made, data, 1.0)
    assert min(result.epoch_s) >= 0.030
    assert replay(made, data, None).bytes_read == result.bytes_read


def test_true_waits_are_slept(data: Path) -> None:
    made = job(batch_files=0, workers=1)
    waits = np.where(made.op == OP_READ, 1 * MS, 0).astype(np.int64)
    result = replay(dataclasses.replace(made, wait_ns=waits), data, 1.0)
    assert min(result.epoch_s) >= SHAPE.files * 1e-3


def test_stats_and_listings_are_done_too(data: Path) -> None:
    made = job(batch_files=0)
    paths = [*made.files.path[:-1], b"train"]
    op = made.op.copy()
    is_directory = made.file == len(paths) - 1
    op[is_directory] = OP_READDIR
    op[(made.file == 3)] = OP_STAT
    made = dataclasses.replace(made, op=op, files=dataclasses.replace(made.files, path=paths))
    result = replay(made, data, None)
    assert result.errors == 0
    assert result.bytes_read == 2 * (SHAPE.files - 2) * SHAPE.file_bytes


def test_missing_and_shorter_files_are_counted_and_named(data: Path) -> None:
    whole = replay(job(), data, None)
    (data / "train" / "000003.bin").unlink()
    (data / "train" / "000004.bin").write_bytes(b"short")
    result = replay(job(), data, None)
    reasons = dict(result.problems)
    assert "No such file" in reasons["train/000003.bin"]
    assert reasons["train/000004.bin"] == "shorter than recorded"
    assert result.errors == 2 * 2 + 2
    assert result.checksum != whole.checksum


def test_paths_that_lead_out_of_the_directory_are_not_followed(data: Path) -> None:
    made = job()
    paths = [b"../outside", *made.files.path[1:]]
    made = dataclasses.replace(made, files=dataclasses.replace(made.files, path=paths))
    result = replay(made, data, None)
    assert dict(result.problems)["../outside"].startswith("Invalid argument")


def test_when_nothing_is_there_the_answer_is_no(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="not one of 80 accesses"):
        replay(job(), tmp_path, None)


def test_bad_directories_and_speeds_are_named(data: Path) -> None:
    for directory in [data / "missing", data / "train" / "000000.bin"]:
        with pytest.raises(InvalidInputError) as caught:
            replay(job(), directory, None)
        assert caught.value.where == str(directory)
    for speed in [0.0, -1.0, float("nan"), float("inf")]:
        with pytest.raises(InvalidInputError) as caught:
            replay(job(), data, speed)
        assert caught.value.where == "--speed"


def test_an_interrupted_replay_ends_soon(data: Path) -> None:
    def interrupt(share: float) -> None:
        assert 0.0 <= share <= 1.0
        raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        replay(job(cpu_ns=60_000 * MS), data, 1.0, on_progress=interrupt)
    assert time.monotonic() - begun < 60


def test_the_command_refuses_what_is_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path / "missing.duckdb"), str(tmp_path)]) == 4
    assert main(["replay", str(tmp_path / "missing.duckdb"), str(tmp_path), "--speed", "fast"]) == 2
    assert "--speed" in capsys.readouterr().err


@pytest.mark.strace
def test_a_recorded_job_is_replayed_from_its_trace(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace = tmp_path / "run.duckdb"
    names = [str(data / "train" / f"{number:06}.bin") for number in range(6)]
    record = ["record", "-o", str(trace), "--source", str(data / "train"), "--", "cat", *names]
    with (tmp_path / "out").open("wb") as out:
        program = "import sys; from mlopt_cli.main import main; sys.exit(main(sys.argv[1:]))"
        recorded = subprocess.run(
            [sys.executable, "-c", program, *record],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    if recorded.returncode == 125:
        pytest.skip(f"strace cannot trace here: {recorded.stderr}")
    assert recorded.returncode == 0, recorded.stderr
    assert main(["replay", str(trace), str(data / "train"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["bytes_read"] == 6 * SHAPE.file_bytes
    (data / "train" / "000002.bin").unlink()
    assert main(["replay", str(trace), str(data / "train"), "--speed", "max"]) == 1
    assert "000002.bin" in capsys.readouterr().err


def test_results_are_plain_values(data: Path) -> None:
    result = replay(job(), data, None)
    assert isinstance(result, ReplayResult)
    assert int(result.checksum, 16) >= 0
