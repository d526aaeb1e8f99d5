"""Serving: short processes, some at a time, each reads the same model whole, as replicas at start-up do."""

from __future__ import annotations

import json
import multiprocessing
import random
import struct
import sys
import zlib
from pathlib import Path

SHARDS = 3
SHARD_BYTES = 16 << 20
PART = 1 << 20
REPLICAS = 6
AT_ONCE = 3


def make(root: Path) -> None:
    """Write a model as safetensors shards with index, configuration and tokenizer."""
    rng = random.Random(4)
    root.mkdir(parents=True, exist_ok=True)
    weights = {}
    for shard in range(SHARDS):
        name = f"model-{shard + 1:05}-of-{SHARDS:05}.safetensors"
        tensor = {"dtype": "F16", "shape": [SHARD_BYTES // 2], "data_offsets": [0, SHARD_BYTES]}
        head = json.dumps({f"layer.{shard}": tensor}).encode()
        (root / name).write_bytes(struct.pack("<Q", len(head)) + head + rng.randbytes(SHARD_BYTES))
        weights[f"layer.{shard}"] = name
    (root / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    (root / "config.json").write_text(json.dumps({"model_type": "example", "layers": SHARDS}))
    (root / "tokenizer.json").write_text(json.dumps({"vocab": {str(word): word for word in range(5000)}}))


def load(root: Path) -> None:
    """Read the model as a replica does: configuration, tokenizer, index, then each shard in parts."""
    for name in ("config.json", "tokenizer.json"):
        json.loads((root / name).read_text())
    index = json.loads((root / "model.safetensors.index.json").read_text())
    for name in dict.fromkeys(index["weight_map"].values()):
        with (root / name).open("rb", buffering=0) as file:
            file.read(struct.unpack("<Q", file.read(8))[0])
            while part := file.read(PART):
                zlib.crc32(part)


def run(root: Path) -> None:
    """Start the replicas."""
    for _round in range(REPLICAS // AT_ONCE):
        replicas = [multiprocessing.Process(target=load, args=(root,)) for _ in range(AT_ONCE)]
        for replica in replicas:
            replica.start()
        for replica in replicas:
            replica.join()


if __name__ == "__main__":
    {"make": make, "run": run}[sys.argv[1]](Path(sys.argv[2]))
