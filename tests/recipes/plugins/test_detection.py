"""The vote on a tree: a bounded sample, whatever lies in it."""

import os
from pathlib import Path

import pytest

from mlopt_engine.errors import InvalidInputError
from recipes.plugins import catalog, detect_tree
from recipes.plugins.detection import FILES, FILES_OF_A_KIND_IN_A_FOLDER, FOLDERS

TORCH = b"PK\x03\x04" + bytes(22) + b"\x10\x00\x00\x00archive/data.pkl"


def fill(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def test_first_bytes_count_where_names_say_nothing(tmp_path: Path) -> None:
    found = detect_tree(fill(tmp_path, {"a/blob": TORCH, "b/blob": TORCH, "notes.md": b"tensorflow"}))
    assert found.best == "pytorch"
    assert {each.by for each in found.evidence if each.framework == "pytorch"} == {"content"}


def test_names_count_where_bytes_cannot_be_read(tmp_path: Path) -> None:
    fill(tmp_path, {"a.safetensors": b"x"})
    (tmp_path / "a.safetensors").chmod(0)
    assert detect_tree(tmp_path).best == "huggingface"


def test_a_tree_of_pictures_has_no_framework(tmp_path: Path) -> None:
    found = detect_tree(fill(tmp_path, {f"{n}.jpg": b"\xff\xd8\xff" for n in range(9)}))
    assert (found.best, found.scores, found.files) == (None, {}, FILES_OF_A_KIND_IN_A_FOLDER)


def test_two_frameworks_that_share_a_tree_are_not_decided_between(tmp_path: Path) -> None:
    found = detect_tree(fill(tmp_path, {"a.pth": b"", "b.tflite": b""}))
    assert found.best is None
    assert list(found.scores)[:2] == ["pytorch", "tensorflow"]


def test_many_files_of_one_kind_do_not_hide_the_others(tmp_path: Path) -> None:
    files = {f"images/{n:05}.jpg": b"\xff\xd8\xff" for n in range(300)}
    found = detect_tree(fill(tmp_path, files | {"models/a.pth": TORCH, "models/b.pth": TORCH}))
    assert found.best == "pytorch"
    assert found.files == FILES_OF_A_KIND_IN_A_FOLDER + 2


def test_the_sample_is_bounded(tmp_path: Path) -> None:
    fill(tmp_path, {f"{n:04}/a.{n}": b"" for n in range(FOLDERS + 50)})
    assert detect_tree(tmp_path).files <= min(FILES, FOLDERS)


def test_what_is_no_file_is_not_opened_and_links_are_not_followed(tmp_path: Path) -> None:
    fill(tmp_path, {"out/b.tflite": b"", "in/a.pth": TORCH})
    os.mkfifo(tmp_path / "in" / "pipe.pt")
    (tmp_path / "in" / "link.tflite").symlink_to(tmp_path / "out" / "b.tflite")
    (tmp_path / "in" / "loop").symlink_to(tmp_path)
    found = detect_tree(tmp_path / "in")
    assert found.files == 1
    assert found.best == "pytorch"


def test_a_single_file_and_names_that_are_no_text(tmp_path: Path) -> None:
    fill(tmp_path, {"a.pth": TORCH})
    assert detect_tree(tmp_path / "a.pth").best == "pytorch"
    (tmp_path / os.fsdecode(b"\xff\xfe.pth")).write_bytes(TORCH)
    found = detect_tree(tmp_path)
    assert found.files == 2
    assert all(each.path.encode() for each in found.evidence)


def test_what_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="nowhere"):
        detect_tree(tmp_path / "nowhere")


def test_the_same_tree_gives_the_same_answer(tmp_path: Path) -> None:
    fill(tmp_path, {f"{n}/m{n}.pth": TORCH for n in range(5)} | {"x.tflite": b""})
    first = detect_tree(tmp_path, catalog())
    assert first == detect_tree(tmp_path, catalog())
    assert first.best == "pytorch"
    assert 0.0 < first.scores["tensorflow"] < first.scores["pytorch"] <= 1.0
