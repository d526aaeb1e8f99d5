"""What a word of the ancestor's language states about itself, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["CANONICAL", "Meaning", "Outcome", "Remark", "Translation", "Unusable", "Value", "Word"]

# The six actions of this language; whether one is carried out is the engine's to say, not this table's.
CANONICAL = ("cache", "prefetch", "stream", "coordinate", "compress", "prioritize")


class Unusable(ValueError):  # noqa: N818 - a verdict on a value, caught where the value has a place
    """A parameter's value means nothing; the text says what was expected."""


@dataclass(frozen=True)
class Outcome:
    """What one parameter comes to.

    Attributes
    ----------
    sets : tuple of tuple
        Canonical action, canonical parameter (None: the action alone is asked for) and value.
    drops : tuple of str
        Canonical actions that the word would bring and this value declines.
    advisory : str or None
        Why the parameter has no effect.
    """

    sets: tuple[tuple[str, str | None, Any], ...] = ()
    drops: tuple[str, ...] = ()
    advisory: str | None = None


@dataclass(frozen=True)
class Meaning:
    """How a parameter is read.

    Attributes
    ----------
    says : str
        What it comes to, for people.
    read : callable
        From the value and all parameters of the action to the outcome; raises `Unusable`.
    enforced : bool
        False where no value of it has an effect.
    examples : tuple
        One value of each kind that it takes, so that documents can say of each whether it has an effect.
    beside : dict of str to object
        Another parameter that it has no effect without.
    """

    says: str
    read: Callable[[Any, Mapping[str, Any]], Outcome]
    enforced: bool = True
    examples: tuple[Any, ...] = ()
    beside: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Word:
    """One action type, or hint, of the ancestor.

    Attributes
    ----------
    name : str
        As written in its files.
    becomes : dict of str to dict
        Canonical actions with the parameters that the word alone implies; empty when nothing can be done.
    parameters : dict of str to Meaning
        Its own parameters.
    advisory : str or None
        Why nothing can be done.
    kind : str
        ``action`` or ``hint``: what plugins answer, accepted in rules too.
    """

    name: str
    becomes: dict[str, dict[str, Any]]
    parameters: dict[str, Meaning] = field(default_factory=dict)
    advisory: str | None = None
    kind: Literal["action", "hint"] = "action"


@dataclass(frozen=True)
class Value:
    """A canonical parameter's value and where it came from.

    Attributes
    ----------
    value : object
        As a recipe would write it.
    source : str or None
        The parameter as written; None where the word itself implies it.
    """

    value: Any
    source: str | None = None


@dataclass(frozen=True)
class Remark:
    """Something to say about one parameter.

    Attributes
    ----------
    code : str
        Stable name.
    parameter : str
        As written.
    message : str
        What is to be said.
    """

    code: str
    parameter: str
    message: str


@dataclass(frozen=True)
class Translation:
    """What one written action comes to.

    Attributes
    ----------
    actions : dict of str to dict
        Canonical actions, each with its parameters.
    unknown : tuple of str
        Parameters that the word does not know.
    remarks : tuple of Remark
        What has no effect, and what cannot be used.
    """

    actions: dict[str, dict[str, Value]]
    unknown: tuple[str, ...]
    remarks: tuple[Remark, ...]
