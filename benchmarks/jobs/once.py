"""Preparing data: one pass over large files in order, small results of each kept outside of the source."""

from __future__ import annotations

import random
import sys
import tempfile
import zlib
from pathlib import Path

FILES = 6
FILE_BYTES = 24 << 20
PART = 1 << 20
ROUNDS = 6


def make(root: Path) -> None:
    """Write the raw files."""
    rng = random.Random(6)
    root.mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        with (root / f"raw-{number:03}.bin").open("wb") as file:
            for _part in range(FILE_BYTES // PART):
                file.write(rng.randbytes(PART))


def run(root: Path) -> None:
    """Go through all once."""
    with tempfile.TemporaryFile("w") as sums:
        for path in sorted(root.iterdir()):
            total = 0
            with path.open("rb", buffering=0) as file:
                while part := file.read(PART):
                    for _round in range(ROUNDS):
                        total = zlib.crc32(part, total)
            sums.write(f"{path.name} {total}\n")


if __name__ == "__main__":
    {"make": make, "run": run}[sys.argv[1]](Path(sys.argv[2]))
