"""The canonical action types of recipes."""

from __future__ import annotations

from recipes.actions.base import ActionType, action_type, canonical_names
from recipes.actions.cache import CACHE
from recipes.actions.prefetch import PREFETCH

__all__ = ["ACTIONS", "ActionType"]

# Those with remarks of their own; the engine's list says all there is to say of the others.
_WITH_REMARKS = {action.name: action for action in (CACHE, PREFETCH)}
ACTIONS: dict[str, ActionType] = {
    name: _WITH_REMARKS.get(name) or action_type(name) for name in canonical_names()
}
