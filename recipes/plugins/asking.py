"""Ask a plugin, and hold its answer against the interface; whatever goes wrong is one kind of failure."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from recipes.plugins.base import Context, FrameworkPlugin, Hint

__all__ = [
    "PluginFailure",
    "ask_confidence",
    "ask_hints",
    "ask_recipe_file",
    "ask_rules",
    "ask_templates",
]

_Answer = TypeVar("_Answer")
# The schema's bound on the priority of a rule, which each hint may become.
_HIGHEST_PRIORITY = 1_000_000


class PluginFailure(Exception):  # noqa: N818 - it is no fault of ours
    """A plugin raised, or answered what the interface does not allow."""


def ask_confidence(plugin: FrameworkPlugin, path: str, first_bytes: bytes) -> float:
    """Ask how surely a file belongs to the framework.

    Parameters
    ----------
    plugin : FrameworkPlugin
        Whom to ask.
    path : str
        Relative to the tree.
    first_bytes : bytes
        What the file starts with.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    PluginFailure
        When it raises, or the answer is no number from 0 to 1.
    """
    answer = _ask("detect", lambda: plugin.detect(path, first_bytes))
    is_number = isinstance(answer, int | float) and not isinstance(answer, bool)
    if not is_number or math.isnan(answer) or not 0.0 <= answer <= 1.0:
        raise PluginFailure(f"detect({path!r}) gave {answer!r}, expected a number from 0 to 1")
    return float(answer)


def ask_hints(plugin: FrameworkPlugin, context: Context) -> tuple[Hint, ...]:
    """Ask for advice.

    Parameters
    ----------
    plugin : FrameworkPlugin
        Whom to ask.
    context : Context
        What is known.

    Returns
    -------
    tuple of Hint
        Checked.

    Raises
    ------
    PluginFailure
        When it raises, or the answer is no sequence of hints.
    """
    answer = _ask("hints", lambda: plugin.hints(context))
    if isinstance(answer, str) or not isinstance(answer, Sequence):
        raise PluginFailure(f"hints() gave {type(answer).__name__}, expected a sequence of Hint")
    for hint in answer:
        problem = _problem_of_hint(hint)
        if problem:
            raise PluginFailure(f"hints(): {problem}")
    return tuple(answer)


def _problem_of_hint(hint: Any) -> str | None:
    if not isinstance(hint, Hint):
        return f"{type(hint).__name__} is no Hint"
    if not isinstance(hint.type, str) or not hint.type:
        return f"a hint has the type {hint.type!r}, expected a word"
    if not isinstance(hint.description, str) or not hint.description:
        return f"hint '{hint.type}' says nothing of its reason"
    is_whole = isinstance(hint.priority, int) and not isinstance(hint.priority, bool)
    if not is_whole or not 0 <= hint.priority <= _HIGHEST_PRIORITY:
        return f"hint '{hint.type}' has the priority {hint.priority!r}, expected 0 to {_HIGHEST_PRIORITY}"
    if not isinstance(hint.parameters, Mapping):
        return f"hint '{hint.type}' has {type(hint.parameters).__name__} for its parameters"
    return None


def ask_rules(plugin: FrameworkPlugin) -> list[dict[str, Any]]:
    """Ask for the default rules.

    Parameters
    ----------
    plugin : FrameworkPlugin
        Whom to ask.

    Returns
    -------
    list of dict
        As written; whether they are rules the language decides.

    Raises
    ------
    PluginFailure
        When it raises, or the answer is no sequence of mappings.
    """
    return _mappings("default_rules", plugin.default_rules)


def ask_templates(plugin: FrameworkPlugin) -> list[dict[str, Any]]:
    """Ask for the default templates.

    Parameters
    ----------
    plugin : FrameworkPlugin
        Whom to ask.

    Returns
    -------
    list of dict
        As written.

    Raises
    ------
    PluginFailure
        When it raises, or the answer is no sequence of mappings.
    """
    return _mappings("default_templates", plugin.default_templates)


def ask_recipe_file(plugin: FrameworkPlugin) -> Path | None:
    """Ask where the rules are written, beyond the interface: only a file has lines.

    Parameters
    ----------
    plugin : FrameworkPlugin
        Whom to ask.

    Returns
    -------
    Path or None
        None where the plugin has no ``recipe_file``.

    Raises
    ------
    PluginFailure
        When it raises, or the answer is no path.
    """
    file = _ask("recipe_file", lambda: getattr(plugin, "recipe_file", None))
    if file is not None and not isinstance(file, Path):
        raise PluginFailure(f"recipe_file is {type(file).__name__}, expected a Path")
    return file


def _mappings(method: str, call: Callable[[], Any]) -> list[dict[str, Any]]:
    answer = _ask(method, call)
    if isinstance(answer, str) or not isinstance(answer, Sequence):
        raise PluginFailure(f"{method}() gave {type(answer).__name__}, expected a sequence of mappings")
    wrong = next((each for each in answer if not isinstance(each, Mapping)), None)
    if wrong is not None:
        raise PluginFailure(f"{method}() gave {type(wrong).__name__} among its items, expected mappings")
    return [dict(each) for each in answer]


def _ask(method: str, call: Callable[[], _Answer]) -> _Answer:
    try:
        # what a plugin prints must not end up in our JSON
        with contextlib.redirect_stdout(sys.stderr):
            return call()
    except (Exception, SystemExit) as error:
        raise PluginFailure(f"{method}() raised {type(error).__name__}: {error}") from error
