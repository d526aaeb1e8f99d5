"""Training on record files, framed as TensorFlow frames them: length, checksum, payload, checksum."""

from __future__ import annotations

import multiprocessing
import random
import struct
import sys
import zlib
from pathlib import Path

FILES = 16
RECORDS = 80
RECORD_BYTES = 60_000
WORKERS = 2
EPOCHS = 3
ROUNDS = 40
_HEAD = struct.Struct("<QI")
_TAIL = struct.Struct("<I")


def make(root: Path) -> None:
    """Write the record files."""
    rng = random.Random(3)
    root.mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        with (root / f"train-{number:05}-of-{FILES:05}.tfrecord").open("wb") as file:
            for _record in range(RECORDS):
                payload = rng.randbytes(RECORD_BYTES)
                # the job does not check sums, so any stands for the masked crc32c
                file.write(_HEAD.pack(len(payload), 0) + payload + _TAIL.pack(0))


def work(files: list[Path]) -> None:
    """Stream one worker's files, record by record."""
    for path in files:
        with path.open("rb", buffering=1 << 16) as file:
            while head := file.read(_HEAD.size):
                payload = file.read(_HEAD.unpack(head)[0])
                file.read(_TAIL.size)
                for _round in range(ROUNDS):
                    zlib.crc32(payload)


def run(root: Path) -> None:
    """Train."""
    files = sorted(root.iterdir())
    for epoch in range(EPOCHS):
        random.Random(epoch).shuffle(files)
        workers = [multiprocessing.Process(target=work, args=(files[at::WORKERS],)) for at in range(WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


if __name__ == "__main__":
    {"make": make, "run": run}[sys.argv[1]](Path(sys.argv[2]))
