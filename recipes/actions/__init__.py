"""The action types of recipes that the engine carries out."""

from __future__ import annotations

from recipes.actions.base import ActionType
from recipes.actions.cache import CACHE
from recipes.actions.prefetch import PREFETCH

__all__ = ["ACTIONS", "ActionType"]

# One line per enforced type; the file has its parameters.
ACTIONS: dict[str, ActionType] = {action.name: action for action in (CACHE, PREFETCH)}
