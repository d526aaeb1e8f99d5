"""What changed between two recipes in meaning: rules by id, settings and the rest, key by key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from recipes.recipe import Recipe
from recipes.schema import RuleModel

__all__ = ["Change", "Difference", "compare"]


@dataclass(frozen=True)
class Change:
    """One key whose value changed.

    Attributes
    ----------
    key : str
        As ``actions.cache.share``.
    kind : str
        ``added``, ``removed`` or ``changed``.
    old, new : object
        In base units (bytes, nanoseconds); None where the key is not there.
    """

    key: str
    kind: str
    old: Any = None
    new: Any = None


@dataclass(frozen=True)
class Difference:
    """What changed between two recipes.

    Attributes
    ----------
    added, removed : tuple of str
        Ids of rules, in the order of their file.
    changed : dict of str to tuple of Change
        By the rule's id.
    is_reordered : bool
        Rules that both have stand in another order, which decides between equals.
    settings : tuple of Change
        Of settings, defaults counted.
    other : tuple of Change
        Of all other keys.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: dict[str, tuple[Change, ...]]
    is_reordered: bool
    settings: tuple[Change, ...]
    other: tuple[Change, ...]

    @property
    def is_empty(self) -> bool:
        """Whether both mean the same."""
        parts = (self.added, self.removed, self.changed, self.settings, self.other)
        return not any(parts) and not self.is_reordered


def compare(old: Recipe, new: Recipe) -> Difference:
    """Compare two recipes.

    Parameters
    ----------
    old, new : Recipe
        Without errors.

    Returns
    -------
    Difference
        From the one to the other.
    """
    before, after = _rules(old), _rules(new)
    common = [identifier for identifier in before if identifier in after]
    changes = {identifier: _changes(before[identifier], after[identifier]) for identifier in common}
    return Difference(
        added=tuple(identifier for identifier in after if identifier not in before),
        removed=tuple(identifier for identifier in before if identifier not in after),
        changed={identifier: found for identifier, found in changes.items() if found},
        is_reordered=common != [identifier for identifier in after if identifier in before],
        settings=_changes(old.model.settings.model_dump(), new.model.settings.model_dump()),
        other=_changes(_rest(old), _rest(new)),
    )


def _rules(recipe: Recipe) -> dict[str, dict[str, Any]]:
    written = {rule.id or rule.name: rule for rule in recipe.model.rules}
    # A rule that a section guards has the section in its id, behind an @; the text is that of the rule.
    return {
        rule["id"]: _rule(rule, written.get(rule["id"]) or written.get(rule["id"].partition("@")[0]))
        for rule in recipe.rules
    }


def _rule(rule: dict[str, Any], written: RuleModel | None) -> dict[str, Any]:
    """Key a rule's parts by what they are about, so that their order does not matter, which it does not."""
    conditions: dict[str, Any] = {}
    for condition in rule["conditions"]:
        name = f"{condition['fact']} {condition['op']}"
        while name in conditions:
            name += "'"
        conditions[name] = {key: value for key, value in condition.items() if key not in ("fact", "op")}
    actions = {action["type"]: action["parameters"] for action in rule["actions"]}
    rest = {key: value for key, value in rule.items() if key in ("priority", "match", "threshold")}
    told = {"name", "description", "metadata"}
    own = written.model_dump(include=told, exclude_defaults=True) if written else {}
    return rest | own | {"conditions": conditions, "actions": actions}


def _rest(recipe: Recipe) -> dict[str, Any]:
    return recipe.model.model_dump(exclude={"settings", "rules"}, exclude_defaults=True)


def _changes(old: dict[str, Any], new: dict[str, Any]) -> tuple[Change, ...]:
    before, after = dict(_leaves(old)), dict(_leaves(new))
    found = [Change(key, "removed", old=value) for key, value in before.items() if key not in after]
    for key, value in after.items():
        if key not in before:
            found.append(Change(key, "added", new=value))
        elif before[key] != value or type(before[key]) is not type(value):
            found.append(Change(key, "changed", before[key], value))
    return tuple(found)


def _leaves(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, dict) and item:
            yield from _leaves(item, f"{prefix}{key}.")
        elif item is not None:
            yield f"{prefix}{key}", item
