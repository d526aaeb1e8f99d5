"""Training on tar shards, as WebDataset has them: each shard streamed from front to back, shards shuffled."""

from __future__ import annotations

import io
import multiprocessing
import random
import sys
import tarfile
import zlib
from pathlib import Path

SHARDS = 12
SAMPLES = 60
SAMPLE_BYTES = 100_000
WORKERS = 2
EPOCHS = 3
ROUNDS = 40


def make(root: Path) -> None:
    """Write shards of samples, each an image and its label."""
    rng = random.Random(2)
    root.mkdir(parents=True, exist_ok=True)
    for shard in range(SHARDS):
        with tarfile.open(root / f"train-{shard:06}.tar", "w") as tar:
            for number in range(SAMPLES):
                parts = {"jpg": rng.randbytes(SAMPLE_BYTES), "cls": str(number % 10).encode()}
                for suffix, content in parts.items():
                    member = tarfile.TarInfo(f"{number:06}.{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))


def work(shards: list[Path]) -> None:
    """Stream one worker's shards."""
    for shard in shards:
        with tarfile.open(shard, "r|") as tar:
            for member in tar:
                sample = tar.extractfile(member)
                content = sample.read() if sample else b""
                for _round in range(ROUNDS):
                    zlib.crc32(content)


def run(root: Path) -> None:
    """Train."""
    shards = sorted(root.glob("*.tar"))
    for epoch in range(EPOCHS):
        random.Random(epoch).shuffle(shards)
        workers = [multiprocessing.Process(target=work, args=(shards[at::WORKERS],)) for at in range(WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


if __name__ == "__main__":
    {"make": make, "run": run}[sys.argv[1]](Path(sys.argv[2]))
