"""What an enforced action type states about itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from recipes.schema import Model

__all__ = ["ActionType", "Problem"]


@dataclass(frozen=True)
class Problem:
    """Something wrong with, or worth knowing about, one parameter.

    Attributes
    ----------
    code : str
        Stable name.
    parameter : str
        Which one.
    message : str
        What is wrong.
    do : str or None
        What to do.
    """

    code: str
    parameter: str
    message: str
    do: str | None = None


@dataclass(frozen=True)
class ActionType:
    """One enforced action type.

    Attributes
    ----------
    name : str
        As ``cache``.
    summary : str
        What it does, one sentence.
    parameters : type of Model
        Its parameters, all optional: what a rule leaves open a weaker rule or the engine's default decides.
    advisory : dict of str to str
        Parameters that are known but have no effect, and why.
    compile : callable
        From the validated parameters to those of the plan, with problems.
    """

    name: str
    summary: str
    parameters: type[Model]
    compile: Callable[[Any], tuple[dict[str, Any], list[Problem]]]
    advisory: dict[str, str] = field(default_factory=dict)
