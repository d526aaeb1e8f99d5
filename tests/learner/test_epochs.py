"""Parts of a job keep their structure."""

import numpy as np
import pytest

from learner.epochs import count_epochs, first_epochs, sample_files, split_in_time


def test_first_epochs_end_where_they_should(demo_job) -> None:
    part = first_epochs(demo_job, 3)
    assert count_epochs(part) == 3
    assert len(part.epoch_seconds) == 3
    assert part.length.sum() == demo_job.length[demo_job.epoch < 3].sum()


def test_a_sample_has_its_share_of_bytes_and_dense_files(demo_job) -> None:
    part = sample_files(demo_job, 0.5, seed=3)
    assert part.length.sum() / demo_job.length.sum() == pytest.approx(0.5, abs=0.1)
    assert set(np.unique(part.file)) == set(range(len(part.files.path)))
    # the big file is sampled by range, not lost or kept as a whole
    big = part.files.path.index(b"archive/corpus.bin")
    assert part.files.size[big] == 40 << 20
    assert ((part.offset + part.length) <= part.files.size[part.file]).all()


def test_time_split_keeps_the_order_and_loses_no_byte(demo_job) -> None:
    split = split_in_time(first_epochs(demo_job, 1), 0.75)
    total = demo_job.length[demo_job.epoch == 0].sum()
    assert split.training.length.sum() + split.holdout.length.sum() == total
    assert split.training.length.sum() / total == pytest.approx(0.75, abs=0.02)
