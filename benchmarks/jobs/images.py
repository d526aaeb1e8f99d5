"""Training on image files: shuffled epochs over small files by worker processes, an index read each epoch."""

from __future__ import annotations

import multiprocessing
import random
import sys
import zlib
from pathlib import Path

FILES = 800
FILE_BYTES = 100_000
CLASSES = 8
WORKERS = 4
EPOCHS = 4
# Work per file: as much CPU as decoding a small JPEG takes.
ROUNDS = 40


def make(root: Path) -> None:
    """Write class folders of images and an index of them."""
    rng = random.Random(1)
    names = []
    for number in range(FILES):
        path = root / "train" / f"class-{number % CLASSES}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff\xd8\xff\xe0" + rng.randbytes(FILE_BYTES))
        names.append(str(path.relative_to(root)))
    (root / "train.json").write_text("\n".join(names))


def work(root: Path, names: list[str]) -> None:
    """Read and decode one worker's share."""
    for name in names:
        pixels = (root / name).read_bytes()
        for _round in range(ROUNDS):
            zlib.crc32(pixels)


def run(root: Path) -> None:
    """Train."""
    for epoch in range(EPOCHS):
        names = (root / "train.json").read_text().split("\n")
        random.Random(epoch).shuffle(names)
        workers = [
            multiprocessing.Process(target=work, args=(root, names[at::WORKERS])) for at in range(WORKERS)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


if __name__ == "__main__":
    {"make": make, "run": run}[sys.argv[1]](Path(sys.argv[2]))
