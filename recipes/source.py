"""A recipe's text: read with caps, and refused with a reason when it is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from recipes.findings import Finding, Mark, RecipeError

__all__ = ["MAX_BYTES", "SUFFIXES", "Source"]

# 1,000 rules take about 300 kB; whatever is larger was not written as a recipe.
MAX_BYTES = 1 << 20
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Source:
    """The text of one recipe.

    Attributes
    ----------
    file : str
        As the user named it.
    text : str
        Without byte order mark.
    lines : list of str
        For carets.
    """

    file: str
    text: str
    lines: list[str] = field(repr=False)

    @property
    def is_json(self) -> bool:
        """Whether the text is to be read as JSON."""
        return self.file.endswith(".json")

    def finding(self, code: str, message: str, mark: Mark | None = None, do: str | None = None) -> Finding:
        """Make a finding about this text.

        Parameters
        ----------
        code : str
            Stable name.
        message : str
            What is wrong.
        mark : Mark, optional
            Where.
        do : str, optional
            What to do.

        Returns
        -------
        Finding
            With the line at the mark.
        """
        known = mark is not None and mark.line <= len(self.lines)
        line = self.lines[mark.line - 1] if mark is not None and known else ""
        return Finding(code, message, self.file, mark, do, line)

    @classmethod
    def of_text(cls, text: str, file: str) -> Source:
        """Take a text from memory.

        Parameters
        ----------
        text : str
            The recipe.
        file : str
            A name for messages.

        Returns
        -------
        Source
            The text.
        """
        return cls(file, text, text.split("\n"))

    @classmethod
    def of_bytes(cls, content: bytes, file: str) -> Source:
        """Take a text as it comes from a file or a pipe.

        Parameters
        ----------
        content : bytes
            UTF-8, with or without byte order mark, with any line ends.
        file : str
            A name for messages.

        Returns
        -------
        Source
            The text.

        Raises
        ------
        RecipeError
            When it is too large or is no UTF-8 text.
        """

        def refuse(code: str, message: str, mark: Mark | None = None, do: str | None = None) -> RecipeError:
            return RecipeError([Finding(code, message, file, mark, do)])

        if len(content) > MAX_BYTES:
            raise refuse("MLO101", "is larger than 1 MiB", do="A recipe is a text of some hundred lines")
        content = content.removeprefix(b"\xef\xbb\xbf")
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            mark = _mark_of(content, error.start)
            value = f"0x{content[error.start]:02x}"
            raise refuse("MLO102", f"is not UTF-8: byte {value}", mark, "Save the file as UTF-8") from None
        nul = content.find(b"\0")
        if nul >= 0:
            raise refuse("MLO102", "holds a NUL byte", _mark_of(content, nul), "Save the file as UTF-8 text")
        return cls.of_text(text.replace("\r\n", "\n"), file)

    @classmethod
    def read(cls, path: Path, file: str) -> Source:
        """Read a file.

        Parameters
        ----------
        path : Path
            Where it is.
        file : str
            How the user named it.

        Returns
        -------
        Source
            The text.

        Raises
        ------
        RecipeError
            When it cannot be read, is too large or is no UTF-8 text.
        """

        def refuse(message: str, do: str | None = None) -> RecipeError:
            return RecipeError([Finding("MLO100", message, file, do=do)])

        try:
            with path.open("rb") as stream:
                return cls.of_bytes(stream.read(MAX_BYTES + 1), file)
        except FileNotFoundError:
            raise refuse("no such recipe", "Name a file, or a recipe that ships") from None
        except IsADirectoryError:
            raise refuse("is a directory", "Name a recipe file") from None
        except OSError as error:
            raise refuse(f"cannot be read: {error.strerror}") from None
        except ValueError as error:  # a NUL, or a lone surrogate, is no part of a file's name
            raise refuse(f"is no name of a file: {error}", "Name a file") from None


def _mark_of(content: bytes, offset: int) -> Mark:
    before = content[:offset]
    line_start = before.rfind(b"\n") + 1
    column = len(before[line_start:].decode("utf-8", "replace")) + 1
    return Mark(before.count(b"\n") + 1, column)
