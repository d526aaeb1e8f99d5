"""A recipe's text as plain values that know their place; the engine reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from mlopt_engine import MAX_DEPTH, MAX_FINDINGS, MAX_NODES, is_plain_text, read_document
from recipes.findings import Finding, Mark, RecipeError
from recipes.source import Source

__all__ = [
    "MAX_DEPTH",
    "MAX_FINDINGS",
    "MAX_NODES",
    "Document",
    "Path",
    "Places",
    "is_plain_text",
    "parse",
]

Path = tuple[str | int, ...]


class Places(Protocol):
    """Where values were written."""

    def find(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Find the innermost thing on a path that was written.

        Parameters
        ----------
        path : tuple of str or int
            Keys and indexes from the top.
        key : bool
            The key's position instead of the value's.

        Returns
        -------
        tuple of int and int
            Line and column, from 1.
        """


@dataclass(frozen=True)
class Document:
    """A parsed recipe.

    Attributes
    ----------
    source : Source
        The text.
    value : dict
        Plain values.
    places : Places or None
        Where they were written; None for values that nobody wrote.
    """

    source: Source
    value: dict[str, Any]
    places: Places | None = field(default=None, repr=False)

    def mark(self, path: Path, *, key: bool = False) -> Mark | None:
        """Find a position.

        Parameters
        ----------
        path : tuple of str or int
            Keys and indexes from the top.
        key : bool
            The key's position instead of the value's.

        Returns
        -------
        Mark or None
            Of the innermost thing on the path that was written.
        """
        return None if self.places is None else Mark(*self.places.find(path, key=key))

    def finding(
        self, code: str, message: str, path: Path, do: str | None = None, *, key: bool = False
    ) -> Finding:
        """Make a finding about a place in the document.

        Parameters
        ----------
        code : str
            Stable name.
        message : str
            What is wrong.
        path : tuple of str or int
            Keys and indexes from the top.
        do : str, optional
            What to do.
        key : bool
            Point at the key instead of the value.

        Returns
        -------
        Finding
            With position and line.
        """
        return self.source.finding(code, message, self.mark(path, key=key), do)


def parse(source: Source) -> Document:
    """Parse a recipe.

    Parameters
    ----------
    source : Source
        The text.

    Returns
    -------
    Document
        Its values, each with its position.

    Raises
    ------
    RecipeError
        With every finding: a syntax error ends the reading, all others do not.
    """
    try:
        value, places, problems = read_document(source.text, source.is_json)
    except UnicodeEncodeError as error:  # half of a pair, which no file of UTF-8 holds but an argument may
        raise RecipeError([_lone_surrogate(source, error.start)]) from None
    if value is None:
        raise RecipeError(
            [
                source.finding(code, message, Mark(*place) if place else None, do)
                for code, message, place, do in problems
            ]
        )
    return Document(source, value, places)


def _lone_surrogate(source: Source, at: int) -> Finding:
    line_start = source.text.rfind("\n", 0, at) + 1
    mark = Mark(source.text.count("\n", 0, at) + 1, at - line_start + 1)
    message = f"character U+{ord(source.text[at]):04X} is not allowed"
    return source.finding("MLO102", message, mark, "Remove it")
