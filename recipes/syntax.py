"""From a parser's error to a finding: what is no YAML or JSON, and where it went wrong."""

from __future__ import annotations

import unicodedata

import yaml

from recipes.findings import Finding, Mark
from recipes.source import Source

__all__ = ["syntax_finding"]


def syntax_finding(source: Source, error: yaml.YAMLError) -> Finding:
    """Place a parser's error.

    Parameters
    ----------
    source : Source
        The text.
    error : yaml.YAMLError
        What the parser said of it.

    Returns
    -------
    Finding
        Where it went wrong, or where what is missing at the end was opened.
    """
    place = getattr(error, "problem_mark", None)
    opened = getattr(error, "context_mark", None)
    # What is missing at the end of the file is better shown where it was opened.
    at_end = place is None or source.is_json or _is_end(source, place.line)
    place = opened if opened is not None and at_end else place
    if place is None:
        return _character_finding(source, error)
    mark = Mark(place.line + 1, place.column + 1)
    if source.is_json:
        return source.finding("MLO103", f"not JSON: {_problem(error)}", mark, "Check quotes and commas there")
    if _is_end(source, place.line):
        last = max((number for number, line in enumerate(source.lines, 1) if line.strip()), default=1)
        mark = Mark(last, max(1, len(source.lines[last - 1].rstrip())))
    finding = source.finding("MLO103", _explain(error), mark, "Check indentation, quotes and brackets there")
    if finding.line_text[place.column : place.column + 1] == "\t":
        return source.finding("MLO104", "a tab cannot indent YAML", mark, "Indent with spaces")
    return finding


def _is_end(source: Source, line: int) -> bool:
    return not "".join(source.lines[line:]).strip()


def _explain(error: yaml.YAMLError) -> str:
    return f"not YAML: {_problem(error)}"


def _problem(error: yaml.YAMLError) -> str:
    parts = [getattr(error, "context", None), getattr(error, "problem", None)]
    return ", ".join(part for part in parts if part)


# Not printable to Python, yet allowed by YAML.
_ALLOWED = frozenset("\t\r\x85\xa0\u2028\u2029\ufeff")


def _character_finding(source: Source, error: yaml.YAMLError) -> Finding:
    """Name the character that YAML does not allow; the reader's own error carries no usable position."""
    for number, line in enumerate(source.lines, 1):
        for column, character in enumerate(line, 1):
            if unicodedata.category(character) in {"Cc", "Cs"} and character not in _ALLOWED:
                message = f"character U+{ord(character):04X} is not allowed in YAML"
                return source.finding("MLO102", message, Mark(number, column), "Remove it")
    return source.finding("MLO103", f"not YAML: {error}".splitlines()[0])
