"""From the word after ``-r`` to a recipe."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recipes.findings import Finding, RecipeError, nearest
from recipes.layers import LayerRequest, layered
from recipes.merged import Layer
from recipes.named import LIBRARY
from recipes.nodes import parse
from recipes.recipe import Recipe, read
from recipes.source import SUFFIXES, Source

__all__ = ["find", "load", "loads", "resolve", "shipped"]


def shipped() -> list[str]:
    """List the recipes that ship.

    Returns
    -------
    list of str
        Names for `load`, sorted.
    """
    return sorted(path.stem for path in LIBRARY.glob("*.yaml"))


def load(name_or_path: str) -> Recipe:
    """Load a recipe.

    Parameters
    ----------
    name_or_path : str
        Name of a recipe that ships, or a file. A bare word is a name.

    Returns
    -------
    Recipe
        Without errors; its warnings are kept.

    Raises
    ------
    RecipeError
        With everything that is wrong, each finding with its position.
    """
    source, layer = find(name_or_path)
    with _collector_paused():
        return read(source, layer=layer)


def resolve(request: LayerRequest) -> Recipe:
    """Load a recipe with the layers around it.

    Parameters
    ----------
    request : LayerRequest
        What was asked for; a recipe and nothing else is what `load` gives.

    Returns
    -------
    Recipe
        Without errors; its warnings are kept.

    Raises
    ------
    RecipeError
        With everything that is wrong in any of the files, each finding with its position.
    """
    if request.is_plain:
        return load(request.recipe or "default")
    with _collector_paused():
        return layered(request, _layer)


def _layer(name_or_path: str) -> Layer:
    source, kind = find(name_or_path)
    return Layer(kind, parse(source))


def find(name_or_path: str) -> tuple[Source, str]:
    """Find a recipe's text.

    Parameters
    ----------
    name_or_path : str
        Name of a recipe that ships, or a file. A bare word is a name.

    Returns
    -------
    tuple of Source and str
        The text, and the layer it belongs to.

    Raises
    ------
    RecipeError
        When there is none, or it cannot be read.
    """
    is_word = "/" not in name_or_path and not name_or_path.endswith(SUFFIXES)
    if is_word and name_or_path in shipped():
        return Source.read(LIBRARY / f"{name_or_path}.yaml", name_or_path), "built-in"
    if is_word and not os.path.exists(name_or_path):  # noqa: PTH110 - Path's raises for a name of 5,000 letters
        meant = nearest(name_or_path, shipped())
        remedy = (
            f"Did you mean '{meant}'?" if meant else f"Name a file, or one that ships: {', '.join(shipped())}"
        )
        raise RecipeError([Finding("MLO100", "no such recipe", name_or_path or "''", do=remedy)])
    return Source.read(Path(name_or_path), name_or_path), "custom"


def loads(text: str, name: str = "recipe") -> Recipe:
    """Load a recipe from a text.

    Parameters
    ----------
    text : str
        YAML.
    name : str
        For messages.

    Returns
    -------
    Recipe
        Without errors; its warnings are kept.

    Raises
    ------
    RecipeError
        With everything that is wrong.
    """
    with _collector_paused():
        return read(Source.of_text(text, name))


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Make objects that live on without looking for cycles among them and all others, over and over.

    That took 27 of 107 ms for 1,000 rules; what a recipe comes to is bounded, with the collector or without.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
