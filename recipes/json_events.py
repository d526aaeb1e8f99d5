"""JSON as the events of a YAML parser, each with its position.

YAML readers refuse some JSON (a pair of surrogates, a line break before a colon, a key of 1,025 characters)
and take things for JSON that are none; so recipes in JSON have a scanner of their own, and all that follows,
such as caps, duplicate keys and positions, is the same for both.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator
from json import JSONDecodeError, decoder
from typing import Any, TypeVar, cast

import yaml

__all__ = ["json_events"]

_BLANK = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
# What is shown of a text that should not be there.
_WORD = re.compile(r"[\w.+-]{1,20}|.", re.DOTALL)
_PAIR = (True, True)
# The standard library's own scanner of JSON texts, which its types leave out.
_scan_text: Callable[[str, int, bool], tuple[str, int]] = vars(decoder)["scanstring"]
_Event = TypeVar("_Event", bound=yaml.Event)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self.open: list[yaml.Mark] = []

    def mark(self, at: int) -> yaml.Mark:
        line = bisect.bisect_right(self.lines, at) - 1
        return yaml.Mark("", at, line, at - self.lines[line], None, 0)

    def next(self) -> str:
        """Skip blanks and give the character after them; empty at the end."""
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.text[self.at : self.at + 1]

    def error(self, expected: str, at: int | None = None) -> yaml.MarkedYAMLError:
        at = self.at if at is None else at
        found = _WORD.match(self.text, at)
        problem = f"expected {expected}, found {found[0]!r}" if found else f"expected {expected}"
        opened = self.open[-1] if self.open and not found else None
        return yaml.MarkedYAMLError(None, opened, problem, self.mark(at))

    def take(self, character: str, expected: str) -> None:
        if self.next() != character:
            raise self.error(expected)
        self.at += 1

    def text_event(self) -> yaml.ScalarEvent:
        start = self.at
        try:
            value, self.at = _scan_text(self.text, start + 1, True)
            value.encode()
        except JSONDecodeError as error:
            raise yaml.MarkedYAMLError(problem=error.msg.lower(), problem_mark=self.mark(error.pos)) from None
        except UnicodeEncodeError:
            raise yaml.MarkedYAMLError(
                problem="half of a pair of surrogates", problem_mark=self.mark(start)
            ) from None
        return _event(yaml.ScalarEvent, None, None, _PAIR, value, self.mark(start), self.mark(self.at), '"')

    def plain_event(self) -> yaml.ScalarEvent:
        found = _PLAIN.match(self.text, self.at)
        if found is None:
            raise self.error("a value")
        start, self.at = self.at, found.end()
        return _event(yaml.ScalarEvent, None, None, _PAIR, found[0], self.mark(start), self.mark(self.at))

    def value_event(self) -> yaml.Event:
        """Take a scalar, or the start of a list or a mapping."""
        character = self.next()
        start = self.mark(self.at)
        if character == '"':
            return self.text_event()
        if character not in ("{", "["):
            return self.plain_event()
        self.at += 1
        self.open.append(start)
        is_mapping = character == "{"
        kind: type[yaml.Event] = yaml.MappingStartEvent if is_mapping else yaml.SequenceStartEvent
        return _event(kind, None, None, True, start, self.mark(self.at), True)

    def is_end(self, bracket: str) -> bool:
        if self.next() != bracket:
            return False
        self.at += 1
        self.open.pop()
        return True


def json_events(text: str) -> Iterator[yaml.Event]:
    """Read JSON as a YAML parser's events.

    Parameters
    ----------
    text : str
        The document.

    Yields
    ------
    yaml.Event
        With its marks; none for a blank text.

    Raises
    ------
    yaml.MarkedYAMLError
        Where the text is not JSON.
    """
    scanner = _Scanner(text)
    if not scanner.next():
        return
    yield _event(yaml.DocumentStartEvent, scanner.mark(0), scanner.mark(0))
    yield from _nodes(scanner)
    if scanner.next():
        raise scanner.error("the end of the file")
    yield _event(yaml.DocumentEndEvent, scanner.mark(scanner.at), scanner.mark(scanner.at))


def _nodes(scanner: _Scanner) -> Iterator[yaml.Event]:
    """Read one value with all that is in it; a stack of closing brackets instead of recursion."""
    closing: list[str] = []
    is_first = True
    while True:
        if is_first and closing and scanner.is_end(closing[-1]):
            yield _end(scanner, closing.pop())
        else:
            if closing and closing[-1] == "}":
                if scanner.next() != '"':
                    raise scanner.error("a key in double quotes")
                yield scanner.text_event()
                scanner.take(":", "':'")
            event = scanner.value_event()
            yield event
            is_first = isinstance(event, yaml.CollectionStartEvent)
            if is_first:
                closing.append("}" if isinstance(event, yaml.MappingStartEvent) else "]")
                continue
        while closing and scanner.is_end(closing[-1]):
            yield _end(scanner, closing.pop())
        if not closing:
            return
        scanner.take(",", f"',' or '{closing[-1]}'")
        is_first = False


def _end(scanner: _Scanner, bracket: str) -> yaml.Event:
    kind: type[yaml.Event] = yaml.MappingEndEvent if bracket == "}" else yaml.SequenceEndEvent
    mark = scanner.mark(scanner.at)
    return _event(kind, mark, mark)


def _event(kind: type[_Event], *values: Any) -> _Event:
    """Make an event; the types that PyYAML is given know no constructors."""
    untyped: Any = kind
    return cast("_Event", untyped(*values))
