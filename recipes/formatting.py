"""Lay a recipe's text out anew: indentation, blanks, quotes. What it means and its comments stay."""

from __future__ import annotations

import json

from recipes.findings import RecipeError
from recipes.nodes import parse
from recipes.source import Source
from recipes.written import BLOCK_HEADER, Comment, Entry, Node, Text, read_text

__all__ = ["format_recipe"]

# As the shipped recipes are; only what spans several lines and fits is joined, nothing is broken.
WIDTH = 110
# Line breaks to YAML readers which are none to editors: lines could not be counted alike.
_FOREIGN_BREAKS = ("\r", "\x85", "\u2028", "\u2029")


def format_recipe(source: Source) -> str:
    """Format a recipe.

    Parameters
    ----------
    source : Source
        Its text.

    Returns
    -------
    str
        The same values and comments, laid out anew; formatting it again changes nothing.

    Raises
    ------
    RecipeError
        When the text is not YAML or JSON, or cannot be laid out without changing it.
    """
    document = parse(source)
    if source.is_json:
        return json.dumps(document.value, indent=2, ensure_ascii=False) + "\n"
    if any(character in source.text for character in _FOREIGN_BREAKS):
        raise _refused(source, "holds line breaks that are not line feeds")
    try:
        text = _Printer(read_text(source.text)).text()
        if not _means_the_same(source, text):
            raise _refused(source, "is written in a way that cannot be laid out anew safely")
    except ValueError as error:
        raise _refused(source, str(error)) from None
    return text


def _refused(source: Source, why: str) -> RecipeError:
    return RecipeError([source.finding("MLO114", why, do="Format this one by hand")])


def _means_the_same(source: Source, text: str) -> bool:
    """Whether a text has the values and comments of its source, and would be formatted to itself."""
    formatted = Source.of_text(text, source.file)
    try:
        values = parse(formatted).value
    except RecipeError:
        return False
    before, after = read_text(source.text), read_text(text)
    return (
        json.dumps(values) == json.dumps(parse(source).value)
        and _comment_texts(before) == _comment_texts(after)
        and _Printer(after).text() == text
    )


def _comment_texts(text: Text) -> list[str]:
    return sorted(comment.text for comment in (*text.comments, *text.inner_comments))


