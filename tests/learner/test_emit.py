"""What is written, and what is never lost."""

from pathlib import Path

import pytest

from learner.emit import MARK, check_target, render, write
from mlopt_engine.errors import InvalidInputError
from recipes import load

DOCUMENT = {
    "version": "1",
    "name": "learned-x",
    "rules": [
        {
            "id": "all",
            "conditions": [{"type": "file_context", "property": "path", "operator": "glob", "value": "**"}],
            "actions": [{"type": "cache", "parameters": {"policy": "pinned", "share": 0.5}}],
        }
    ],
}


def test_written_recipe_loads_and_starts_with_the_mark(tmp_path: Path) -> None:
    target = tmp_path / "tuned.yaml"
    write(target, render(DOCUMENT, ["", "From:", "  somewhere"]))
    assert load(str(target)).name == "learned-x"
    assert target.read_text().startswith(f"# {MARK}\n#\n# From:\n")
    assert [path.name for path in tmp_path.iterdir()] == ["tuned.yaml"]


def test_own_recipe_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "tuned.yaml"
    write(target, render(DOCUMENT, ["first"]))
    write(target, render(DOCUMENT, ["second"]))
    assert "second" in target.read_text()


@pytest.mark.parametrize("content", [b"name: mine\n", b"", b"\xff\xfe binary"])
def test_what_learn_did_not_write_is_kept(tmp_path: Path, content: bytes) -> None:
    target = tmp_path / "mine.yaml"
    target.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"not written by 'mlopt learn'"):
        write(target, render(DOCUMENT, []))
    assert target.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


def test_missing_directory_is_said_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no such directory"):
        check_target(tmp_path / "no" / "where.yaml")
    with pytest.raises(InvalidInputError, match="is a directory"):
        check_target(tmp_path)
