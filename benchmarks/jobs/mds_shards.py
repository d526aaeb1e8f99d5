"""Training on MDS shards, as MosaicML Streaming has them: samples of a shard in a shuffled order."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import struct
import sys
import zlib
from pathlib import Path

SHARDS = 12
SAMPLES = 60
SAMPLE_BYTES = 100_000
WORKERS = 2
EPOCHS = 3
ROUNDS = 40


def make(root: Path) -> None:
    """Write shards: the number of samples, their offsets, the samples."""
    rng = random.Random(7)
    root.mkdir(parents=True, exist_ok=True)
    names = []
    for shard in range(SHARDS):
        head = struct.calcsize(f"<I{SAMPLES + 1}I")
        offsets = [head + SAMPLE_BYTES * number for number in range(SAMPLES + 1)]
        names.append(f"shard.{shard:05}.mds")
        body = rng.randbytes(SAMPLES * SAMPLE_BYTES)
        (root / names[-1]).write_bytes(struct.pack(f"<I{SAMPLES + 1}I", SAMPLES, *offsets) + body)
    shards = [{"raw_data": {"basename": name}, "samples": SAMPLES} for name in names]
    (root / "index.json").write_text(json.dumps({"version": 2, "shards": shards}))


def work(shards: list[Path], seed: int) -> None:
    """Read one worker's shards sample by sample."""
    rng = random.Random(seed)
    for path in shards:
        shard = os.open(path, os.O_RDONLY)
        count = struct.unpack("<I", os.pread(shard, 4, 0))[0]
        order = rng.sample(range(count), count)
        for number in order:
            begin, end = struct.unpack("<2I", os.pread(shard, 8, 4 + 4 * number))
            sample = os.pread(shard, end - begin, begin)
            for _round in range(ROUNDS):
                zlib.crc32(sample)
        os.close(shard)


def run(root: Path) -> None:
    """Train."""
    for epoch in range(EPOCHS):
        index = json.loads((root / "index.json").read_text())
        shards = [root / shard["raw_data"]["basename"] for shard in index["shards"]]
        random.Random(epoch).shuffle(shards)
        workers = [
            multiprocessing.Process(target=work, args=(shards[at::WORKERS], epoch)) for at in range(WORKERS)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


if __name__ == "__main__":
    {"make": make, "run": run}[sys.argv[1]](Path(sys.argv[2]))
