"""Classes that a person would also have made."""

from learner.classes import classify
from learner.features import file_features


def by_name(job) -> dict:
    return {found.name: found for found in classify(file_features([job]))}


def test_demo_falls_into_its_four_classes(demo_job) -> None:
    classes = by_name(demo_job)
    assert set(classes) == {"train-png", "val-png", "archive-bin", "top-json"}
    train = classes["train-png"]
    assert (train.directory, train.recursive, train.n_files) == ("train", True, 300)
    assert train.behaviour.order == "shuffled"
    assert train.behaviour.reused
    assert train.epoch_share == 1.0
    assert train.bytes == 300 * 100_000
    assert classes["val-png"].behaviour.order == "same each epoch"
    assert not classes["archive-bin"].behaviour.reused
    assert classes["archive-bin"].sequential_ratio == 1.0


def test_classes_are_disjoint_and_cover_every_file_when_few(demo_job) -> None:
    table = file_features([demo_job])
    members = [row for found in classify(table) for row in found.members]
    assert sorted(members) == list(range(len(table)))


def test_extensions_that_behave_alike_are_one_class(make_job, group) -> None:
    job = make_job([group("train/{}.jpg", 40, 1000), group("train/{}.png", 40, 1000)], epochs=3)
    classes = by_name(job)
    assert [found.extensions for found in classes.values()] == [("jpg", "png")]


def test_sizes_that_behave_alike_are_one_class(make_job, group) -> None:
    job = make_job([group("train/a{}.jpg", 40, 1000), group("train/b{}.jpg", 40, 2 << 20)], epochs=3)
    (only,) = by_name(job).values()
    assert (only.size_min, only.size_max) == (0, 64 << 20)


def test_reused_and_once_read_neighbours_are_told_apart(make_job, group) -> None:
    job = make_job(
        [group("data/hot/{}.npy", 20, 1000), group("data/cold/{}.npy", 20, 1000, epochs=(0,))], epochs=3
    )
    classes = by_name(job)
    assert {found.directory: found.behaviour.reused for found in classes.values()} == {
        "data/hot": True,
        "data/cold": False,
    }


def test_many_kinds_of_files_stay_within_the_limit(make_job, group) -> None:
    job = make_job([group(f"d{n}/{{}}.e{n}", 2, 1000 + n) for n in range(30)], epochs=2)
    classes = classify(file_features([job]), limit=8)
    assert len(classes) == 8
    # those with most bytes read come first
    assert [found.directory for found in classes] == [f"d{n}" for n in range(29, 21, -1)]
    assert len({found.name for found in classes}) == 8
