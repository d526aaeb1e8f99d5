"""What a job does with each file."""

import numpy as np
import pytest

from learner.features import COLUMNS, file_features
from traces.workload import OP_READ


def test_reads_bytes_and_epochs_are_counted_per_file(make_job, group) -> None:
    job = make_job([group("a/x.bin", 1, 3 << 20, "same"), group("b/y.txt", 1, 10, epochs=(1,))], epochs=3)
    table = file_features([job]).set_index("path")
    # x.bin: 3 reads of 1 MiB in each of 3 epochs; y.txt: one read in epoch 1
    assert table.loc["a/x.bin", "reads"] == 9
    assert table.loc["a/x.bin", "bytes_read"] == 9 << 20
    assert table.loc["a/x.bin", "epochs_read"] == 3
    assert table.loc["a/x.bin", "bucket"] == "medium"
    assert table.loc["a/x.bin", "sequential_ratio"] == 1.0
    assert table.loc["b/y.txt", "epochs_read"] == 1
    assert table.loc["b/y.txt", "extension"] == "txt"
    assert np.isnan(table.loc["b/y.txt", "next_position"])
    assert list(file_features([job]).columns) == list(COLUMNS)


def test_waiting_is_what_the_record_shows(make_job, group) -> None:
    job = make_job([group("a/x.bin", 1, 3 << 20, "same")], epochs=2)
    table = file_features([job])
    assert table["wait_ns"].sum() == job.duration_ns.sum() > 0


def test_random_reads_inside_a_file_are_not_sequential(make_job, group) -> None:
    job = make_job([group("a/x.bin", 1, 8 << 20, "same")], epochs=1, workers=1)
    job.offset[job.op == OP_READ] = np.array([5, 2, 7, 1, 6, 3, 4, 0]) << 20
    # 3 -> 4 goes on, and the read at 0 counts as a start
    assert file_features([job])["sequential_ratio"].item() == pytest.approx(2 / 8)


def test_two_runs_of_one_file_are_one_row(make_job, group) -> None:
    runs = [make_job([group("a/{}.bin", 3, 100)], epochs=2, seed=seed) for seed in (1, 2)]
    table = file_features(runs)
    assert len(table) == 3
    assert set(table["epochs"]) == {4}
    assert set(table["reads"]) == {4}


def test_a_job_without_reads_has_no_rows(make_job, group) -> None:
    job = make_job([group("a/x.bin", 1, 100)], epochs=1)
    job.op[:] = 0
    assert len(file_features([job])) == 0
