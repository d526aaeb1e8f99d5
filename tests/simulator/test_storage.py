"""Storage models and FUSE costs: what ships, what is refused, what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlopt_engine.errors import InvalidInputError
from simulator.fuse_costs import FuseCosts
from simulator.storage import StorageModel, named, names


@pytest.mark.parametrize("name", ["hdd", "nfs", "nvme", "s3"])
def test_named_storage_is_typical_of_its_kind(name: str) -> None:
    storage = named(name)
    assert storage.name == name
    assert storage.origin == "named"
    assert storage.stream_bandwidth <= storage.bandwidth


def test_named_storage_lists_what_ships_when_unknown() -> None:
    with pytest.raises(InvalidInputError, match="hdd, nfs, nvme, s3"):
        named("floppy")
    assert names() == ["hdd", "nfs", "nvme", "s3"]


def test_storage_survives_its_file(tmp_path: Path) -> None:
    file = tmp_path / "storage.json"
    file.write_text(json.dumps({"model": json.loads(named("s3").to_json())}))
    assert StorageModel.from_file(file) == named("s3")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"model": {}}', '{"model": {"name": "x", "colour": 1}}'],
    ids=["empty", "a list", "no model", "no numbers", "an unknown field"],
)
def test_storage_file_that_is_none_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "storage.json"
    file.write_text(text)
    with pytest.raises(InvalidInputError, match=r"storage\.json"):
        StorageModel.from_file(file)


@pytest.mark.parametrize(("field", "value"), [("bandwidth", 0), ("concurrency", -1), ("latency_ns", "5ms")])
def test_storage_with_impossible_numbers_is_refused(tmp_path: Path, field: str, value: object) -> None:
    model = json.loads(named("nfs").to_json()) | {field: value}
    file = tmp_path / "storage.json"
    file.write_text(json.dumps({"model": model}))
    with pytest.raises(InvalidInputError, match=field):
        StorageModel.from_file(file)


def test_fuse_costs_come_back_as_measured(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "fuse.json"
    FuseCosts(read_us=77.0).save(file)
    loaded = FuseCosts.load_or_default(file)
    assert loaded == FuseCosts(read_us=77.0)
    assert loaded.origin == "measured"


@pytest.mark.parametrize("text", ["", "[]", '{"costs": {"read_us": -1}}', '{"costs": {"read_us": "x"}}'])
def test_fuse_costs_fall_back_to_the_default_when_damaged(tmp_path: Path, text: str) -> None:
    file = tmp_path / "fuse.json"
    file.write_text(text)
    assert FuseCosts.load_or_default(file).origin == "default"
