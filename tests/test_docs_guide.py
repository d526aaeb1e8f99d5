"""The guide from the ancestor is followed from top to bottom: files written, commands run, words found."""

import re
import shlex
from pathlib import Path

import pytest

from mlopt_cli.main import main

GUIDE = Path(__file__).parent.parent / "docs" / "guide" / "from_the_ancestor.md"
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.S | re.M)


def options_of(info: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in info.split())


def follow(folder: Path, capfd: pytest.CaptureFixture[str]) -> int:
    """Do what each block says; count the commands."""
    commands = 0
    for language, info, text in BLOCK.findall(GUIDE.read_text()):
        options = options_of(info)
        if language == "yaml":
            (folder / options["file"]).write_text(text)
            continue
        assert language == "console", f"a block of {language} is not run"
        command, *expected = text.splitlines()
        assert command.startswith("$ mlopt ")
        assert main(shlex.split(command.removeprefix("$ mlopt "))) == int(options.get("exit", "0")), command
        captured = capfd.readouterr()
        said = captured.out + captured.err
        assert expected
        for line in expected:
            assert line in said, f"{command}\nsaid\n{said}\nnot\n{line}"
        commands += 1
    return commands


def test_the_guide_can_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, size in {
        "models/small.pth": 1000,
        "train/a.csv": 10,
        "train/b.parquet": 99,
        "checkpoint.pt": 7,
    }.items():
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert follow(tmp_path, capfd) >= 12
