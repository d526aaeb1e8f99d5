"""A file is replaced as a whole or not at all, and stays the file that it was in all other respects."""

import os
from pathlib import Path

import pytest

from recipes.saving import write_atomically


def test_a_new_file_gets_the_mode_of_new_files(tmp_path: Path) -> None:
    path, plain = tmp_path / "a", tmp_path / "b"
    write_atomically(path, "é\r\n")
    plain.write_text("")
    assert path.read_bytes() == "é\r\n".encode()
    assert path.stat().st_mode == plain.stat().st_mode


def test_mode_and_owner_stay(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(path, 12345, 54321)
    before = path.stat()
    write_atomically(path, "new")
    after = path.stat()
    assert path.read_text() == "new"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_link_stays_and_its_target_changes_even_where_there_is_none_yet(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link"
    link.symlink_to("there/file")
    for text in ("first", "second"):
        write_atomically(link, text)
        assert link.is_symlink()
        assert (tmp_path / "there" / "file").read_text() == text
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["file"]


def test_where_it_cannot_be_written_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def refuse(_self: Path, _target: Path) -> Path:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        write_atomically(path, "new")
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
    assert path.read_text() == "old"
