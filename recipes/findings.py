"""What is wrong with a recipe, and where: findings with a stable code, a position and a remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mlopt_engine.errors import InvalidInputError

__all__ = ["Finding", "Mark", "RecipeError", "nearest"]


@dataclass(frozen=True)
class Mark:
    """A position in a recipe.

    Attributes
    ----------
    line : int
        From 1.
    column : int
        From 1, in characters.
    """

    line: int
    column: int


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes
    ----------
    code : str
        Stable name: MLO1xx is an error, MLO2xx a warning.
    message : str
        What is wrong, with the value, without a full stop.
    file : str
        The recipe as the user named it.
    mark : Mark or None
        Where; None when the file as a whole is meant.
    do : str or None
        What to do about it.
    line_text : str
        The line at the mark, for the caret.
    """

    code: str
    message: str
    file: str
    mark: Mark | None = None
    do: str | None = None
    line_text: str = ""

    @property
    def severity(self) -> Literal["error", "warning"]:
        """Errors stop, warnings inform."""
        return "error" if self.code.startswith("MLO1") else "warning"

    @property
    def where(self) -> str:
        """Position as ``file:line:column``."""
        return f"{self.file}:{self.mark.line}:{self.mark.column}" if self.mark else self.file

    @property
    def sort_key(self) -> tuple[str, int, int]:
        """Order of findings for people: errors first, then as in the file."""
        mark = self.mark or Mark(0, 0)
        return self.severity, mark.line, mark.column

    def __str__(self) -> str:
        remedy = f". {self.do}" if self.do else ""
        head = f"{self.where}: {self.code} {self.message}{remedy}"
        if self.mark is None or not self.line_text.strip():
            return head
        shown, column = _window(self.line_text, self.mark.column)
        return f"{head}\n    {shown}\n    {' ' * (column - 1)}^"

    def to_dict(self) -> dict[str, Any]:
        """Shape the finding for JSON.

        Returns
        -------
        dict
            Plain values; ``line`` and ``column`` are null where the file as a whole is meant.
        """
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "file": self.file,
            "line": self.mark.line if self.mark else None,
            "column": self.mark.column if self.mark else None,
            "do": self.do,
        }


# A line of a recipe may be a megabyte long; people see what is around the caret.
_WINDOW = 100


def _window(line: str, column: int) -> tuple[str, int]:
    line = "".join(character if character.isprintable() else " " for character in line.rstrip("\n"))
    if len(line) <= _WINDOW:
        return line, column
    start = max(0, min(column - 1 - _WINDOW // 2, len(line) - _WINDOW))
    return line[start : start + _WINDOW], column - start


class RecipeError(InvalidInputError):
    """A recipe cannot be used; carries everything that was found, errors first.

    Parameters
    ----------
    findings : sequence of Finding
        What was found; at least one error.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(sorted(findings, key=lambda finding: finding.sort_key))
        first = self.findings[0]
        super().__init__(first.message, where=first.where, do=first.do, code=first.code)

    def __str__(self) -> str:
        errors = [str(finding) for finding in self.findings if finding.severity == "error"]
        return errors[0] if len(errors) == 1 else f"{len(errors)} problems\n" + "\n".join(errors)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word that was probably meant.

    Parameters
    ----------
    word : str
        What was written.
    known : iterable of str
        What exists.

    Returns
    -------
    str or None
        The nearest known word, if any is near.
    """
    by_lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.65)
    return by_lower[found[0]] if found else None
