"""The preloadable isatty: no ioctl for regular files, the truth for everything else."""

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlopt_engine import isatty_shim


@pytest.fixture
def shim(tmp_path: Path) -> Path:
    path = tmp_path / "isatty.so"
    path.write_bytes(isatty_shim())
    return path


def run_python(shim: Path, code: str, stdin: int = subprocess.DEVNULL) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"LD_PRELOAD": str(shim)},
        stdin=stdin,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.split()


def test_a_terminal_is_still_a_terminal(shim: Path) -> None:
    leader, follower = pty.openpty()
    try:
        assert run_python(shim, "import os; print(os.isatty(0))", stdin=follower) == ["True"]
    finally:
        os.close(leader)
        os.close(follower)


def test_pipes_and_files_are_none(shim: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    code = f"import os; r, w = os.pipe(); print(os.isatty(r), open({str(tmp_path / 'plain')!r}).isatty())"
    assert run_python(shim, code) == ["False", "False"]


@pytest.mark.strace
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_opening_a_file_in_python_sends_no_ioctl(shim: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    code = f"for _ in range(50): open({str(tmp_path / 'plain')!r}, 'rb').close()"
    counts = {}
    for name, preload in (("without", []), ("with", ["-E", f"LD_PRELOAD={shim}"])):
        log = tmp_path / name
        words = ["strace", "-f", "-o", str(log), "-e", "trace=ioctl", *preload, sys.executable, "-c", code]
        subprocess.run(words, check=True, timeout=60)
        counts[name] = log.read_text().count("TCGETS")
    if counts["without"] < 50:
        pytest.skip(f"this Python's open() calls no isatty ({counts['without']} ioctl for 50 opens)")
    assert counts["with"] <= counts["without"] - 50
