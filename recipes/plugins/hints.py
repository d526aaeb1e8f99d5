"""What becomes of hints: each type that a file system can follow is an action, the rest is advisory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from recipes.plugins.asking import ask_hints
from recipes.plugins.base import Context, FrameworkPlugin, Hint
from recipes.plugins.detection import FileGroup

__all__ = ["ADVISORY_HINTS", "HINT_ACTIONS", "AskedHint", "ask_about", "rules_of_hints"]

# Type of a hint -> the actions that it becomes, each with its parameters where the hint says no others.
HINT_ACTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "cache_strategy": {"cache": {"policy": "pinned"}},
    "cache_entire_tensor": {"cache": {"policy": "pinned"}},
    "stage_transfer": {"cache": {"tier": "disk"}},
    "loading_strategy": {"stream": {}},
    "tfrecord_optimization": {"stream": {}},
    "savedmodel_optimization": {"cache": {"policy": "pinned"}, "stream": {}},
    "preload": {"prefetch": {"mode": "whole_file"}},
    "prefetch_slices": {"prefetch": {"mode": "sequential"}},
    "reduce_prefetch": {"prefetch": {"depth": 2}},
    "enable_compression": {"compress": {"codec": "zstd"}},
    "increase_priority": {"prioritize": {"class": "realtime"}},
    "delay_transfer": {"prioritize": {"class": "background"}},
    "throttle": {"prioritize": {"class": "background"}},
    "yield": {"prioritize": {"class": "background"}},
}
# Parameters that belong to the second action where a type becomes two.
_OF_CACHE = frozenset(
    {"tier", "policy", "pin", "share", "lock", "priority", "retention", "staleness", "immutable"}
)
# Known, and nothing that a file system can do: each with the reason.
ADVISORY_HINTS: dict[str, str] = {
    "training_optimization": "it is about the training program",
    "tf_training_optimization": "it is about the training program",
    "tf_inference_optimization": "it is about the serving program",
    "framework_hint": "it names no action",
    "custom_optimization": "it names no action",
    "enable_result_caching": "results of a model are not files",
    "scale_up": "replicas are the cluster's",
    "convert_model_format": "files are shown as they are",
    "suggest_layout_change": "files are shown as they are",
    "migrate": "processes are the cluster's",
}
FOREIGN = "no hint of this type is known"


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
            rule = _rule(plugin.name, hint, group, len(asked))
            reason = None if rule else ADVISORY_HINTS.get(hint.type, FOREIGN)
            asked.append(AskedHint(hint, group, rule, reason))
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


def _rule(framework: str, hint: Hint, group: FileGroup, number: int) -> dict[str, Any] | None:
    actions = HINT_ACTIONS.get(hint.type)
    if actions is None:
        return None
    extension = group.facts["file.extension"]
    return {
        "id": f"{framework}-hint-{number + 1}-{hint.type}-{extension or 'files'}"[:200],
        "description": hint.description,
        "priority": hint.priority,
        "match": "all",
        "conditions": _conditions(group),
        "actions": [
            {"type": name, "parameters": {**defaults, **_own(hint, name, len(actions))}}
            for name, defaults in actions.items()
        ],
    }


def _own(hint: Hint, action: str, actions: int) -> dict[str, Any]:
    """The hint's parameters for one action; where it becomes two, each takes its own."""
    if actions == 1:
        return dict(hint.parameters)
    is_cache = action == "cache"
    return {name: value for name, value in hint.parameters.items() if (name in _OF_CACHE) == is_cache}


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
