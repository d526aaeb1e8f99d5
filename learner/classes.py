"""Groups files that a job treats alike, along directories, extensions and sizes that a person can read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from learner.features import BUCKETS, LARGE_BYTES, SMALL_BYTES

#: Longer recipes are not read by people; the rest of the files stays without a rule of its own.
MAX_CLASSES = 8
#: With fewer files than this a rank correlation says nothing about shuffling.
ORDER_SAMPLE = 16
#: Below this rank correlation between two epochs the order counts as shuffled (uniform shuffles give 0 +- .25
#: at 16 files; a fixed order with four workers racing stays above .95).
ORDER_CORRELATION = 0.7
#: Share of a group's bytes that must be read again before the group counts as reused.
REUSED_SHARE = 0.5

BUCKET_LIMITS = {
    "small": (0, SMALL_BYTES),
    "medium": (SMALL_BYTES, LARGE_BYTES),
    "large": (LARGE_BYTES, None),
}


@dataclass(frozen=True)
class Behaviour:
    """What decides a class's treatment; None is not known and agrees with everything.

    Attributes
    ----------
    reused : bool
        Whether its bytes are read in more than one epoch, or more than once in one.
    order : str or None
        ``shuffled`` or ``same each epoch``.
    """

    reused: bool
    order: str | None

    def agrees(self, other: Behaviour) -> bool:
        """Say whether both can be one class.

        Parameters
        ----------
        other : Behaviour
            The other's behaviour.

        Returns
        -------
        bool
            False when a known trait differs.
        """
        orders = {self.order, other.order} - {None}
        return self.reused == other.reused and len(orders) <= 1


@dataclass(frozen=True)
class Discovery:
    """What a tree asks of a class's files beside the class's own description.

    Attributes
    ----------
    conditions : tuple of dict
        As in a recipe; all must hold.
    purity : float
        Share of the bytes that are read as most of them are, 0 to 1.
    """

    conditions: tuple[dict[str, Any], ...]
    purity: float


@dataclass(frozen=True)
class FileClass:
    """Files under one directory, of some extensions and sizes, that the job treats alike.

    Attributes
    ----------
    name : str
        Short, unique in the recipe, made of the directory and the extensions.
    directory : str
        Relative to the source; empty for the source itself.
    recursive : bool
        Whether files in its subdirectories belong to it.
    extensions : tuple of str
        Lower case without dot, sorted; an empty string is "no extension".
    size_min, size_max : int, int or None
        Sizes in [size_min, size_max) [bytes]; None is no upper end.
    members : ndarray of int64, shape (n_members,)
        Rows of the feature table.
    behaviour : Behaviour
        What decides its treatment.
    bytes : int
        Unique bytes [bytes].
    reads_per_epoch : float
        Reads of its files per epoch of the record [1].
    epoch_share : float
        Share of its files that an epoch reads, 0 to 1.
    sequential_ratio : float
        Share of reads that go on where the last one ended, 0 to 1.
    wait_share : float
        Share of the job's recorded waiting that fell on it, 0 to 1.
    epochs : int
        Epochs in which it could be read; 1 for a job without epochs [1].
    found : Discovery or None
        Where a tree found it; None for a plain class.
    """

    name: str
    directory: str
    recursive: bool
    extensions: tuple[str, ...]
    size_min: int
    size_max: int | None
    members: NDArray[np.int64]
    behaviour: Behaviour
    bytes: int = 0
    reads_per_epoch: float = 0.0
    epoch_share: float = 0.0
    sequential_ratio: float = 0.0
    wait_share: float = 0.0
    epochs: int = 0
    found: Discovery | None = None

    @property
    def n_files(self) -> int:
        """How many files were seen."""
        return len(self.members)

    @property
    def where(self) -> str:
        """The directory as people write it."""
        return f"{self.directory}/" if self.directory else "the top directory"


def classify(features: pd.DataFrame, *, limit: int = MAX_CLASSES) -> list[FileClass]:
    """Group files into classes, those with most bytes read first.

    Parameters
    ----------
    features : pandas.DataFrame
        What `file_features` made.
    limit : int
        How many classes to keep; those with the fewest bytes read are left out.

    Returns
    -------
    list of FileClass
        Disjoint, by descending bytes read, then by name.
    """
    groups: list[FileClass] = []
    kinds: dict[tuple[str, str], dict[str, list[int]]] = {}
    columns = zip(features["extension"], features["bucket"], features["directory"], strict=True)
    for row, (extension, bucket, directory) in enumerate(columns):
        kinds.setdefault((extension, bucket), {}).setdefault(directory, []).append(row)
    for (extension, bucket), directories in sorted(kinds.items()):
        leaves = [
            _leaf(features, directory, extension, bucket, np.array(rows))
            for directory, rows in sorted(directories.items())
        ]
        groups += _cover(features, leaves, depth=0)
    groups = _merge(features, groups, key=lambda group: (group.directory, group.recursive, group.extensions))
    groups = _merge(
        features, groups, key=lambda group: (group.directory, group.recursive, group.size_min, group.size_max)
    )
    read = features["bytes_read"].to_numpy()
    groups.sort(key=lambda group: (-int(read[group.members].sum()), group.directory, group.extensions))
    return _named([measured(features, group) for group in groups[:limit]])


def _leaf(
    features: pd.DataFrame, directory: str, extension: str, bucket: str, members: NDArray[np.int64]
) -> FileClass:
    low, high = BUCKET_LIMITS[bucket]
    return FileClass(
        name="",
        directory=directory,
        recursive=False,
        extensions=(extension,),
        size_min=low,
        size_max=high,
        members=members,
        behaviour=reading_of(features, members),
    )


def reading_of(features: pd.DataFrame, members: NDArray[np.int64]) -> Behaviour:
    """Find whether a group's bytes are read again, and whether in another order.

    Parameters
    ----------
    features : pandas.DataFrame
        All files.
    members : ndarray of int64, shape (n_members,)
        Rows of the group.

    Returns
    -------
    Behaviour
        Of most of its bytes.
    """
    rows = features.iloc[members]
    size = rows["size"].to_numpy().astype(float) + 1.0
    again = (rows["epochs_read"] > 1) | (rows["bytes_read"] > 1.5 * rows["size"])
    reused = float(size[again.to_numpy()].sum()) >= REUSED_SHARE * float(size.sum())
    both = rows["next_position"].notna()
    if int(both.sum()) < ORDER_SAMPLE:
        return Behaviour(reused=reused, order=None)
    first, second = rows.loc[both, "position"].rank(), rows.loc[both, "next_position"].rank()
    correlation = float(np.corrcoef(first, second)[0, 1])
    return Behaviour(
        reused=reused, order="same each epoch" if correlation >= ORDER_CORRELATION else "shuffled"
    )


def _cover(features: pd.DataFrame, leaves: Sequence[FileClass], depth: int) -> Iterator[FileClass]:
    """Join leaves that behave alike below their deepest common directory; else look one level deeper."""
    if len(leaves) == 1 or _alike(leaves):
        members = np.sort(np.concatenate([leaf.members for leaf in leaves]))
        behaviour = reading_of(features, members)
        known = {leaf.behaviour.order for leaf in leaves} - {None}
        if known:
            # shuffled inside each directory is shuffled, also where the directories keep their order
            behaviour = replace(behaviour, order=known.pop())
        yield replace(
            leaves[0],
            directory=_common_directory([leaf.directory for leaf in leaves]),
            recursive=len(leaves) > 1,
            members=members,
            behaviour=behaviour,
        )
        return
    by_part: dict[str, list[FileClass]] = {}
    for leaf in leaves:
        parts = leaf.directory.split("/") if leaf.directory else []
        by_part.setdefault(parts[depth] if depth < len(parts) else "", []).append(leaf)
    for part in sorted(by_part):
        yield from _cover(features, by_part[part], depth + 1)


def _alike(leaves: Sequence[FileClass]) -> bool:
    reused = {leaf.behaviour.reused for leaf in leaves}
    orders = {leaf.behaviour.order for leaf in leaves} - {None}
    return len(reused) == 1 and len(orders) <= 1


def _common_directory(directories: Sequence[str]) -> str:
    parts = [directory.split("/") if directory else [] for directory in directories]
    common: list[str] = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return "/".join(common)


def _merge(
    features: pd.DataFrame, groups: Sequence[FileClass], key: Callable[[FileClass], object]
) -> list[FileClass]:
    """Join groups with equal keys that behave alike: first over neighbouring sizes, then over extensions."""
    by_key: dict[object, list[FileClass]] = {}
    for group in groups:
        by_key.setdefault(key(group), []).append(group)
    merged: list[FileClass] = []
    for same in by_key.values():
        kept: list[FileClass] = []
        for group in sorted(same, key=lambda group: (group.size_min, group.extensions)):
            partner = next(
                (k for k in kept if k.behaviour.agrees(group.behaviour) and _touch(k, group)), None
            )
            if partner is None:
                kept.append(group)
            else:
                kept[kept.index(partner)] = _joined(features, partner, group)
        merged += kept
    return merged


def _touch(first: FileClass, second: FileClass) -> bool:
    """Sizes of one class are one interval."""
    same = (first.size_min, first.size_max) == (second.size_min, second.size_max)
    return same or first.size_max == second.size_min


def _joined(features: pd.DataFrame, first: FileClass, second: FileClass) -> FileClass:
    members = np.sort(np.concatenate([first.members, second.members]))
    upper = (
        None if first.size_max is None or second.size_max is None else max(first.size_max, second.size_max)
    )
    return replace(
        first,
        extensions=tuple(sorted({*first.extensions, *second.extensions})),
        size_min=min(first.size_min, second.size_min),
        size_max=upper,
        members=members,
        behaviour=reading_of(features, members),
    )


def measured(features: pd.DataFrame, group: FileClass) -> FileClass:
    """Fill in what a group's files have together.

    Parameters
    ----------
    features : pandas.DataFrame
        All files.
    group : FileClass
        The group.

    Returns
    -------
    FileClass
        With bytes, reads and waiting.
    """
    rows = features.iloc[group.members]
    epochs = rows["epochs"].to_numpy().astype(float)
    reads = rows["reads"].to_numpy().astype(float)
    total_wait = float(features["wait_ns"].sum())
    return replace(
        group,
        bytes=int(rows["size"].sum()),
        reads_per_epoch=float((reads / epochs).sum()),
        epoch_share=float((rows["epochs_read"].to_numpy() / epochs).mean()),
        sequential_ratio=float((rows["sequential_ratio"].to_numpy() * reads).sum() / reads.sum()),
        epochs=int(epochs.max()),
        wait_share=float(rows["wait_ns"].sum()) / total_wait if total_wait > 0 else 0.0,
    )


def _named(classes: Sequence[FileClass]) -> list[FileClass]:
    """Give each class a name that says where it is; a number only where two would be equal."""
    taken: set[str] = set()
    named = []
    for group in classes:
        where = group.directory.replace("/", "-") or "top"
        kind = "-".join(extension for extension in group.extensions[:2] if extension)
        bucket = next((b for b in BUCKETS if BUCKET_LIMITS[b] == (group.size_min, group.size_max)), "")
        base = _slug(f"{where}-{kind}" if kind else where)
        options = [base, f"{base}-{bucket}", *(f"{base}-{number}" for number in range(2, len(classes) + 2))]
        name = next(option for option in options if option not in taken and not option.endswith("-"))
        taken.add(name)
        named.append(replace(group, name=name))
    return named


def _slug(text: str) -> str:
    return re.sub(r"-+", "-", re.sub(r"[^a-z0-9]+", "-", text.lower())).strip("-") or "files"
