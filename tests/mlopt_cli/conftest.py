"""One small job, recorded once, for all tests of the command line."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlopt_cli.main import main

# In importlib mode a test folder is no place to import from by itself.
sys.path.insert(0, str(Path(__file__).parent))

from recorded_job import FILE_BYTES, FILES, JOB, Ask, Job


@pytest.fixture(autouse=True)
def _prerequisites(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("fuse") and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or may not be opened")
    if request.node.get_closest_marker("strace") and shutil.which("strace") is None:
        pytest.skip("strace is not installed")


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Record four shuffled epochs over a few files."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    made = Job(tmp_path_factory.mktemp("job"))
    (made.data / "train").mkdir(parents=True)
    (made.data / "index.json").write_text('{"labels": 2}')
    for number in range(FILES):
        (made.data / "train" / f"{number:03}.bin").write_bytes(os.urandom(FILE_BYTES))
    (made.folder / "job.py").write_text(JOB)
    words = ["record", "-o", str(made.trace), "--source", str(made.data), "--", *made.command()]
    done = subprocess.run(
        [sys.executable, "-m", "mlopt_cli.main", *words],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def ask(capfd: pytest.CaptureFixture[str]) -> Ask:
    """Run a command in this process with ``--json`` and read what it printed."""

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        separator = words.index("--") if "--" in words else len(words)
        code = main([*words[:separator], "--json", *words[separator:]])
        return code, json.loads(capfd.readouterr().out)

    return run


@pytest.fixture
def emulated(job: Job, tmp_path: Path) -> Iterator[Path]:
    """Show the job's data as a storage of 1 ms."""
    mountpoint = tmp_path / "slow"
    mountpoint.mkdir()
    assert main(["emulate", str(job.data), str(mountpoint), "--latency", "1ms"]) == 0
    yield mountpoint
    with contextlib.suppress(SystemExit):
        assert main(["umount", str(mountpoint), "--lazy"]) == 0
