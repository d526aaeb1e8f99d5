"""``mlopt simulate`` on a trace of a real job."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlopt_cli.main import main

JOB = """
import os, random, sys
folder = sys.argv[1]
for epoch in range(3):
    names = sorted(os.listdir(folder))
    random.Random(epoch).shuffle(names)
    for name in names:
        with open(os.path.join(folder, name), "rb", buffering=0) as file:
            sum(file.read()[::97])
"""
FILES, FILE_BYTES = 40, 50_000


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record three shuffled epochs over forty files."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    folder = tmp_path_factory.mktemp("job")
    data = folder / "data"
    data.mkdir()
    for number in range(FILES):
        (data / f"{number:03}.bin").write_bytes(bytes([number]) * FILE_BYTES)
    (folder / "job.py").write_text(JOB)
    words = ["record", "-o", str(folder / "run.duckdb"), "--source", str(data), "--"]
    done = subprocess.run(
        [sys.executable, "-m", "mlopt_cli.main", *words, sys.executable, str(folder / "job.py"), str(data)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return folder / "run.duckdb"


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Run the command and read its JSON."""
    code = main(["simulate", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.strace
def test_simulate_answers_for_each_recipe_and_size(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("-r", "lru", "-r", "pin-all", "--memory", "0.5", "--memory", "4MB", "--storage", "s3")
    code, answer = ask(capsys, str(trace), *words)
    assert code == 0
    rows = answer["result"]["rows"]
    assert answer["result"]["working_set_bytes"] == FILES * FILE_BYTES
    assert [row["recipe"] for row in rows] == ["source"] + 2 * ["page cache", "lru", "pin-all"]
    assert {row["memory_bytes"] for row in rows} == {0, FILES * FILE_BYTES // 2, 4_000_000}
    source = rows[0]
    assert source["source_bytes"] == 3 * [FILES * FILE_BYTES]
    # 40 files of an open (20 ms) and a first byte (30 ms), lognormal around them
    assert 1.5 < min(source["epoch_s"]) < 4
    assert {warning["code"] for warning in answer["warnings"]} >= {"assumed"}
    assert answer["result"]["sentence"]


@pytest.mark.strace
def test_layers_alone_give_the_row_its_name(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--template", "training", "--hardware", "edge", "--memory", "0.5", "--storage", "s3")
    code, answer = ask(capsys, str(trace), *words)
    assert code == 0
    assert answer["inputs"]["recipes"] == ["training + edge"]


@pytest.mark.strace
def test_simulate_prints_a_table_the_sentence_and_what_to_do_next(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", str(trace), "--storage", "s3", "--memory", "1.0"]) == 0
    printed = capsys.readouterr()
    assert "page cache" in printed.out
    assert "everything cached" in printed.out
    assert "next: mlopt learn" in printed.out
    assert "s3" in printed.err


@pytest.mark.strace
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--storage", "floppy"), "floppy"),
        (("--memory", "none", "--storage", "s3"), "--memory"),
        (("--memory", "0", "--storage", "s3"), "--memory"),
        (("-r", "no-such-recipe", "--storage", "s3"), "no-such-recipe"),
    ],
    ids=["storage", "size", "no memory", "recipe"],
)
def test_simulate_refuses_what_it_cannot_use(
    trace: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    assert main(["simulate", str(trace), *words]) == 2
    assert told in capsys.readouterr().err


def test_simulate_refuses_a_trace_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.duckdb"
    file.write_text("no database")
    assert main(["simulate", str(file), "--storage", "s3"]) == 4
    assert "run.duckdb" in capsys.readouterr().err
