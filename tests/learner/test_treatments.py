"""What the grid may do with the budget."""

import pytest

from learner.classes import classify
from learner.features import file_features
from learner.treatments import Choice, Treatment, grid, held_bytes, make_budget, treatments
from simulator.storage import StorageModel

STORAGE = StorageModel("slow", 5e6, 0.2, 5e6, 60e6, 60e6, 16)


@pytest.fixture
def situation(demo_job):
    """Half of the images fit, index and validation do, the archive is streamed."""
    table = file_features([demo_job])
    classes = classify(table)
    needs = {target.name: held_bytes(table, target) for target in classes}
    budget = make_budget(25 << 20, table, n_workers=4)
    held = {"top-json": needs["top-json"], "val-png": needs["val-png"]}
    held["train-png"] = budget.usable_bytes - sum(held.values())
    return {"budget": budget, "needs": needs, "held": held, "classes": classes}


def check_fits(made, budget) -> None:
    total = sum(treatment.share + treatment.stage_share for treatment in made)
    assert total * budget.bytes <= budget.usable_bytes + 4e-4 * budget.bytes
    caps = [(t.policy, t.share) for t in made if t.policy]
    assert len(caps) == len(set(caps))


def test_every_point_of_the_grid_fits_the_budget(situation) -> None:
    partly = [t for t in situation["classes"] if t.name == "train-png"]
    streamed = [t for t in situation["classes"] if t.name == "archive-bin"]
    choices = grid(STORAGE, partly_held=partly, streamed=streamed)
    assert len(choices) == len(set(choices)) > 50
    assert choices[0] == Choice()
    for choice in choices:
        check_fits(treatments(choice, **situation), situation["budget"])


def test_staging_takes_its_part_from_the_pinned_share(situation) -> None:
    half = treatments(Choice(stage_ratio=0.5, depth=16), **situation)
    train = next(t for t in half if t.target.name == "train-png")
    assert train.mode == "epoch_set"
    assert train.share == pytest.approx(train.stage_share, abs=2e-4)
    everything = treatments(Choice(stage_ratio=1.0, depth=16), **situation)
    train = next(t for t in everything if t.target.name == "train-png")
    assert train.policy is None
    assert [action["type"] for action in train.actions()] == ["prefetch"]


def test_data_read_once_is_fetched_ahead_and_never_held(situation) -> None:
    made = treatments(Choice(stream="sequential", window_bytes=4 << 20, stream_depth=4), **situation)
    archive = next(t for t in made if t.target.name == "archive-bin")
    assert archive.policy is None
    assert archive.mode == "sequential"
    assert archive.stage_share > 0


def test_whole_classes_keep_room_for_rounding(situation) -> None:
    made = treatments(Choice(), **situation)
    val = next(t for t in made if t.target.name == "val-png")
    assert val.share * situation["budget"].bytes >= situation["needs"]["val-png"]


def test_shards_held_in_part_are_read_ahead_inside(make_job, group) -> None:
    table = file_features([make_job([group("shards/{:02}.tar", 8, 6 << 20)], epochs=3)])
    classes = classify(table)
    (shards,) = classes
    need = held_bytes(table, shards)
    budget = make_budget(need // 2, table, n_workers=2)
    situation = {"budget": budget, "needs": {shards.name: need}, "held": {shards.name: budget.usable_bytes}}
    inside = [choice for choice in grid(STORAGE, partly_held=classes, streamed=[]) if choice.inside]
    modes = set()
    for choice in inside:
        made = treatments(choice, classes=classes, **situation)
        check_fits(made, budget)
        (treatment,) = made
        assert treatment.mode == choice.inside
        assert (treatment.policy is None) == (choice.stage_ratio == 1)
        modes.add((treatment.policy, treatment.mode, treatment.stays))
    assert {
        ("pinned", "sequential", False),
        ("pinned", "stream", True),
        ("lru", "whole_file", False),
    } <= modes


def test_blocks_that_stay_behind_a_stream_are_said_in_the_recipe(situation) -> None:
    archive = next(target for target in situation["classes"] if target.name == "archive-bin")
    (action,) = Treatment(archive, mode="stream", depth=8, window_bytes=8 << 20, stays=True).actions()
    assert action["parameters"] == {"chunk_bytes": "1024KiB", "streams": 8, "drop_behind": False}


@pytest.mark.parametrize(("size", "tried"), [(200_000, False), (6 << 20, True)])
def test_small_blocks_are_tried_where_files_have_several(size: int, tried: bool, make_job, group) -> None:
    classes = classify(file_features([make_job([group("t/{:02}.parquet", 20, size)], epochs=3)]))
    blocks = {choice.block_bytes for choice in grid(STORAGE, partly_held=classes, streamed=[])}
    assert blocks == ({0, 256 << 10} if tried else {0})
