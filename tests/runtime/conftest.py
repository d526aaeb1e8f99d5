"""Real mounts below tmp_path, always unmounted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

# In importlib mode a test folder is no place to import from by itself.
sys.path.insert(0, str(Path(__file__).parent))

from real_mounts import MIB, Mounts


@pytest.fixture(autouse=True)
def _fuse_for_marked(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("fuse") and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or may not be opened")


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Mounts]:
    with ExitStack() as stack:
        yield Mounts(tmp_path, stack)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small tree: two blocks, an empty file, a folder, names that are no text."""
    root = tmp_path / "source"
    (root / "folder").mkdir(parents=True)
    (root / "large").write_bytes(os.urandom(2 * MIB + 12345))
    (root / "empty").write_bytes(b"")
    for index in range(20):
        (root / "folder" / f"file{index:02}").write_bytes(os.urandom(110_000))
    (Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe\n name"))).write_bytes(b"odd name")
    return root
