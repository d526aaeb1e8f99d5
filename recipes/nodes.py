"""From YAML text to plain values that know their place.

Everything is built from parser events: nothing is composed before depth, aliases and size were counted, each
key and value keeps its position, a key that comes twice is an error, and words that YAML 1.1 and 1.2 read
differently are refused instead of guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from recipes.findings import Finding, Mark, RecipeError
from recipes.json_events import json_events
from recipes.source import Source
from recipes.syntax import syntax_finding

__all__ = [
    "MAX_DEPTH",
    "MAX_ENTRIES",
    "MAX_FINDINGS",
    "MAX_NODES",
    "Document",
    "Path",
    "is_plain_text",
    "parse",
]

# The deepest recipe known has 9 levels (nested template parameters).
MAX_DEPTH = 64
# 1,000 rules of 3 conditions and 2 actions have about 60,000 nodes; aliases count as what they stand for.
MAX_NODES = 100_000
# Lists and mappings beyond this cost seconds to explain and are no recipe; only the value of a condition, a
# list of names or extensions, may be longer.
MAX_ENTRIES = 5_000
# Nobody reads more; the dearest, a regular expression that is too large, takes 4 ms to find.
MAX_FINDINGS = 200

Path = tuple[str | int, ...]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CONSTANTS = {"null": None, "Null": None, "NULL": None, "~": None, "": None} | {
    word: value
    for value, words in {True: ("true", "True", "TRUE"), False: ("false", "False", "FALSE")}.items()
    for word in words
}
# Plain words that YAML 1.1 turns into something else than what is written; each with its likely meaning.
_TRAPS = (
    (re.compile(r"(?i)yes|no|on|off"), "is a truth value to some YAML readers and a word to others"),
    (re.compile(r"[-+]?0[0-9_]+"), "is an octal number to some YAML readers and a decimal one to others"),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+"), "is a number to base 60 to some YAML readers"),
    (re.compile(r"[-+]?(0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+)"), "is a number to some YAML readers only"),
    (re.compile(r"[-+]?[0-9][0-9,]*(_[0-9]+)+(\.[0-9_]*)?"), "is a number to some YAML readers only"),
)


@dataclass(frozen=True)
class Document:
    """A parsed recipe.

    Attributes
    ----------
    source : Source
        The text.
    value : dict
        Plain values.
    """

    source: Source
    value: dict[str, Any]
    _keys: dict[Path, Mark] = field(repr=False)
    _values: dict[Path, Mark] = field(repr=False)

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
        marks = self._keys if key else self._values
        for end in range(len(path), -1, -1):
            if found := marks.get(path[:end]) or self._values.get(path[:end]):
                return found
        return None

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


def is_plain_text(text: str) -> bool:
    """Tell whether a word reads back as the same text without quotes.

    Parameters
    ----------
    text : str
        The word.

    Returns
    -------
    bool
        False for what looks like a constant, a number or one of the words that readers disagree on.
    """
    patterns = (_INTEGER, _FLOAT, _SPECIAL, *(pattern for pattern, _ in _TRAPS))
    return text not in _CONSTANTS and not any(pattern.fullmatch(text) for pattern in patterns)


class _Refused(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


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
    reader = _Reader(source)
    try:
        value = reader.read_document()
    except _Refused as refused:
        raise RecipeError([*reader.findings, refused.finding]) from None
    except yaml.YAMLError as error:
        raise RecipeError([*reader.findings, syntax_finding(source, error)]) from None
    if value is None:
        raise RecipeError([source.finding("MLO110", "is empty", do="Start from a recipe that ships")])
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "a single value"
        message = f"a recipe is a mapping of keys, not {kind}"
        raise RecipeError(
            [source.finding("MLO110", message, reader.values[()], "Start with 'version:' and 'rules:'")]
        )
    if reader.findings:
        raise RecipeError(reader.findings)
    return Document(source, value, reader.keys, reader.values)


class _Reader:
    """Reads nodes recursively; the cap on depth bounds the recursion."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.events: Iterator[yaml.Event] = (
            json_events(source.text) if source.is_json else yaml.parse(source.text, Loader=_Loader)
        )
        self.findings: list[Finding] = []
        self.keys: dict[Path, Mark] = {}
        self.values: dict[Path, Mark] = {}
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.size = 0

    def read_document(self) -> Any:
        """Read the one document of the stream; None if there is none."""
        value = None
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    message = "holds more than one document"
                    raise self.refusal("MLO113", message, event, "Keep one recipe per file")
                value = self.read(next(self.events), ())
        return value

    def read(self, event: yaml.Event, path: Path) -> Any:
        """Read the node that starts with an event."""
        self.values[path] = _mark(event)
        start = self.size
        self.grow(1, event)
        if isinstance(event, yaml.AliasEvent):
            return self.expand(event)
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.report("MLO107", f"tag '{tag}' is not allowed: recipes are plain data", event, "Remove it")
        if len(path) > MAX_DEPTH:
            message = f"is nested deeper than {MAX_DEPTH} levels"
            raise self.refusal("MLO105", message, event, "No recipe needs that; look for a bracket left open")
        if isinstance(event, yaml.SequenceStartEvent):
            value: Any = self.read_list(path)
        elif isinstance(event, yaml.MappingStartEvent):
            value = self.read_mapping(path)
        else:
            value = self.read_scalar(cast("yaml.ScalarEvent", event))
        if anchor := getattr(event, "anchor", None):
            self.anchors[anchor] = (value, self.size - start)
        return value

    def read_list(self, path: Path) -> list[Any]:
        """Read up to the end of a list."""
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            if len(items) == MAX_ENTRIES and path[-1:] != ("value",):
                raise self.too_long("list", event)
            items.append(self.read(event, (*path, len(items))))
        return items

    def read_mapping(self, path: Path) -> dict[str, Any]:
        """Read up to the end of a mapping."""
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.read_key(event)
            place = (*path, key)
            if len(mapping) == MAX_ENTRIES:
                raise self.too_long("mapping", event)
            if key in mapping:
                first = self.keys[place].line
                message = f"key '{key}' comes twice, first in line {first}"
                self.report("MLO109", message, event, "Keep one of them")
                self.read(next(self.events), (*path, key, "again"))
                continue
            self.keys[place] = _mark(event)
            mapping[key] = self.read(next(self.events), place)
        return mapping

    def read_key(self, event: yaml.Event) -> str:
        """Read a key, which is always text."""
        if not isinstance(event, yaml.ScalarEvent):
            raise self.refusal(
                "MLO122", "a key must be a word", event, "Quote it, or look for a stray bracket"
            )
        if event.value == "<<" and not event.style:
            self.report("MLO108", "merge keys are not supported", event, "Write the keys out")
        trap = _trap(event)
        if trap:
            self.report("MLO111", trap, event, f'Write "{event.value}"')
        return str(event.value)

    def read_scalar(self, event: yaml.ScalarEvent) -> Any:
        """Read a single value; plain words become constants and numbers, quoted ones stay text."""
        text = event.value
        if event.style:
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if trap := _trap(event):
            remedy = (
                "Write true or false, or quote the word"
                if text[0].isalpha()
                else "Quote it, or write it plainly"
            )
            self.report("MLO111", trap, event, remedy)
            return text
        if _INTEGER.fullmatch(text):
            return self.in_range(text, event)
        if _SPECIAL.fullmatch(text) or (_FLOAT.fullmatch(text) and not math.isfinite(float(text))):
            self.report("MLO112", f"{text} is not a usable number", event, "Write a finite number")
            return 0.0
        return float(text) if _FLOAT.fullmatch(text) else text

    def in_range(self, text: str, event: yaml.Event) -> int:
        """Read an integer of at most 64 bits; longer digits are refused before they are converted."""
        number = int(text) if len(text) <= 20 else 1 << 64
        if not -(1 << 63) <= number < 1 << 64:
            self.report("MLO112", f"{text[:24]} does not fit into 64 bits", event, "Write a smaller number")
            return 0
        return number

    def expand(self, event: yaml.AliasEvent) -> Any:
        """Put the anchored value in the alias's place; what it holds counts again."""
        if event.anchor not in self.anchors:
            message = f"alias '*{event.anchor}' names no finished anchor"
            raise self.refusal("MLO106", message, event, "Define it before, outside of itself")
        value, size = self.anchors[event.anchor]
        self.grow(size, event)
        return value

    def grow(self, size: int, event: yaml.Event) -> None:
        """Count nodes, aliases as what they stand for."""
        self.size += size
        if self.size > MAX_NODES:
            message = f"holds more than {MAX_NODES:,} values once its aliases are expanded"
            raise self.refusal("MLO106", message, event, "Split the recipe, or write fewer aliases")

    def report(self, code: str, message: str, event: yaml.Event, do: str) -> None:
        """Note a finding and go on, unless there are too many."""
        self.findings.append(self.source.finding(code, message, _mark(event), do))
        if len(self.findings) == MAX_FINDINGS:
            message = f"holds more than {MAX_FINDINGS:,} problems: what follows was not looked at"
            raise self.refusal("MLO181", message, event, "Is this file a recipe?")

    def too_long(self, kind: str, event: yaml.Event) -> _Refused:
        """Refuse a list or mapping that is no part of a recipe."""
        message = f"a {kind} of more than {MAX_ENTRIES:,} entries"
        return self.refusal("MLO182", message, event, "Only the value of a condition may be that long")

    def refusal(self, code: str, message: str, event: yaml.Event, do: str) -> _Refused:
        """Make the finding that ends the reading."""
        return _Refused(self.source.finding(code, message, _mark(event), do))


def _mark(event: yaml.Event) -> Mark:
    place: Any = event.start_mark  # every event of a parser has one
    return Mark(place.line + 1, place.column + 1)


def _trap(event: yaml.ScalarEvent) -> str | None:
    # Most words start with a letter and are longer than "off"; the rest meets the patterns.
    if event.style or (event.value[:1].isalpha() and len(event.value) > len("off")):
        return None
    meaning = next((meaning for pattern, meaning in _TRAPS if pattern.fullmatch(event.value)), None)
    return f"unquoted '{event.value}' {meaning}" if meaning else None
