"""Makes the demo's data set from the images that ship with scikit-learn: seeded, the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIDE = 192
#: Patches of the statistics file: 8 x 8 pixels of three colours.
PATCH = 8
#: Written in pieces, as a real file of this size would be.
PATCHES_PER_PIECE = 1 << 15

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class DataSpec:
    """How much data to make.

    Attributes
    ----------
    train : int
        Training images, shuffled each epoch; about 110 kB each.
    validation : int
        Validation images, read in order each epoch.
    statistics_bytes : int
        Size of the one big file, read once in order [bytes].
    seed : int
        Seed of crops, colours and noise.
    """

    train: int = 2000
    validation: int = 100
    statistics_bytes: int = 160 << 20
    seed: int = 1


@dataclass(frozen=True)
class DataSet:
    """What was made.

    Attributes
    ----------
    root : Path
        The directory.
    train_bytes : int
        Size of the shuffled training images, together [bytes].
    total_bytes : int
        Size of everything [bytes].
    files : int
        Number of files.
    """

    root: Path
    train_bytes: int
    total_bytes: int
    files: int


def make(root: Path, spec: DataSpec, advance: Callable[[float], None] = lambda _share: None) -> DataSet:
    """Make the data set.

    Parameters
    ----------
    root : Path
        Directory to fill; it is created.
    spec : DataSpec
        How much.
    advance : callable
        Told the share done so far [1].

    Returns
    -------
    DataSet
        Sizes and counts.
    """
    rng = np.random.default_rng(spec.seed)
    scenes = _scenes()
    index: list[str] = []
    for part, count in (("train", spec.train), ("val", spec.validation)):
        for name in scenes:
            (root / part / name).mkdir(parents=True, exist_ok=True)
        names = list(scenes)
        for number in range(count):
            label = number % len(names)
            path = f"{part}/{names[label]}/{number:05d}.ppm"
            (root / path).write_bytes(_encode(_augment(scenes[names[label]], rng)))
            index.append(f"{path}\t{label}\n")
            if number % 100 == 0:
                advance(0.8 * len(index) / (spec.train + spec.validation))
    (root / "index.tsv").write_text("".join(index))
    _write_statistics(root / "patches.bin", list(scenes.values()), spec.statistics_bytes, rng)
    advance(1.0)
    sizes = {path: path.stat().st_size for path in root.rglob("*") if path.is_file()}
    return DataSet(
        root=root,
        train_bytes=sum(size for path, size in sizes.items() if path.is_relative_to(root / "train")),
        total_bytes=sum(sizes.values()),
        files=len(sizes),
    )


def _scenes() -> dict[str, Image]:
    """Cut the shipped images into scenes, one class each."""
    from sklearn.datasets import load_digits, load_sample_image

    china, flower = load_sample_image("china.jpg"), load_sample_image("flower.jpg")
    digits = load_digits().images[:640].astype(np.uint8) * 15
    sheet = digits.reshape(20, 32, 8, 8).swapaxes(1, 2).reshape(160, 256)
    return {
        "china-left": china[:, :320],
        "china-right": china[:, 320:],
        "digits": np.repeat(np.kron(sheet, np.ones((2, 2), np.uint8))[:, :, None], 3, axis=2),
        "flower-left": flower[:, :320],
        "flower-right": flower[:, 320:],
    }


def _augment(scene: Image, rng: np.random.Generator) -> Image:
    """Cut a random window, bring it to the common size, flip it, shift its colours, add noise."""
    height, width = scene.shape[:2]
    side = int(rng.integers(64, min(height, width, SIDE)))
    top, left = int(rng.integers(height - side)), int(rng.integers(width - side))
    pick = np.arange(SIDE) * side // SIDE
    window = scene[top + pick][:, left + pick].astype(np.int16)
    if rng.random() < 0.5:
        window = window[:, ::-1]
    window += rng.integers(-50, 51, 3, dtype=np.int16)
    window += rng.integers(-12, 13, (SIDE, SIDE, 1), dtype=np.int16)
    return np.clip(window, 0, 255).astype(np.uint8)


def _encode(image: Image) -> bytes:
    """Write an image as a binary PPM."""
    return b"P6\n%d %d\n255\n" % (image.shape[1], image.shape[0]) + image.tobytes()


def _write_statistics(path: Path, scenes: list[Image], size: int, rng: np.random.Generator) -> None:
    """Write the corpus of patches from which the job computes its colour statistics."""
    patch_bytes = PATCH * PATCH * 3
    patches = np.concatenate(
        [
            np.lib.stride_tricks.sliding_window_view(scene, (PATCH, PATCH, 3))[::4, ::4].reshape(
                -1, patch_bytes
            )
            for scene in scenes
        ]
    )
    with path.open("wb") as file:
        left = size // patch_bytes
        while left:
            count = min(left, PATCHES_PER_PIECE)
            file.write(patches[rng.integers(0, len(patches), count)].tobytes())
            left -= count
