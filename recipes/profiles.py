"""Where rules belong: to frameworks, environments and kinds of machines, and the conditions that this means.

A rule that a section names belongs to it and applies there only. Frameworks and machines that were not named
on the command line are left to the engine: the rule gets conditions that must hold and weigh nothing, so that
a fact that nobody knows stays unknown instead of deciding.
"""

from __future__ import annotations

import re
from typing import Any

from recipes.schema import ConditionModel

__all__ = ["comparison", "framework_condition"]

_COMPARISON = re.compile(r"\s*(>=|<=|==|!=|>|<|=)?\s*(.*?)\s*")
_OPERATORS = {
    None: "equals",
    "=": "equals",
    "==": "equals",
    "!=": "not_equals",
    "<": "less_than",
    "<=": "less_equal",
    ">": "greater_than",
    ">=": "greater_equal",
}
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]{1,18}\.[0-9]{1,18}")


def comparison(name: str, written: Any) -> ConditionModel:
    """Read one comparison of a hardware profile.

    Parameters
    ----------
    name : str
        Property of the system, as ``gpu_count``.
    written : object
        As ``">= 8"``, ``"> 8GiB"``, or a plain value for equality.

    Returns
    -------
    ConditionModel
        The condition: it must hold, and weighs nothing.

    Raises
    ------
    ValueError
        When it is no comparison.
    """
    operator, value = "equals", written
    if isinstance(written, str):
        found = _COMPARISON.fullmatch(written)
        if found is None or not found.group(2) or found.group(2)[0] in "<>=!":
            raise ValueError(f"{written!r} is no comparison such as '>= 8'")
        operator, value = _OPERATORS[found.group(1)], _number(found.group(2))
    elif not isinstance(written, bool | int | float):
        raise ValueError("expected a comparison such as '>= 8'")
    return _guard("system_context", name, operator, value)


def framework_condition(names: list[str]) -> ConditionModel:
    """Ask for the job's framework.

    Parameters
    ----------
    names : list of str
        Frameworks, one of which it must be.

    Returns
    -------
    ConditionModel
        The condition: it must hold, and weighs nothing.
    """
    if len(names) == 1:
        return _guard("workload_context", "framework", "equals", names[0])
    return _guard("workload_context", "framework", "in", names)


def _guard(kind: str, name: str, operator: str, value: Any) -> ConditionModel:
    return ConditionModel(type=kind, property=name, operator=operator, value=value, weight=0.0, required=True)


def _number(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
