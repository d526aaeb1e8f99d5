"""What becomes of hints: rules on the files that they are about, or nothing, with the reason.

Absent: what each type of hint means. Hints are words of the recipe language (`recipes.ancestor.hints`), which
makes canonical actions of those that a file system can follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from recipes.ancestor import CANONICAL, WORDS
from recipes.plugins.asking import ask_hints
from recipes.plugins.base import Context, FrameworkPlugin, Hint
from recipes.plugins.detection import FileGroup

__all__ = ["AskedHint", "ask_about", "rules_of_hints"]

FOREIGN = "no action or hint of this type is known"


@dataclass(frozen=True)
class AskedHint:
    """A hint, the files it is about, and what becomes of it.

    Attributes
    ----------
    hint : Hint
        As the plugin gave it.
    group : FileGroup
        The files.
    rule : dict or None
        The rule that it becomes.
    advisory : str or None
        Why it becomes none.
    """

    hint: Hint
    group: FileGroup
    rule: dict[str, Any] | None
    advisory: str | None

    def to_dict(self) -> dict[str, Any]:
        """Shape the hint for JSON.

        Returns
        -------
        dict
            Plain values.
        """
        return {
            "type": self.hint.type,
            "description": self.hint.description,
            "priority": self.hint.priority,
            "parameters": dict(self.hint.parameters),
            "files": self.group.facts,
            "becomes": self.rule["id"] if self.rule else None,
            "advisory": self.advisory,
        }


def ask_about(
    plugin: FrameworkPlugin, groups: Iterable[FileGroup], facts: Mapping[str, Any]
) -> list[AskedHint]:
    """Ask a plugin for hints about groups of files.

    Parameters
    ----------
    plugin : FrameworkPlugin
        Whom to ask.
    groups : iterable of FileGroup
        Of a sample; see `recipes.plugins.detect_tree`.
    facts : mapping of str to object
        What is known of job and machine, by full name.

    Returns
    -------
    list of AskedHint
        With the rule of each, or the reason why there is none.

    Raises
    ------
    PluginFailure
        When the plugin fails.
    """
    asked: list[AskedHint] = []
    for group in groups:
        context = Context.of_facts({**facts, **group.facts})
        for hint in ask_hints(plugin, context):
            advisory = _advisory(hint)
            rule = None if advisory else _rule(plugin.name, hint, group, len(asked))
            asked.append(AskedHint(hint, group, rule, advisory))
    return asked


def rules_of_hints(asked: Iterable[AskedHint]) -> list[dict[str, Any]]:
    """Collect the rules.

    Parameters
    ----------
    asked : iterable of AskedHint
        Hints with what becomes of them.

    Returns
    -------
    list of dict
        Rules as they would be written.
    """
    return [each.rule for each in asked if each.rule is not None]


def _advisory(hint: Hint) -> str | None:
    """Why nothing becomes of a hint."""
    word = WORDS.get(hint.type)
    if word is not None:
        return word.advisory
    return None if hint.type in CANONICAL else FOREIGN


def _rule(framework: str, hint: Hint, group: FileGroup, number: int) -> dict[str, Any]:
    extension = group.facts["file.extension"] or "files"
    return {
        "id": f"{framework}-hint-{number + 1}-{hint.type}-{extension}"[:200],
        "description": hint.description,
        "priority": hint.priority,
        "match": "all",
        "conditions": _conditions(group),
        "actions": [{"type": hint.type, "parameters": dict(hint.parameters)}],
    }


def _conditions(group: FileGroup) -> list[dict[str, Any]]:
    """The files that the hint is about, in facts that a mount knows at once: their names and sizes."""
    conditions = [_condition("extension", "equals", group.facts["file.extension"])]
    if group.least_bytes:
        conditions.append(_condition("size", "greater_equal", group.least_bytes))
    if group.end_bytes is not None:
        conditions.append(_condition("size", "less_than", group.end_bytes))
    return conditions


def _condition(name: str, operator: str, value: Any) -> dict[str, Any]:
    return {"type": "file_context", "property": name, "operator": operator, "value": value}
