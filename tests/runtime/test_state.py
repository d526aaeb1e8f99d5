"""Where a mount's state goes, for whom."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
NOBODY = 65_534


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user can reach, as /tmp; pytest's own is closed to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o1777)
        yield Path(name)


def place(shared: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Ask for the folder as an ordinary user."""
    program = (
        "import json, os, sys; sys.path[:] = json.loads(sys.argv[1]); import runtime.state as state; "
        f"os.setresuid({NOBODY}, {NOBODY}, {NOBODY}); print(state.root_directory())"
    )
    return subprocess.run(
        [sys.executable, "-c", program, json.dumps(sys.path)],
        env={"TMPDIR": str(shared), "PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_user_without_a_session_has_a_private_folder_among_the_temporary_files(shared: Path) -> None:
    found = place(shared)
    assert found.stdout.strip() == str(shared / f"mlopt-{NOBODY}"), found.stderr
    made = (shared / f"mlopt-{NOBODY}").stat()
    assert (made.st_uid, made.st_mode & 0o777) == (NOBODY, 0o700)


def test_a_session_that_names_a_folder_which_is_gone_is_not_followed(shared: Path) -> None:
    found = place(shared, XDG_RUNTIME_DIR=str(shared / "gone"))
    assert found.stdout.strip() == str(shared / f"mlopt-{NOBODY}"), found.stderr


def test_a_folder_that_somebody_else_made_first_is_refused(shared: Path) -> None:
    (shared / f"mlopt-{NOBODY}").mkdir(mode=0o777)
    found = place(shared)
    assert found.returncode != 0
    assert "must be private" in found.stderr
