"""Measure a storage, with the CPU of the daemon behind it where that is one of ours."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from simulator.probe import ProbeResult


def probe_directory(directory: Path, on_progress: Callable[[float], None] | None = None) -> ProbeResult:
    """Measure the storage below a directory.

    Parameters
    ----------
    directory : Path
        A directory with files.
    on_progress : callable, optional
        Told the share done [1].

    Returns
    -------
    ProbeResult
        The storage as a model.

    Raises
    ------
    InvalidInputError
        When the directory is missing or has nothing to read.
    RefusedError
        When its files cannot be read.
    """
    from simulator.probe import probe

    return probe(directory, server_pid=daemon_of(directory), on_progress=on_progress)


def daemon_of(directory: Path) -> int | None:
    """Find the daemon of ours that serves a directory.

    Parameters
    ----------
    directory : Path
        The directory.

    Returns
    -------
    int or None
        Its process id; None when no mount of ours holds the directory.
    """
    from runtime.state import state_of

    place = Path(os.path.realpath(directory))
    for folder in (place, *place.parents):
        if folder.is_mount():
            return state_of(folder).live_pid()
    return None


def save_model(result: ProbeResult, path: Path) -> None:
    """Write a measured storage for `mlopt simulate --storage`; the file appears whole or not at all.

    Parameters
    ----------
    result : ProbeResult
        What was measured.
    path : Path
        The file; replaced when it holds a measured storage, refused when it holds anything else.

    Raises
    ------
    InvalidInputError
        When it cannot be written, or exists and is no storage.
    """
    check_target(path)
    document = {
        "model": asdict(result.model),
        "intervals": {name: list(interval) for name, interval in result.intervals.items()},
        "points": [asdict(point) for point in result.points],
        "warnings": list(result.warnings),
    }
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise InvalidInputError(
            f"cannot be written: {error.strerror}", where=str(path), do="Name a file in a folder of yours"
        ) from error


def check_target(path: Path) -> None:
    """Refuse a file that holds anything but a measured storage, before ten seconds are spent.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    InvalidInputError
        When its folder does not exist, or it exists and is no storage.
    """
    if not path.parent.is_dir():
        raise InvalidInputError(
            "its folder is not there", where=str(path), do=f"Run 'mkdir -p {path.parent}'", code="no-folder"
        )
    if not path.exists():
        return
    try:
        is_ours = "model" in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        is_ours = False
    if not is_ours:
        raise InvalidInputError(
            "exists and was not written by 'mlopt probe'; it is kept",
            where=str(path),
            do="Name another file for -o, or remove this one",
            code="file-exists",
        )
