"""The layer of the command line: ``--set KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from recipes.findings import Finding, Mark, RecipeError
from recipes.nodes import Document, Path, parse
from recipes.schema import SettingsModel
from recipes.source import Source

__all__ = ["flags_document"]


@dataclass(frozen=True)
class _FlagPlaces:
    """Line N is the Nth flag; only what a flag names has a place."""

    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def find(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        places = self.keys if key else self.values
        named = (path[:end] for end in range(len(path), 0, -1) if path[:end] in places)
        return next((places[each] for each in named), (1, 1))


_SECTIONS = ("settings", "parameters")
_KEY = "value: "


def flags_document(sets: Sequence[str]) -> Document:
    """Make a document of the flags, with a position for each value.

    Parameters
    ----------
    sets : sequence of str
        ``KEY=VALUE`` each. A key is ``settings.NAME`` or ``parameters.NAME``; a bare name is a setting if
        there is one of that name, else a parameter.

    Returns
    -------
    Document
        ``settings`` and ``parameters``; line N is the Nth flag.

    Raises
    ------
    RecipeError
        When one cannot be read.
    """
    source = Source.of_text("\n".join(" ".join(each.splitlines()) for each in sets), "--set")
    places = _FlagPlaces()
    tree: dict[str, Any] = {}
    findings: list[Finding] = []
    for number, flag in enumerate(sets, 1):
        key, equals, text = flag.partition("=")
        path = _path(key)
        if not equals or len(path) < 2 or not all(path):
            message = f"'{flag}' is not KEY=VALUE"
            findings.append(source.finding("MLO178", message, Mark(number, 1), "As in --set debug=true"))
        elif path in places.keys:
            message = f"'{key}' is set twice"
            findings.append(source.finding("MLO178", message, Mark(number, 1), "Keep one of the two"))
        else:
            places.keys[path], places.values[path] = (number, 1), (number, len(key) + 2)
            try:
                _put(tree, path, parse(Source.of_text(f"{_KEY}{text}\n", "--set")).value["value"])
            except RecipeError as error:
                shift = len(key) + 1 - len(_KEY)
                findings += [_moved(source, finding, number, shift) for finding in error.findings]
    if findings:
        raise RecipeError(findings)
    return Document(source, tree, places)


def _path(key: str) -> tuple[str, ...]:
    parts = tuple(key.strip().split("."))
    if parts[0] in _SECTIONS:
        return parts
    return ("settings" if parts[0] in SettingsModel.model_fields else "parameters", *parts)


def _put(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for part in path[:-1]:
        below = tree.setdefault(part, {})
        tree = below if isinstance(below, dict) else {}
    tree[path[-1]] = value


def _moved(source: Source, finding: Finding, line: int, shift: int) -> Finding:
    column = max(1, (finding.mark.column if finding.mark else 1) + shift)
    moved = source.finding(finding.code, finding.message, Mark(line, column), finding.do)
    return replace(moved, message=finding.message)