class _Printer:
    """Writes nodes in the order of the text, and each comment when the line after it is reached."""

    def __init__(self, text: Text) -> None:
        self.source = text
        self.alone = [comment for comment in text.comments if comment.is_alone]
        self.beside = {comment.place.line: comment for comment in text.comments if not comment.is_alone}
        self.lines: list[str] = []
        # The last line belongs to a text whose blank lines at its end count.
        self.is_glued = False

    def text(self) -> str:
        root, marker = self.source.root, self.source.marker
        if marker is not None:
            self.comments_before(marker.line, 0)
            own_line = root.start.line != marker.line
            self.write("---", self.take_beside(marker.line) if own_line else None)
        if root.is_block:
            self.block(root, 0, -1)
        else:
            self.comments_before(root.start.line, 0)
            self.entry("", root, 0, 0)
        self.comments_before(len(self.source.lines) + 1, 0)
        return "\n".join(self.lines) + "\n"

    def write(self, line: str, comment: Comment | None = None) -> None:
        self.lines.append(f"{line}  {comment.text}" if comment else line)
        self.is_glued = False

    def gap(self, line: int) -> None:
        """Keep one blank line where the text has some."""
        blank = line > 0 and not self.source.lines[line - 1].strip()
        if blank and self.lines and not self.is_glued:
            self.lines.append("")

    def comments_before(self, line: int, indent: int, deeper_than: int = -1) -> None:
        """Write comments that stand before a line, as far as they are indented more than so much."""
        while self.alone and self.alone[0].place.line < line and self.alone[0].place.column > deeper_than:
            comment = self.alone.pop(0)
            self.gap(comment.place.line)
            self.write(" " * indent + comment.text)

    def take_beside(self, line: int) -> Comment | None:
        return self.beside.pop(line, None)

    def block(self, node: Node, indent: int, outer: int, lead: str = "") -> None:
        """Write a list or mapping; `lead` is what stands before its first entry, a dash of an outer list."""
        for number, entry in enumerate(node.entries):
            prefix = " " * indent
            if number == 0 and lead:
                prefix = lead
            else:
                self.before_entry(entry, indent)
            if node.kind == "list":
                self.list_entry(entry, prefix, indent)
            else:
                self.entry(f"{prefix}{self.scalar(entry.key)}:", entry.value, indent, entry.start.column)
        self.comments_before(node.end.line, indent, outer)

    def before_entry(self, entry: Entry, indent: int) -> None:
        """Write what stands above an entry; comments between it and its plain value move there too."""
        self.comments_before(entry.start.line, indent)
        self.gap(entry.start.line)
        is_below = entry.value.start.line > entry.start.line
        if is_below and not (entry.value.is_block and entry.key is not None):
            if moved := self.take_beside(entry.start.line):
                self.write(" " * indent + moved.text)
            self.comments_before(entry.value.start.line, indent)

    def list_entry(self, entry: Entry, prefix: str, indent: int) -> None:
        value = entry.value
        if value.is_block and value.anchor is None:
            self.block(value, indent + 2, entry.start.column, f"{prefix}- ")
        else:
            self.entry(f"{prefix}-", value, indent, entry.start.column)

    def entry(self, head: str, value: Node, indent: int, column: int) -> None:
        """Write a value behind its key or dash, which stood in a column."""
        space = " " if head else ""
        if value.is_block:
            anchor = f" &{value.anchor}" if value.anchor else ""
            self.write(head + anchor, self.take_beside(value.start.line if anchor else self.line_of(value)))
            self.block(value, indent + 2, column)
        elif value.style in ("|", ">"):
            self.block_text(f"{head} ", value, indent, column)
        elif value.is_flow:
            self.flow(head + space, value, indent)
        elif value.start.line != value.end.line:
            self.long_text(f"{head} ", value, indent)
        else:
            text = value.value if value.kind == "alias" else self.scalar(value)
            self.write(f"{head} {text}" if text else head, self.take_beside(value.end.line))

    def line_of(self, value: Node) -> int:
        """Find the line of the key above a block, which is the nearest line before it that is no comment."""
        line = value.start.line - 1
        while line > 0 and (not (text := self.source.lines[line].strip()) or text.startswith("#")):
            line -= 1
        return line

    def scalar(self, node: Node | None) -> str:
        """Write a scalar of one line: double quotes where they need no escapes, else as it is written."""
        if node is None or node.start == node.end:
            return ""
        is_simple = node.value.isprintable() and not set('"\\') & set(node.value)
        if node.style == "'" and node.anchor is None and is_simple:
            return f'"{node.value}"'
        return self.source.lines[node.start.line][node.start.column : node.end.column]

    def long_text(self, head: str, node: Node, indent: int) -> None:
        first, *rest = self.raw(node)
        self.write(head + first.rstrip())
        for line in rest:
            self.lines.append(f"{' ' * (indent + 2)}{line.strip()}" if line.strip() else "")
        if comment := self.take_beside(node.end.line):
            self.lines[-1] += f"  {comment.text}"

    def block_text(self, head: str, node: Node, indent: int, column: int) -> None:
        """Write a literal or folded text, its lines moved as they are."""
        header = BLOCK_HEADER.match(self.source.lines[node.start.line], node.start.column)
        first, signs = (header["head"], header["signs"]) if header else (node.style, "")
        digit = "".join(filter(str.isdigit, signs))
        lines = self.raw(node)[1:]
        if node.end.column == 0 and lines:
            lines.pop()
        self.write(head + first + signs.replace(digit or "\0", "2"), self.take_beside(node.start.line))
        filled = [line for line in lines if line.strip(" ")]
        start = column + int(digit) if digit else len(filled[0]) - len(filled[0].lstrip(" ")) if filled else 0
        while "+" not in signs and lines and not lines[-1].strip(" "):
            lines.pop()
        self.lines += [f"{' ' * (indent + 2)}{line[start:]}" if line[start:] else "" for line in lines]
        self.is_glued = "+" in signs

    def raw(self, node: Node) -> list[str]:
        """Take the lines of a node as they are written."""
        lines = self.source.lines[node.start.line : node.end.line + 1]
        lines[-1] = lines[-1][: node.end.column]
        lines[0] = lines[0][node.start.column :]
        return lines

    def flow(self, head: str, node: Node, indent: int) -> None:
        """Write a value in brackets on one line if it was, or fits; else move its lines as they are."""
        joined = self.joined(node)
        is_one_line = node.start.line == node.end.line
        has_long = any(scalar.start.line != scalar.end.line for scalar in node.scalars)
        if is_one_line or not (node.has_comments or has_long or len(head + joined) > WIDTH):
            self.write(head + joined, self.take_beside(node.end.line))
            return
        shift = len(head) - node.start.column
        first, *rest = self.raw(node)
        self.write(head + first.rstrip())
        for line in rest:
            blank = len(line) - len(line.lstrip())
            self.lines.append(" " * max(indent, blank + shift) + line.strip() if line.strip() else "")
        if comment := self.take_beside(node.end.line):
            self.lines[-1] += f"  {comment.text}"

    def joined(self, node: Node) -> str:
        anchor = f"&{node.anchor} " if node.anchor and node.kind != "scalar" else ""
        if node.kind == "list":
            return f"{anchor}[{', '.join(self.joined(entry.value) for entry in node.entries)}]"
        if node.kind == "mapping":
            pairs = (self.pair(entry) for entry in node.entries)
            return f"{anchor}{{{', '.join(pairs)}}}"
        return node.value if node.kind == "alias" else self.scalar(node)

    def pair(self, entry: Entry) -> str:
        return f"{self.scalar(entry.key)}: {self.joined(entry.value)}"
