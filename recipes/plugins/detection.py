"""Which framework a tree belongs to: every plugin votes on a bounded sample of names and first bytes."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlopt_engine import FIRST_BYTES, detect
from mlopt_engine.errors import InvalidInputError
from recipes.plugins.asking import PluginFailure, ask_confidence
from recipes.plugins.catalog import Catalog, catalog

__all__ = ["Evidence", "FileGroup", "TreeDetection", "detect_tree"]

# A slow source answers an open in 5 ms or so: a sample of 200 files costs a second there.
FILES = 200
# Shards of one kind say no more than a few of them do; other kinds must get their turn.
FILES_OF_A_KIND_IN_A_FOLDER = 4
FILES_IN_A_FOLDER = 50
FOLDERS = 200
NAMES_IN_A_FOLDER = 2000
# Below this a framework's files are too few among those that tell something.
LEAST_SCORE = 0.3
# Between two frameworks nearer than this nothing is decided.
LEAST_LEAD = 0.1
EVIDENCE_KEPT = 5
# Where the groups of hints end: a small file is one block, a large one is no quick load on any link.
SIZE_CLASSES = (1 << 20, 1 << 30)


@dataclass(frozen=True)
class Evidence:
    """What one file says.

    Attributes
    ----------
    path : str
        Relative to the tree.
    framework : str
        Which framework it speaks for.
    confidence : float
        How surely, 0..1.
    by : str or None
        ``content`` or ``name``: what told the engine's table the format.
    """

    path: str
    framework: str
    confidence: float
    by: str | None


@dataclass(frozen=True)
class FileGroup:
    """Like files of the sample: the same type, format, extension and class of size.

    Attributes
    ----------
    facts : dict of str to object
        ``file.type``, ``file.extension``, ``file.format``, ``file.size`` (median [bytes]), ``file.count``
        (in the sample).
    least_bytes : int
        Where their class of size begins [bytes].
    end_bytes : int or None
        Where it ends, exclusive [bytes].
    """

    facts: dict[str, Any]
    least_bytes: int
    end_bytes: int | None


@dataclass(frozen=True)
class TreeDetection:
    """The outcome of a vote.

    Attributes
    ----------
    scores : dict of str to float
        Mean confidence per framework over the files that tell something, 0..1, best first; empty without any.
    evidence : tuple of Evidence
        The files that spoke most clearly, a few per framework.
    groups : tuple of FileGroup
        What the sample is made of, to ask for hints about.
    files : int
        Size of the sample.
    failures : dict of str to str
        Plugins that failed on it, and how; they have no vote.
    """

    scores: dict[str, float]
    evidence: tuple[Evidence, ...]
    groups: tuple[FileGroup, ...]
    files: int
    failures: dict[str, str]

    @property
    def best(self) -> str | None:
        """The framework of the tree, if one stands out."""
        ranked = [*self.scores.items(), ("", 0.0)]
        if not self.scores or ranked[0][1] < LEAST_SCORE or ranked[0][1] - ranked[1][1] < LEAST_LEAD:
            return None
        return ranked[0][0]

    def to_dict(self) -> dict[str, Any]:
        """Shape the outcome for JSON.

        Returns
        -------
        dict
            Plain values.
        """
        return {
            "framework": self.best,
            "scores": self.scores,
            "files": self.files,
            "evidence": [vars(each) for each in self.evidence],
            "failures": self.failures,
        }


@dataclass(frozen=True)
class _Sampled:
    path: str
    size: int
    first_bytes: bytes


def detect_tree(root: Path, plugins: Catalog | None = None) -> TreeDetection:
    """Find the framework of a tree.

    Parameters
    ----------
    root : Path
        A directory, or a single file. Links are not followed.
    plugins : Catalog
        Who votes; the operator's defaults if omitted.

    Returns
    -------
    TreeDetection
        Scores, evidence and groups of like files.

    Raises
    ------
    InvalidInputError
        When the tree cannot be listed.
    """
    chosen = catalog() if plugins is None else plugins
    sample = list(_sample(root))
    votes: dict[str, list[Evidence]] = {}
    failures: dict[str, str] = {}
    for file in sample:
        for entry in chosen.usable:
            if entry.plugin is None or entry.name in failures:
                continue
            try:
                confidence = ask_confidence(entry.plugin, file.path, file.first_bytes)
            except PluginFailure as failure:
                failures[entry.name] = str(failure)
                votes.pop(entry.name, None)
                continue
            if confidence > 0.0:
                votes.setdefault(entry.name, []).append(_evidence(file, entry.name, confidence))
    return TreeDetection(_scores(votes), _kept(votes), _groups(sample), len(sample), failures)


def _evidence(file: _Sampled, framework: str, confidence: float) -> Evidence:
    shown = os.fsencode(file.path).decode("utf-8", "replace")
    return Evidence(shown, framework, confidence, detect(file.path, file.first_bytes).by)


def _scores(votes: dict[str, list[Evidence]]) -> dict[str, float]:
    telling = {each.path for told in votes.values() for each in told}
    scores = {
        name: round(sum(each.confidence for each in told) / len(telling), 6) for name, told in votes.items()
    }
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))


def _kept(votes: dict[str, list[Evidence]]) -> tuple[Evidence, ...]:
    by_clarity = (sorted(told, key=lambda each: (-each.confidence, each.path)) for told in votes.values())
    return tuple(each for told in by_clarity for each in told[:EVIDENCE_KEPT])


def _groups(sample: list[_Sampled]) -> tuple[FileGroup, ...]:
    grouped: dict[tuple[str, str, str, int], list[int]] = {}
    for file in sample:
        kind = detect(file.path, file.first_bytes)
        size_class = sum(file.size >= bound for bound in SIZE_CLASSES)
        key = (kind.type, kind.format or "", _extension(file.path), size_class)
        grouped.setdefault(key, []).append(file.size)
    return tuple(_group(key, sorted(sizes)) for key, sizes in sorted(grouped.items()))


def _group(key: tuple[str, str, str, int], sizes: list[int]) -> FileGroup:
    file_type, file_format, extension, size_class = key
    bounds = (0, *SIZE_CLASSES, None)
    facts = {
        "file.type": file_type,
        "file.format": file_format or None,
        "file.extension": extension,
        "file.size": sizes[len(sizes) // 2],
        "file.count": len(sizes),
    }
    return FileGroup(facts, bounds[size_class] or 0, bounds[size_class + 1])


def _extension(path: str) -> str:
    """As the fact ``file.extension``: lower case, nothing for ``.profile``."""
    return Path(path).suffix.removeprefix(".").lower()


def _sample(root: Path) -> Iterator[_Sampled]:
    """Take files folder by folder, a few of each kind, those nearest to the root first."""
    try:
        if not root.is_dir():
            yield _read(str(root), root.name, root.lstat().st_size)
            return
        queue = deque([""])
        _scan(root, "")
    except OSError as error:
        raise InvalidInputError(
            f"cannot be looked at: {os.strerror(error.errno or 0)}",
            where=str(root),
            do="Name a directory or a file that exists and that you may read",
            code="path",
        ) from None
    folders = files = 0
    while queue and folders < FOLDERS and files < FILES:
        folder = queue.popleft()
        folders += 1
        for path, size in _some_files(root, folder, queue):
            yield _read(str(root / path), path, size)
            files += 1
            if files == FILES:
                return


def _scan(root: Path, folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(root / folder) as entries:
        bounded = [entry for entry, _ in zip(entries, range(NAMES_IN_A_FOLDER), strict=False)]
    return sorted(bounded, key=lambda entry: entry.name)


def _some_files(root: Path, folder: str, queue: deque[str]) -> Iterator[tuple[str, int]]:
    taken: dict[str, int] = {}
    try:
        entries = _scan(root, folder)
    except OSError:
        return  # a folder that may not be listed has no vote
    for entry in entries:
        path = f"{folder}/{entry.name}" if folder else entry.name
        try:
            facts = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISDIR(facts.st_mode):
            queue.append(path)
        elif stat.S_ISREG(facts.st_mode):
            kind = _extension(path)
            if taken.get(kind, 0) < FILES_OF_A_KIND_IN_A_FOLDER:
                taken[kind] = taken.get(kind, 0) + 1
                yield path, facts.st_size
        if sum(taken.values()) == FILES_IN_A_FOLDER:
            return


def _read(where: str, path: str, size: int) -> _Sampled:
    """Look at the first bytes; where they may not be read the name alone speaks."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(where, flags)
        try:
            first_bytes = os.read(descriptor, FIRST_BYTES)
        finally:
            os.close(descriptor)
    except OSError:
        first_bytes = b""
    return _Sampled(path, size, first_bytes)
