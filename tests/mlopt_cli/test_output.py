"""What is printed for people is what is meant, whatever a path contains."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from recorded_job import Job

from mlopt_cli.main import main


@pytest.fixture
def odd(job: Job, tmp_path: Path) -> Path:
    """Copy the job's data and trace to a folder whose name would be a style."""
    folder = tmp_path / "[bold] [red]"
    folder.mkdir()
    shutil.copytree(job.data, folder / "[dim]")
    shutil.copy(job.trace, folder / "run[1].duckdb")
    return folder


@pytest.mark.strace
def test_brackets_in_paths_are_printed(odd: Path, capfd: pytest.CaptureFixture[str]) -> None:
    trace, data, recipe = (str(odd / name) for name in ("run[1].duckdb", "[dim]", "[x].yaml"))
    assert main(["report", trace]) == 0
    assert f"{trace}: " in capfd.readouterr().out
    assert main(["learn", trace, "-o", recipe, "--storage", "s3"]) == 0
    assert f"-r {recipe}" in capfd.readouterr().out
    assert main(["simulate", trace, "-r", recipe, "--memory", "0.5", "--storage", "s3"]) == 0
    assert recipe in capfd.readouterr().out
    assert main(["replay", trace, data, "--speed", "max"]) == 0
    assert "recorded [s]" in capfd.readouterr().out


@pytest.mark.strace
@pytest.mark.fuse
def test_brackets_in_mountpoints_are_printed(odd: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place = odd / "[b]"
    place.mkdir()
    assert main(["mount", str(odd / "[dim]"), str(place), "--memory", "64MiB"]) == 0
    assert f"next: mlopt umount {place}" in capfd.readouterr().out
    assert main(["status", str(place)]) == 0
    assert f"{place}  serving  of {odd / '[dim]'}  pid " in capfd.readouterr().out
    assert main(["umount", str(place)]) == 0
    assert f"{place} is unmounted" in capfd.readouterr().out
