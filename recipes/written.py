"""A recipe as it is written: nodes with their places, and the comments around them. Absent: what it means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

__all__ = ["BLOCK_HEADER", "Comment", "Entry", "Node", "Place", "Text", "read_text"]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Of a literal or folded text: how it ends, how far it is indented, and a comment.
BLOCK_HEADER = re.compile(r"(?P<head>.*?[|>])(?P<signs>[-+0-9]*)[ \t]*(?P<comment>#.*)?")


class Place(NamedTuple):
    """A line and a column, both from 0."""

    line: int
    column: int


@dataclass(frozen=True)
class Comment:
    """One comment.

    Attributes
    ----------
    place : Place
        Of its ``#``.
    text : str
        From the ``#`` on, without blanks at its end.
    is_alone : bool
        Nothing else stands on its line.
    """

    place: Place
    text: str
    is_alone: bool


@dataclass
class Node:
    """A value as written.

    Attributes
    ----------
    kind : str
        ``scalar``, ``alias``, ``list`` or ``mapping``.
    start, end : Place
        From its anchor or first character; for blocks to the next thing that is no comment.
    style : str
        Of a scalar: empty, a quote, ``|`` or ``>``.
    value : str
        Of a scalar: what it stands for.
    is_flow : bool
        In brackets.
    anchor : str or None
        Its name.
    entries : list of Entry
        Of a list or mapping.
    has_comments : bool
        Comments stand between its brackets.
    """

    kind: str
    start: Place
    end: Place
    style: str = ""
    value: str = ""
    is_flow: bool = False
    anchor: str | None = None
    entries: list[Entry] = field(default_factory=list)
    has_comments: bool = False

    @property
    def is_block(self) -> bool:
        """Whether it is a list or mapping that is written by indentation."""
        return self.kind in ("list", "mapping") and not self.is_flow

    @property
    def scalars(self) -> Iterator[Node]:
        """Scalars in it, keys too."""
        if self.kind == "scalar":
            yield self
        for entry in self.entries:
            if entry.key is not None:
                yield entry.key
            yield from entry.value.scalars


@dataclass
class Entry:
    """One entry of a list or mapping; `start` is where its key or dash stands."""

    start: Place
    key: Node | None
    value: Node


@dataclass
class Text:
    """A whole text.

    Attributes
    ----------
    lines : list of str
        As written.
    root : Node
        The document's value.
    marker : Place or None
        Of the ``---`` at its start.
    comments : list of Comment
        Outside of brackets, in order.
    inner_comments : list of Comment
        Between brackets, in order.
    """

    lines: list[str]
    root: Node
    marker: Place | None
    comments: list[Comment]
    inner_comments: list[Comment]


def read_text(text: str) -> Text:
    """Read a text that is known to parse and to hold one document.

    Parameters
    ----------
    text : str
        YAML whose only line breaks are line feeds.

    Returns
    -------
    Text
        Nodes and comments.

    Raises
    ------
    ValueError
        When it starts with directives.
    """
    reader = _Reader(text)
    root, marker = reader.document()
    lines = text.split("\n")
    comments = list(_comments(lines, list(root.scalars)))
    flows = list(_flows(root))
    inner = []
    for comment in comments:
        for flow in flows:
            if flow.start <= comment.place < flow.end:
                flow.has_comments = True
                inner.append(comment)
    outer = [comment for comment in comments if comment not in inner]
    return Text(lines, root, marker, outer, inner)


def _flows(node: Node) -> Iterator[Node]:
    """Find the outermost values in brackets."""
    if node.is_flow:
        yield node
        return
    for entry in node.entries:
        yield from _flows(entry.value)


class _Reader:
    def __init__(self, text: str) -> None:
        self.events: Iterator[Any] = yaml.parse(text, Loader=_Loader)
        tokens: Iterator[Any] = yaml.scan(text, Loader=_Loader)
        # Events do not tell where the dash of an entry stands; dashes come in the order of the entries.
        self.dashes = (_start(token) for token in tokens if isinstance(token, yaml.BlockEntryToken))

    def document(self) -> tuple[Node, Place | None]:
        next(self.events)  # the start of the stream
        start = next(self.events)
        if start.version or start.tags:
            raise ValueError("starts with directives")
        return self.node(next(self.events)), _start(start) if start.explicit else None

    def node(self, event: Any) -> Node:
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent):
            return Node("alias", _start(event), _end(event), value=f"*{anchor}")
        if isinstance(event, yaml.ScalarEvent):
            style: str = getattr(event, "style", None) or ""
            return Node("scalar", _start(event), _end(event), style, event.value, anchor=anchor)
        kind = "list" if isinstance(event, yaml.SequenceStartEvent) else "mapping"
        node = Node(kind, _start(event), _end(event), is_flow=bool(event.flow_style), anchor=anchor)
        while True:
            dash = None
            following = next(self.events)
            if isinstance(following, yaml.CollectionEndEvent):
                node.end = _end(following) if node.is_flow else _start(following)
                return node
            if kind == "list":
                dash = _start(following) if node.is_flow else next(self.dashes)
                node.entries.append(Entry(dash, None, self.node(following)))
            else:
                key = self.node(following)
                node.entries.append(Entry(key.start, key, self.node(next(self.events))))


def _start(thing: Any) -> Place:
    return Place(thing.start_mark.line, thing.start_mark.column)


def _end(thing: Any) -> Place:
    return Place(thing.end_mark.line, thing.end_mark.column)


def _comments(lines: list[str], scalars: list[Node]) -> Iterator[Comment]:
    """Find comments: a ``#`` after a blank, outside of every scalar."""
    taken: dict[int, list[tuple[int, int]]] = {}
    for scalar in scalars:
        for line in range(scalar.start.line, scalar.end.line + 1):
            start = scalar.start.column if line == scalar.start.line else 0
            end = scalar.end.column if line == scalar.end.line else len(lines[line])
            if line == scalar.start.line and scalar.style in ("|", ">"):
                header = BLOCK_HEADER.match(lines[line], start)
                end = header.start("comment") if header and header["comment"] else end
            taken.setdefault(line, []).append((start, end))
    for number, text in enumerate(lines):
        for found in re.finditer(r"(?:^|(?<=[ \t]))#", text):
            column = found.start()
            if not any(start <= column < end for start, end in taken.get(number, ())):
                yield Comment(Place(number, column), text[column:].rstrip(), not text[:column].strip())
                break
