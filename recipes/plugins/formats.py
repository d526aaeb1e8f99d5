"""A plugin that is told by file formats and keeps its rules in YAML: the base of all that ship.

What a file is, the engine's one table says (`mlopt_engine.detect`: first bytes, then the name). A plugin only
states how much each of these formats says about its framework.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mlopt_engine import detect
from recipes.nodes import parse
from recipes.plugins.base import Context, Hint
from recipes.source import Source

__all__ = ["FormatPlugin"]

_LIBRARY = Path(__file__).parent.parent / "library" / "frameworks"


class FormatPlugin:
    """A framework that is known by what its files are; subclass it and set the attributes."""

    #: The framework.
    name: ClassVar[str] = ""
    #: One sentence for lists.
    summary: ClassVar[str] = ""
    #: What a file says that the table gives to this framework and no other, 0..1.
    own: ClassVar[float] = 0.95
    #: The same for those of its formats that others write too, 0..1.
    contested: ClassVar[Mapping[str, float]] = {}
    #: What a file of these formats says that the table gives to no framework, or to another one, 0..1.
    formats: ClassVar[Mapping[str, float]] = {}
    #: Frameworks whose rules hold for this one too, weaker than its own.
    builds_on: ClassVar[tuple[str, ...]] = ()

    @property
    def recipe_file(self) -> Path:
        """The YAML with its rules and templates."""
        return _LIBRARY / f"{self.name}.yaml"

    def detect(self, path: str, first_bytes: bytes) -> float:
        """Say how surely a file belongs to the framework.

        Parameters
        ----------
        path : str
            Its name.
        first_bytes : bytes
            What it starts with.

        Returns
        -------
        float
            0 to 1.
        """
        kind = detect(path, first_bytes)
        if kind.framework == self.name:
            return self.contested.get(kind.format or "", self.own)
        return self.formats.get(kind.format or "", 0.0)

    def hints(self, context: Context) -> Sequence[Hint]:
        """Give advice on a group of files.

        Parameters
        ----------
        context : Context
            What is known.

        Returns
        -------
        sequence of Hint
            None here.
        """
        del context
        return ()

    def default_rules(self) -> Sequence[Mapping[str, Any]]:
        """Give the rules of the YAML.

        Returns
        -------
        sequence of mapping
            As written.
        """
        return copy.deepcopy(_document(self.recipe_file).get("rules") or [])

    def default_templates(self) -> Sequence[Mapping[str, Any]]:
        """Give the templates of the YAML.

        Returns
        -------
        sequence of mapping
            As written.
        """
        return copy.deepcopy(_document(self.recipe_file).get("templates") or [])


@functools.cache
def _document(file: Path) -> dict[str, list[dict[str, Any]]]:
    return parse(Source.read(file, file.name)).value
