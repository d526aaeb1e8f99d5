"""Parts of a job keep their structure."""

import numpy as np
import pytest

from learner.epochs import count_epochs, first_epochs, first_part, sample_files


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


def test_first_part_ends_where_its_share_was_read(demo_job) -> None:
    job = first_epochs(demo_job, 1)
    part = first_part(job, 0.75)
    assert part.length.sum() / job.length.sum() == pytest.approx(0.75, abs=0.02)
    assert (part.length == job.length[: len(part.length)]).all()
