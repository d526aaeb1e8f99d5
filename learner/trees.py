"""Splits classes whose files are not read alike, by a small tree over what a recipe can ask of a file."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from learner.classes import MAX_CLASSES, Discovery, FileClass, measured, reading_of
from mlopt_engine import detect

#: A class is mixed where at least this share of its bytes is read again, or not, unlike the rest.
MIXED_SHARE = 0.05
#: Fewer files are no evidence.
LEAST_FILES = 16
#: What the leaves must gain in purity; less is not worth a second rule.
LEAST_GAIN = 0.04
#: A path of three questions can be read by people.
DEPTH = 3
#: Of directories, leading words and types the most frequent are asked.
MOST_WORDS = 16
_WORD = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True)
class Column:
    """A question to a file that a recipe can ask.

    Attributes
    ----------
    values : ndarray of float64, shape (n_files,)
        Its size, or 1 for yes and 0 for no.
    property : str
        Property of the condition, ``size`` for the size.
    operator : str
        For yes; empty for the size.
    value : str
        What yes compares with.
    """

    values: NDArray[np.float64]
    property: str
    operator: str = ""
    value: str = ""


def split(features: pd.DataFrame, classes: Sequence[FileClass]) -> list[FileClass] | None:
    """Split each class in which files that are read again and files that are not are mixed.

    Parameters
    ----------
    features : pandas.DataFrame
        What `file_features` made.
    classes : sequence of FileClass
        The plain classes.

    Returns
    -------
    list of FileClass or None
        The same classes and, in the place of mixed ones, their parts; None where no tree tells them apart.
    """
    parts: list[FileClass] = []
    for target in classes:
        parts += _parts(features, target) or [target]
    return parts[:MAX_CLASSES] if len(parts) > len(classes) else None


def _parts(features: pd.DataFrame, target: FileClass) -> list[FileClass]:
    rows = features.iloc[target.members]
    again = ((rows["epochs_read"] > 1) | (rows["bytes_read"] > 1.5 * rows["size"])).to_numpy()
    mass = rows["size"].to_numpy().astype(float) + 1.0
    share = float(mass[again].sum() / mass.sum())
    if len(rows) < LEAST_FILES or min(share, 1 - share) < MIXED_SHARE:
        return []
    static = list(_columns(rows, target))
    for columns in (static, [*static, _live(rows)]):
        tree = DecisionTreeClassifier(
            max_depth=DEPTH, min_samples_leaf=max(3, len(rows) // 50), ccp_alpha=0.005, random_state=0
        )
        asked = np.column_stack([column.values for column in columns])
        tree.fit(asked, again, sample_weight=mass)
        leaf = tree.apply(asked)
        purity = {number: _purity(again[leaf == number], mass[leaf == number]) for number in np.unique(leaf)}
        whole = sum(purity[number] * mass[leaf == number].sum() for number in purity) / mass.sum()
        if whole >= max(share, 1 - share) + LEAST_GAIN:
            return [
                _part(features, target, path, leaf == number, purity[number])
                for number, path in _paths(tree, columns)
            ]
    return []


def _purity(again: NDArray[np.bool_], mass: NDArray[np.float64]) -> float:
    share = float(mass[again].sum() / mass.sum())
    return max(share, 1 - share)


def _columns(rows: pd.DataFrame, target: FileClass) -> Iterator[Column]:
    """Ask what does not change while a file is read."""
    yield Column(rows["size"].to_numpy().astype(float), "size")
    paths = [str(path) for path in rows["path"]]
    yield from _one_of(list(rows["extension"]), "extension", "equals")
    yield from _one_of([detect(os.fsencode(path)).type for path in paths], "type", "equals")
    folders = [part for path in paths for part in _folders(path, target.directory)]
    for name in _frequent(folders):
        yield _containing(paths, "path", f"{name}/")
    names = [path.rpartition("/")[2] for path in paths]
    for word in _frequent([found[0] for name in names if (found := _WORD.match(name))]):
        yield _containing(names, "name", word)


def _containing(texts: Sequence[str], name: str, part: str) -> Column:
    return Column(np.array([part in text for text in texts], dtype=float), name, "contains", part)


def _live(rows: pd.DataFrame) -> Column:
    """Ask what only reading shows; tried where nothing else tells the files apart."""
    sequential = (rows["sequential_ratio"] > 0.5).to_numpy().astype(float)
    return Column(sequential, "pattern", "equals", "sequential")


def _one_of(words: Sequence[str], name: str, operator: str) -> Iterator[Column]:
    for word in _frequent(words):
        same = np.array([each == word for each in words], dtype=float)
        if 0 < same.sum() < len(same):
            yield Column(same, name, operator, word)


def _frequent(words: Sequence[str]) -> list[str]:
    counts = Counter(
        word for word in words if word and not any(0xD800 <= ord(char) <= 0xDFFF for char in word)
    )
    return sorted(counts, key=lambda word: (-counts[word], word))[:MOST_WORDS]


def _folders(path: str, top: str) -> Iterator[str]:
    """List the folders between a class's own directory and a file."""
    below = path.removeprefix(f"{top}/") if top else path
    yield from below.split("/")[:-1]


