"""Trees that tell apart what a class mixes."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from learner.classes import FileClass, classify
from learner.features import file_features
from learner.rules import conditions
from learner.trees import split

EPOCHS = 4


@pytest.fixture
def mixed(make_job, group) -> Callable[..., tuple[pd.DataFrame, list[FileClass]]]:
    """Make a job of one class: some files read in each epoch, others once."""

    def make(kept: str, fresh: str, *, kept_size: int = 90_000, fresh_size: int = 300_000):
        once = [
            group(fresh.replace("#", str(epoch)), 20, fresh_size, epochs=(epoch,)) for epoch in range(EPOCHS)
        ]
        features = file_features([make_job([group(kept, 60, kept_size), *once], epochs=EPOCHS)])
        return features, classify(features)

    return make


def parts_of(features: pd.DataFrame, classes: list[FileClass]) -> dict[bool, FileClass]:
    assert len(classes) == 1
    found = split(features, classes)
    assert found is not None
    assert sum(part.n_files for part in found) == classes[0].n_files
    parts = {part.behaviour.reused: part for part in found}
    assert len(parts) == len(found) == 2
    return parts


def asked(part: FileClass) -> list[tuple[str, str, object]]:
    assert part.found is not None
    assert part.found.purity == 1.0
    assert list(part.found.conditions) == conditions(part)[-len(part.found.conditions) :]
    return [(each["property"], each["operator"], each["value"]) for each in part.found.conditions]


def test_a_size_is_found_and_rounded(mixed) -> None:
    features, classes = mixed("d/{:04}.bin", "d/#{:04}.bin")
    parts = parts_of(features, classes)
    assert asked(parts[True]) == [("size", "less_than", "256KiB")]
    assert asked(parts[False]) == [("size", "greater_equal", "256KiB")]
    assert parts[True].n_files == 60
    assert len({part.name for part in parts.values()}) == 2


def test_a_word_in_the_name_is_found_where_sizes_are_equal(mixed) -> None:
    features, classes = mixed("d/hot{:04}.bin", "d/new#{:04}.bin", fresh_size=90_000)
    parts = parts_of(features, classes)
    ((name, operator, value),) = asked(parts[True])
    assert (name, operator, value) in [("name", "contains", "hot"), ("name", "not_contains", "new")]


def test_what_only_reading_shows_is_asked_last(mixed) -> None:
    features, classes = mixed("d/{:04}.bin", "d/#{:04}.bin", fresh_size=90_000)
    assert split(features, classes) is None
    features["sequential_ratio"] = np.where(features["epochs_read"] > 1, 0.0, 1.0)
    parts = parts_of(features, classes)
    assert asked(parts[True]) == [("pattern", "not_equals", "sequential")]
    assert asked(parts[False]) == [("pattern", "equals", "sequential")]


def test_a_class_that_is_read_alike_stays_whole(make_job, group) -> None:
    features = file_features([make_job([group("d/{:04}.bin", 60, 90_000)], epochs=EPOCHS)])
    assert split(features, classify(features)) is None
