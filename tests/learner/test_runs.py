"""What may train and what judges."""

import pytest

from learner.epochs import count_epochs
from learner.runs import make_run
from mlopt_engine.errors import InvalidInputError, RefusedError

ONCE = ("data/{}.bin", 40, 3 << 20, "same")


def test_the_last_epoch_is_not_seen_in_training(demo_job) -> None:
    run = make_run(demo_job, name="a", sha256="")
    assert (run.epochs, run.assumed_epochs, run.once) == (5, 0, False)
    assert count_epochs(run.training) == 4
    assert count_epochs(run.whole) == 5


@pytest.mark.parametrize("recorded", [2, 3])
def test_missing_epochs_are_made(recorded: int, make_job, group) -> None:
    job = make_job([group("d/{}.x", 30, 1000)], epochs=recorded)
    run = make_run(job, name="a", sha256="")
    assert (run.recorded_epochs, run.epochs) == (recorded, 4)
    assert count_epochs(run.whole) == 4
    orders = {tuple(run.whole.file[run.whole.epoch == epoch]) for epoch in range(4)}
    assert len(orders) == 4


def test_more_epochs_can_be_assumed(make_job, group) -> None:
    job = make_job([group("d/{}.x", 30, 1000)], epochs=1)
    run = make_run(job, name="a", sha256="", assumed_epochs=6)
    assert (run.once, run.epochs, run.assumed_epochs) == (False, 6, 5)


def test_one_epoch_without_rereads_is_data_read_once(make_job, group) -> None:
    job = make_job([group(*ONCE)], epochs=1)
    run = make_run(job, name="a", sha256="")
    assert run.once
    assert run.training.length.sum() == pytest.approx(0.75 * run.whole.length.sum(), rel=0.05)
    assert len(run.whole.files.path) - len(run.training.files.path) >= 5


def test_one_epoch_with_rereads_trains_and_judges_as_a_whole(make_job, group) -> None:
    job = make_job([group(*ONCE)], epochs=3)
    job.epoch[:] = 0
    run = make_run(job, name="a", sha256="")
    assert (run.once, run.is_single, run.assumed_epochs, run.judged) == (False, True, 0, "whole job")
    assert run.whole is job
    assert run.training is job


def test_a_trace_without_reads_is_refused_with_what_to_do(make_job, group) -> None:
    job = make_job([group(*ONCE)], epochs=1)
    job.op[:] = 0
    with pytest.raises(RefusedError, match=r"no read .*mlopt record --source DIR"):
        make_run(job, name="empty.duckdb", sha256="")


@pytest.mark.parametrize("count", [0, -1, 2, 3])
def test_too_few_assumed_epochs_are_refused(count: int, make_job, group) -> None:
    job = make_job([group(*ONCE)], epochs=1)
    with pytest.raises(InvalidInputError, match="--assume-epochs"):
        make_run(job, name="a", sha256="", assumed_epochs=count)