def _paths(tree: DecisionTreeClassifier, columns: Sequence[Column]) -> Iterator[tuple[int, list[Any]]]:
    """Turn each way from the root to a leaf into conditions."""
    nodes = tree.tree_
    waiting: list[tuple[int, dict[tuple[int, bool], float]]] = [(0, {})]
    while waiting:
        node, asked = waiting.pop()
        if nodes.children_left[node] < 0:
            yield node, [_condition(columns[index], yes, limit) for (index, yes), limit in asked.items()]
            continue
        index, threshold = int(nodes.feature[node]), float(nodes.threshold[node])
        limit = _round_limit(columns[index].values, threshold) if columns[index].property == "size" else 0.0
        # a second question about the size narrows the first
        waiting.append((int(nodes.children_right[node]), {**asked, (index, True): limit}))
        waiting.append((int(nodes.children_left[node]), {**asked, (index, False): limit}))


def _round_limit(sizes: NDArray[np.float64], threshold: float) -> float:
    """Choose the roundest limit that separates the same files."""
    low, high = sizes[sizes <= threshold].max(), sizes[sizes > threshold].min()
    for bits in range(40, -1, -1):
        limit = float((int(low) // (1 << bits) + 1) << bits)
        if limit <= high:
            return limit
    return float(high)


def _condition(column: Column, yes: bool, limit: float) -> dict[str, Any]:
    if column.property == "size":
        operator = "greater_equal" if yes else "less_than"
        size = int(limit)
        value: Any = f"{size >> 10}KiB" if size % 1024 == 0 and size else size
        return {
            "type": "file_context",
            "property": "size",
            "operator": operator,
            "value": value,
            "weight": 1.0,
        }
    negated = {"equals": "not_equals", "contains": "not_contains"}
    return {
        "type": "access_pattern" if column.property == "pattern" else "file_context",
        "property": column.property,
        "operator": column.operator if yes else negated[column.operator],
        "value": column.value,
        "weight": 1.0,
    }


def _part(
    features: pd.DataFrame,
    target: FileClass,
    asked: list[dict[str, Any]],
    chosen: NDArray[np.bool_],
    purity: float,
) -> FileClass:
    members = target.members[chosen]
    words = [_word(condition) for condition in asked]
    part = replace(
        target,
        name="-".join([target.name, *(word for word in words if word)]),
        members=members,
        behaviour=reading_of(features, members),
        found=Discovery(tuple(asked), round(purity, 4)),
    )
    return measured(features, part)


def _word(condition: dict[str, Any]) -> str:
    """Name a part by what was asked."""
    value = re.sub(r"[^a-z0-9]+", "-", str(condition["value"]).lower()).strip("-")
    prefix = {"less_than": "below-", "greater_equal": "from-", "not_equals": "no-", "not_contains": "no-"}
    return f"{prefix.get(condition['operator'], '')}{value}"
