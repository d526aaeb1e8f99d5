"""From a word and its parameters to canonical actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recipes.ancestor.base import Outcome, Remark, Translation, Unusable, Value, Word

__all__ = ["translate"]


def translate(word: Word, parameters: Mapping[str, Any]) -> Translation:
    """Translate one action.

    Parameters
    ----------
    word : Word
        Its type.
    parameters : dict
        As written.

    Returns
    -------
    Translation
        What it comes to; what could not be read is among the remarks.
    """
    actions = {
        action: {name: Value(value) for name, value in implied.items()}
        for action, implied in word.becomes.items()
    }
    if not parameters:
        return Translation(actions, (), ())
    remarks: list[Remark] = []
    read = [(name, _read(word, name, parameters, remarks)) for name in parameters if name in word.parameters]
    for action in {action for _, outcome in read for action in outcome.drops}:
        actions.pop(action, None)
    for source, outcome in read:
        for action, parameter, value in outcome.sets:
            into = actions.setdefault(action, {})
            if parameter is not None:
                _set(into, parameter, Value(value, source), remarks)
    unknown = tuple(name for name in parameters if name not in word.parameters)
    return Translation(actions, unknown, tuple(remarks))


def _read(word: Word, name: str, parameters: Mapping[str, Any], remarks: list[Remark]) -> Outcome:
    value = parameters[name]
    try:
        outcome = word.parameters[name].read(value, parameters)
    except Unusable as problem:
        remarks.append(Remark("MLO180", name, f"'{name}' is {_shown(value)}, expected {problem}"))
        return Outcome()
    if outcome.advisory is not None:
        remarks.append(Remark("MLO202", name, f"{word.name}.{name} has no effect: {outcome.advisory}"))
    return outcome


def _set(into: dict[str, Value], parameter: str, value: Value, remarks: list[Remark]) -> None:
    earlier = into.get(parameter)
    if earlier is None or earlier.source is None or earlier.value == value.value:
        into[parameter] = value
        return
    said = f"'{earlier.source}' says {_shown(earlier.value)} and '{value.source}' says {_shown(value.value)}"
    remarks.append(Remark("MLO250", str(value.source), f"{said} for '{parameter}': the first counts"))


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
