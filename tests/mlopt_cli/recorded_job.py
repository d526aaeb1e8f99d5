"""The small job that all tests of the command line share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

JOB = """
import os, random, sys
folder, epochs = sys.argv[1], int(sys.argv[2])
random.seed(1)
for _ in range(epochs):
    open(os.path.join(folder, "index.json")).read()
    names = sorted(os.listdir(os.path.join(folder, "train")))
    random.shuffle(names)
    for name in names:
        with open(os.path.join(folder, "train", name), "rb", buffering=0) as file:
            sum(file.read()[::97])
"""
FILES, FILE_BYTES, EPOCHS = 24, 60_000, 4


@dataclass(frozen=True)
class Job:
    """A job on a small tree of files, and its trace."""

    folder: Path

    @property
    def data(self) -> Path:
        """The source."""
        return self.folder / "data"

    @property
    def trace(self) -> Path:
        """What ``mlopt record`` wrote."""
        return self.folder / "run.duckdb"

    def command(self, epochs: int = EPOCHS) -> list[str]:
        """Return the words that run it."""
        return [sys.executable, str(self.folder / "job.py"), str(self.data), str(epochs)]


#: Runs a command with ``--json``; gives its exit code and what it printed.
Ask = Callable[..., tuple[int, dict[str, Any]]]
