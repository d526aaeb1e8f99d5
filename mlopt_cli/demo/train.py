"""A training job as people write them: image files, shuffled epochs, worker processes, checkpoints.

It trains a linear classifier with ``partial_fit`` on small colour and gradient histograms. The loader has the
shape of PyTorch's: one index queue per worker, a shared result queue, two batches ahead per worker, batches
taken in order.
It is an ordinary program: it imports nothing but numpy and scikit-learn, and prints one JSON line per epoch.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# One thread each: the workers are the parallelism, and a fork must not inherit a pool of BLAS threads.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import SGDClassifier

PREFETCH_FACTOR = 2
SUBSAMPLE = 4
COLOUR_BINS = 16
ANGLE_BINS = 12

Sample = tuple[str, int]
Batch = tuple[NDArray[np.float64], NDArray[np.int64], list[int]]


def features(
    pixels: NDArray[np.uint8], mean: NDArray[np.float64], std: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Describe an image by histograms of its colours and of its gradients' directions."""
    small = pixels[::SUBSAMPLE, ::SUBSAMPLE]
    colours = [
        np.bincount(small[:, :, channel].ravel() // (256 // COLOUR_BINS), minlength=COLOUR_BINS)
        for channel in range(3)
    ]
    grey = ((small - mean) / std).mean(axis=2)
    down, right = np.diff(grey, axis=0)[:, :-1], np.diff(grey, axis=1)[:-1]
    angle = ((np.arctan2(down, right) / np.pi + 1) * ANGLE_BINS / 2).astype(np.int64) % ANGLE_BINS
    gradients = np.bincount(angle.ravel(), np.hypot(down, right).ravel(), minlength=ANGLE_BINS)
    row: NDArray[np.float64] = np.concatenate([*colours, gradients]) / grey.size
    return row


def read_image(path: Path) -> tuple[NDArray[np.uint8], int]:
    """Read a binary PPM; return its pixels and a checksum of the bytes."""
    with path.open("rb") as file:
        data = file.read()
    _magic, size, _depth, body = data.split(b"\n", 3)
    width, height = (int(number) for number in size.split())
    return np.frombuffer(body, np.uint8).reshape(height, width, 3), zlib.crc32(data)


def work(root: Path, mean: NDArray[np.float64], std: NDArray[np.float64], tasks: Any, results: Any) -> None:
    """Serve batches until told to stop: the body of a worker process."""
    try:
        for number, samples in iter(tasks.get, None):
            images = [read_image(root / path) for path, _label in samples]
            rows = np.stack([features(pixels, mean, std) for pixels, _checksum in images])
            labels = np.array([label for _path, label in samples])
            results.put((number, (rows, labels, [checksum for _pixels, checksum in images])))
    except KeyboardInterrupt:
        pass
    except Exception as error:  # noqa: BLE001 - whatever it is, the training process must hear of it
        results.put((-1, error))


class Loader:
    """Worker processes that read batches ahead and hand them over in order."""

    def __init__(self, root: Path, mean: NDArray[np.float64], std: NDArray[np.float64], workers: int) -> None:
        context = multiprocessing.get_context("fork")
        self.results: Any = context.Queue()
        self.tasks: list[Any] = [context.Queue() for _worker in range(workers)]
        self.processes = [
            context.Process(target=work, args=(root, mean, std, tasks, self.results), daemon=True)
            for tasks in self.tasks
        ]
        for process in self.processes:
            process.start()

    def batches(self, samples: list[Sample], size: int) -> Iterator[Batch]:
        """Yield the samples' batches in order, each worker at most two batches ahead."""
        batches = [samples[start : start + size] for start in range(0, len(samples), size)]
        ahead = PREFETCH_FACTOR * len(self.tasks)
        arrived: dict[int, Batch] = {}
        for number in range(min(ahead, len(batches))):
            self.tasks[number % len(self.tasks)].put((number, batches[number]))
        for number in range(len(batches)):
            while number not in arrived:
                done, batch = self.results.get()
                if isinstance(batch, Exception):
                    raise batch
                arrived[done] = batch
            following = number + ahead
            if following < len(batches):
                self.tasks[following % len(self.tasks)].put((following, batches[following]))
            yield arrived.pop(number)

    def close(self) -> None:
        """Stop the workers."""
        for tasks in self.tasks:
            tasks.put(None)
        for process in self.processes:
            process.join()


def colour_statistics(path: Path, checksum: hashlib._Hash) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read the corpus of patches once, in order; return mean and deviation of each colour."""
    counts = np.zeros((3, 256))
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(3 << 18):
            checksum.update(zlib.crc32(chunk).to_bytes(4, "little"))
            pixels = np.frombuffer(chunk, np.uint8).reshape(-1, 3)[::8]
            for channel in range(3):
                counts[channel] += np.bincount(pixels[:, channel], minlength=256)
    values = np.arange(256)
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    return mean, np.sqrt(share @ values**2 - mean**2)


def read_index(path: Path) -> tuple[list[Sample], list[Sample]]:
    """Read which images there are, for training and for validation."""
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    samples = [(name, int(label)) for name, label in rows]
    return (
        [sample for sample in samples if sample[0].startswith("train/")],
        [sample for sample in samples if sample[0].startswith("val/")],
    )


def save(model: SGDClassifier, path: Path) -> None:
    """Write a checkpoint: complete under its name, or not at all."""
    temporary = path.with_suffix(".partial")
    with temporary.open("wb") as file:
        np.savez(file, coef=model.coef_, intercept=model.intercept_)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def train_epoch(
    epoch: int, options: argparse.Namespace, loader: Loader, model: SGDClassifier, checksum: hashlib._Hash
) -> dict[str, Any]:
    """Train one epoch, validate, write the checkpoint; return what to print."""
    began = time.monotonic()
    train, validation = read_index(options.data / "index.tsv")
    order = np.random.default_rng([options.seed, epoch]).permutation(len(train))
    for rows, labels, checksums in loader.batches([train[i] for i in order], options.batch):
        model.partial_fit(rows, labels, classes=options.classes)
        checksum.update(np.array(checksums, "<u4").tobytes())
    right = 0
    for rows, labels, checksums in loader.batches(validation, options.batch):
        right += int((model.predict(rows) == labels).sum())
        checksum.update(np.array(checksums, "<u4").tobytes())
    save(model, options.output / f"epoch-{epoch}.npz")
    return {
        "epoch": epoch,
        "seconds": time.monotonic() - began,
        "accuracy": right / len(validation),
        "checksum": checksum.hexdigest()[:16],
    }


def parse(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train a linear classifier on image files.")
    parser.add_argument("data", type=Path, help="directory with index.tsv, patches.bin, train/ and val/")
    parser.add_argument("--output", type=Path, required=True, help="where checkpoints go")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Train; print one JSON line at the start, one per epoch, one at the end."""
    options = parse(words)
    options.output.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    checksum = hashlib.sha256()
    mean, std = colour_statistics(options.data / "patches.bin", checksum)
    train, _validation = read_index(options.data / "index.tsv")
    options.classes = np.unique([label for _name, label in train])
    loader = Loader(options.data, mean, std, options.workers)
    model = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=options.seed)
    print(json.dumps({"start_seconds": time.monotonic() - began}), flush=True)
    for epoch in range(options.epochs):
        print(json.dumps(train_epoch(epoch, options, loader, model, checksum)), flush=True)
    loader.close()
    digest = hashlib.sha256(model.coef_.tobytes() + model.intercept_.tobytes()).hexdigest()
    print(json.dumps({"model": digest[:16], "checksum": checksum.hexdigest()[:16]}), flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
