"""Writes a learned recipe: YAML with a header that says where it came from and what it expects."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlopt_engine
import recipes
from mlopt_engine.errors import InvalidInputError
from recipes.saving import write_atomically

#: First line of each learned recipe; such a file may be overwritten, others not.
MARK = "Learned by mlopt from how a job read its files."


def versions() -> str:
    """Name what the numbers depend on.

    Returns
    -------
    str
        Versions of mlopt, numpy, scikit-learn and Python.
    """
    return (
        f"mlopt {mlopt_engine.__version__}, numpy {version('numpy')}, "
        f"scikit-learn {version('scikit-learn')}, Python {platform.python_version()}"
    )


def render(document: Mapping[str, Any], header: Sequence[str]) -> str:
    """Write a recipe as text and make sure that it reads back.

    Parameters
    ----------
    document : mapping
        The recipe.
    header : sequence of str
        Lines of the comment on top, below the mark.

    Returns
    -------
    str
        YAML. The same input gives the same bytes.
    """
    text = recipes.dump(dict(document), "\n".join([MARK, *header]))
    recipes.loads(text, str(document["name"]))
    return text


def check_target(path: Path) -> None:
    """Make sure that writing loses nothing.

    Parameters
    ----------
    path : Path
        Where the recipe is to go.

    Raises
    ------
    InvalidInputError
        When there is something that `mlopt learn` did not write, or no directory to write into.
    """
    if path.is_dir():
        raise InvalidInputError("is a directory", where=str(path), do="Name a file for -o")
    if not path.parent.is_dir():
        raise InvalidInputError(
            "there is no such directory", where=str(path.parent), do=f"Create it: mkdir -p {path.parent}"
        )
    if not os.access(path.parent, os.W_OK):
        raise InvalidInputError("cannot write there", where=str(path.parent), do="Name another file for -o")
    if path.exists() and not _is_ours(path):
        raise InvalidInputError(
            "exists and was not written by 'mlopt learn'; it is kept",
            where=str(path),
            do="Name another file for -o, or remove this one",
            code="output-exists",
        )


def _is_ours(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(MARK) + 16).startswith(f"# {MARK}".encode())


def write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all.

    Parameters
    ----------
    path : Path
        Where.
    text : str
        What.
    """
    check_target(path)
    write_atomically(path, text)
