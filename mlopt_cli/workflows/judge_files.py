"""Judges files by a recipe: a tree, some files, or those of a trace; for ``test-rules`` and ``explain``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from traces.analysis.facts import FileUse

#: Most files between two updates of the progress bar, about 50 ms of work; fewer where a step takes more than
#: STEP_S, as on a slow storage: Ctrl-C is heard between two steps [s].
STEP_FILES = 50_000
STEP_S = 0.1
#: Depth of the tree view.
TREE_DEPTH = 3
#: Shares that can be asked for: of files, of bytes, and with a trace of reads and of bytes read.
MEASURES = {"": "files", "_bytes": "bytes", "_reads": "reads", "_read_bytes": "read_bytes"}
TREATMENTS = ("matched", "cached", "prefetched")


@dataclass(frozen=True)
class JudgeQuestion:
    """What is to be judged.

    Attributes
    ----------
    plan_json : str
        The compiled recipe.
    path : Path or None
        A directory or a file; None for the files of a trace.
    source : Path or None
        What paths are relative to; `path` itself if None.
    files : tuple of str
        Only these; relative to the source, or as they lie on disk.
    limit : int or None
        Files to explain; None for all.
    why_not : str or None
        The rule whose silence is asked for.
    with_tree : bool
        Count folders.
    with_content : bool
        Look at the first bytes of files.
    facts : dict
        What is known of job and machine.
    uses : list of FileUse
        How a traced job read its files.
    """

    plan_json: str
    path: Path | None
    source: Path | None = None
    files: tuple[str, ...] = ()
    limit: int | None = None
    why_not: str | None = None
    with_tree: bool = False
    with_content: bool = False
    facts: dict[str, str | int] = field(default_factory=dict)
    uses: list[FileUse] = field(default_factory=list)


def judge_files(question: JudgeQuestion, on_step: Callable[[int], None] | None = None) -> dict[str, Any]:
    """Judge files.

    Parameters
    ----------
    question : JudgeQuestion
        What is asked.
    on_step : callable, optional
        Told how many more files were looked at.

    Returns
    -------
    dict
        ``totals``, ``files`` with every reason, ``summary`` by rule, ``shares``; ``folders`` and ``why_not``
        where they were asked for.

    Raises
    ------
    InvalidInputError
        When a path or rule cannot be used.
    """
    from mlopt_engine import RuleScan

    options = {
        "limit": question.limit,
        "why_not": _rule_index(question),
        "tree_depth": TREE_DEPTH if question.with_tree else 0,
        "content": question.with_content,
        "facts": question.facts,
    }
    root, starts = _places(question)
    uses = question.uses
    if root is None and question.files:
        uses = _chosen(uses, question.files)
    traced = [tuple(use) for use in uses]
    names = ["" if start == Path() else str(start) for start in starts]
    try:
        scan = RuleScan(question.plan_json, root, names, json.dumps(options), traced)  # type: ignore[arg-type]
    except OSError as error:
        raise InvalidInputError(
            f"cannot be listed: {os.strerror(error.errno or 0)}",
            where=str(question.path),
            do="Name a directory or a file that exists and that you may read",
            code="path",
        ) from None
    files, begun = 1, time.monotonic()
    while step := scan.advance(files):
        if on_step is not None:
            on_step(step)
        took = time.monotonic() - begun
        begun += took
        files = max(1, files // 2) if took > STEP_S else min(STEP_FILES, 2 * files)
    result: dict[str, Any] = json.loads(scan.report())
    return result | {"shares": _shares(result["totals"])}


def _rule_index(question: JudgeQuestion) -> int | None:
    if question.why_not is None:
        return None
    from recipes.findings import nearest

    rules = [rule["id"] for rule in json.loads(question.plan_json)["rules"]]
    if question.why_not not in rules:
        meant = nearest(question.why_not, rules)
        do = f"Did you mean '{meant}'?" if meant else f"Rules of the recipe: {', '.join(rules)}"
        raise InvalidInputError(
            "the recipe has no such rule", where="--why-not", value=question.why_not, do=do, code="rule"
        )
    return rules.index(question.why_not)


def _places(question: JudgeQuestion) -> tuple[Path | None, list[Path]]:
    """Find the root that paths are relative to, and where to start below it; no root for a trace's files."""
    path, source = question.path, question.source
    if path is None:
        return None, []
    if source is None:
        root, start = (path, Path()) if path.is_dir() or not path.exists() else (path.parent, Path(path.name))
    else:
        root, start = source, _below(path, source)
    if not question.files:
        return root, [start]
    return root, [_file_below(root, name) for name in question.files]


def _file_below(root: Path, name: str) -> Path:
    """Find a file that was named relative to the source, or as it lies on disk."""
    if not Path(name).is_absolute() and os.path.lexists(root / name):
        return Path(name)
    if not os.path.lexists(name):
        raise InvalidInputError(
            "no such file",
            where="--file",
            value=name,
            do=f"Name a file below {root}",
            code="path",
        )
    return _below(Path(name), root)


def _chosen(uses: list[FileUse], names: tuple[str, ...]) -> list[FileUse]:
    wanted = {os.fsencode(name) for name in names}
    found = [use for use in uses if use.path in wanted]
    missing = wanted - {use.path for use in found}
    if missing:
        raise InvalidInputError(
            "the trace holds no such file",
            where="--file",
            value=os.fsdecode(min(missing)),
            do="Name a file relative to the trace's source",
            code="path",
        )
    return found


def _below(path: Path, source: Path) -> Path:
    """Where a path lies below its source. A link stays the link it is."""
    try:
        return (path.parent.resolve() / path.name).relative_to(source.resolve())
    except ValueError:
        raise InvalidInputError(
            "is not below the source", where=str(path), value=str(source), do="Name a path inside --source"
        ) from None


def _shares(totals: dict[str, Any]) -> dict[str, float | None]:
    return {
        treatment + suffix: totals[treatment][measure] / totals[measure] if totals[measure] else None
        for treatment in TREATMENTS
        for suffix, measure in MEASURES.items()
    }
