"""``mlopt verify`` on a trace of a real job, with real mounts."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlopt_cli.main import main
from mlopt_cli.workflows.memory_cgroup import is_available
from runtime import emulator

JOB = """
import os, sys
folder = sys.argv[1]
for epoch in range(3):
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb", buffering=0) as file:
            sum(file.read()[::97])
"""
FILES, FILE_BYTES = 20, 50_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record three epochs over twenty files."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    made = tmp_path_factory.mktemp("job")
    data = made / "data"
    data.mkdir()
    for number in range(FILES):
        (data / f"{number:03}.bin").write_bytes(bytes([number]) * FILE_BYTES)
    (made / "job.py").write_text(JOB)
    words = ["record", "-o", str(made / "run.duckdb"), "--source", str(data), "--"]
    done = subprocess.run(
        [sys.executable, "-m", "mlopt_cli.main", *words, sys.executable, str(made / "job.py"), str(data)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return made


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Run the command and read its JSON."""
    separator = words.index("--") if "--" in words else len(words)
    code = main(["verify", *words[:separator], "--json", *words[separator:]])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.fuse
@pytest.mark.strace
def test_rows_have_predicted_and_measured_and_no_mount_is_left(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or may not be opened")
    before = mounts()
    words = ("--source", str(folder / "data"), "-r", "lru", "--memory", "64M", "--storage", "nfs")
    code, answer = ask(capsys, str(folder / "run.duckdb"), *words)
    assert code == 0, answer.get("error")
    rows = {row["recipe"]: row for row in answer["result"]["rows"]}
    assert set(rows) == {"source", "page cache", "lru"}
    for name in ("source", "lru"):
        assert rows[name]["predicted"]["seconds_s"] > 0
        assert len(rows[name]["measured"]["runs"]) >= 1
        assert all(len(run["epoch_s"]) == 3 for run in rows[name]["measured"]["runs"])
        assert math.isfinite(rows[name]["error_ratio"])
        assert rows[name]["spread_ratio"] >= 0
    cold, *warm = rows["lru"]["measured"]["source_bytes"]
    assert cold >= FILES * FILE_BYTES
    assert warm == [0, 0]
    assert rows["lru"]["predicted"]["source_bytes"] == [FILES * FILE_BYTES, 0, 0]
    assert rows["lru"]["predicted"]["hit_ratio"] == rows["lru"]["measured"]["hit_ratio"] == 1.0
    notes = [warning["message"] for warning in answer["warnings"] if warning["code"] == "not-measured"]
    if is_available():
        assert not notes
        assert rows["page cache"]["measured"]["seconds_s"] > 0
    else:
        assert "memory cgroup" in notes[0]
    # nobody counts what a plain directory serves
    assert rows["source"]["measured"]["source_bytes"] is None
    assert {"epoch_s", "hit_ratio", "source_bytes", "source_requests", "bounds"} <= set(rows["lru"])
    assert mounts() <= before


@pytest.mark.fuse
@pytest.mark.strace
def test_a_source_that_counts_shows_what_each_epoch_took(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or may not be opened")
    spec = emulator.EmulatorSpec(latency_ns=1_000_000, bandwidth=100e6, concurrency=8, keep_cache=True)
    slow = tmp_path / "slow"
    slow.mkdir()
    with emulator.start(folder / "data", slow, spec):
        # room for half of the files: the rest comes from the source in each epoch
        words = ("--source", str(slow), "-r", "pin-all", "--memory", str(FILES * FILE_BYTES // 2))
        code, answer = ask(capsys, str(folder / "run.duckdb"), *words)
    assert code == 0, answer.get("error")
    rows = {row["recipe"]: row for row in answer["result"]["rows"]}
    whole = FILES * FILE_BYTES
    assert rows["source"]["measured"]["source_bytes"][0] >= whole
    pinned = rows["pin-all"]["measured"]
    predicted = rows["pin-all"]["predicted"]
    # one engine decides in both: what is held, and so what each epoch takes from the source, is the same but
    # for the pages on their way, which differ by two or three files where the machine is busy
    assert pinned["source_bytes"] == pytest.approx(predicted["source_bytes"], abs=3 * FILE_BYTES)
    assert pinned["hit_ratio"] == pytest.approx(predicted["hit_ratio"], abs=3 / FILES)
    assert 0.15 < pinned["hit_ratio"] < 0.6


@pytest.mark.fuse
@pytest.mark.strace
def test_a_command_is_compared_as_a_whole_and_its_output_stays_off_stdout(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or may not be opened")
    command = (sys.executable, str(folder / "job.py"), str(folder / "data"))
    words = ("--source", str(folder / "data"), "-r", "lru", "--memory", "64M", "--storage", "nfs")
    code, answer = ask(capsys, str(folder / "run.duckdb"), *words, "--", *command)
    assert code == 0, answer.get("error")
    assert answer["result"]["compares"] == "total"
    rows = {row["recipe"]: row for row in answer["result"]["rows"]}
    ours = rows["lru"]
    assert ours["predicted"]["seconds_s"] == ours["predicted"]["total_s"]
    assert len(ours["measured"]["runs"]) >= 2
    assert all(run["epoch_s"] == [] for run in ours["measured"]["runs"])
    # each file once from the source, in three epochs
    assert ours["measured"]["source_bytes"] == [FILES * FILE_BYTES]
    assert ours["measured"]["hit_ratio"] == pytest.approx(2 / 3, abs=0.01)
    assert ours["predicted"]["hit_ratio"] == pytest.approx(2 / 3, abs=0.01)


@pytest.mark.fuse
@pytest.mark.strace
def test_a_command_that_fails_is_said_with_its_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or may not be opened")
    before = mounts()
    words = ("--source", str(folder / "data"), "-r", "lru", "--storage", "nfs", "--", "false")
    code, answer = ask(capsys, str(folder / "run.duckdb"), *words)
    assert code == 1, answer.get("error")
    assert "ended with 1" in answer["error"]["what"]
    assert mounts() <= before


@pytest.mark.strace
@pytest.mark.parametrize(
    ("make", "code"), [(None, "invalid-input"), ("empty", "files-missing")], ids=["no DIR", "files missing"]
)
def test_a_wrong_source_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], make: str | None, code: str
) -> None:
    source = tmp_path / "there"
    if make:
        source.mkdir()
    exit_code, answer = ask(capsys, str(folder / "run.duckdb"), "--source", str(source), "--storage", "nfs")
    assert exit_code == 2
    assert answer["error"]["code"] == code


def mounts() -> set[str]:
    """List the mounts that verify made."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return {line.split()[1] for line in lines if "mlopt-verify" in line}
