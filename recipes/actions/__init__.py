"""The action types of recipes: what the engine carries out, and what it only knows by name."""

from __future__ import annotations

from recipes.actions.advisory import ADVISORY
from recipes.actions.base import ActionType
from recipes.actions.cache import CACHE
from recipes.actions.prefetch import PREFETCH

__all__ = ["ACTIONS", "ADVISORY", "ActionType", "known_action_names"]

# One line per enforced type; the file has its parameters.
ACTIONS: dict[str, ActionType] = {action.name: action for action in (CACHE, PREFETCH)}


def known_action_names() -> tuple[str, ...]:
    """List every action type that recipes may name.

    Returns
    -------
    tuple of str
        Enforced ones first.
    """
    return (*ACTIONS, *ADVISORY)
