"""An action type for recipes, made from what the engine's registry says of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from mlopt_engine import registry
from recipes.schema import Duration, Model, Rate, Share, Size

__all__ = ["ActionType", "Parameter", "Problem", "Values", "action_type", "canonical_names"]

Values = dict[str, Any]
_LISTED: dict[str, dict[str, Any]] = {entry["name"]: entry for entry in registry()["actions"]}
_SIMPLE: dict[str, Any] = {
    "bool": bool,
    "text": str,
    "count": int,
    "ratio": float,
    "share": Share,
    "size": Size,
    "duration": Duration,
    "rate": Rate,
}


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
class Parameter:
    """One parameter, as the engine lists it.

    Attributes
    ----------
    name : str
        As recipes write it.
    key : str
        As the plan has it.
    kind : str
        ``bool``, ``word``, ``text``, ``share``, ``ratio``, ``size``, ``duration``, ``count`` or ``rate``.
    unit : str or None
        Of the value as recipes write it.
    min, max : int, float or None
        Range, in the plan's unit.
    words : list of str or None
        What a word may be.
    default : object
        What the engine assumes where no rule sets it.
    enforced : bool
        Whether it has an effect.
    without_effect : dict of str to str
        Values that have none, and why; ``*`` for all.
    refused : dict of str to str
        Values that nothing could honour, and why.
    summary : str
        What it says.
    """

    name: str
    key: str
    kind: str
    unit: str | None
    min: float | None
    max: float | None
    words: list[str] | None
    default: Any
    enforced: bool
    without_effect: dict[str, str]
    refused: dict[str, str]
    summary: str

    @property
    def takes(self) -> str:
        """What values it takes, for people."""
        within = (
            f" from {self.min:g} to {self.max:g}" if self.min is not None and self.max is not None else ""
        )
        return {
            "bool": "true or false",
            "word": f"one of {', '.join(self.words or [])}",
            "text": "a text",
            "size": "a size such as 64MiB, or a number of bytes",
            "duration": "a duration such as 60s, or a number of seconds",
            "rate": "a rate such as 60MB/s, or a number of bytes per second",
            "count": f"a whole number{within}",
        }.get(self.kind, f"a number{within}")

    def remarks(self, value: Any) -> list[Problem]:
        """Say what a value that fits cannot do.

        Parameters
        ----------
        value : object
            As read.

        Returns
        -------
        list of Problem
            An error where nothing could honour it, a warning where it has no effect.
        """
        word = str(value).lower() if isinstance(value, bool) else str(value)
        if word in self.refused:
            return [Problem("MLO155", self.name, f"'{self.name}' cannot be {word}: {self.refused[word]}")]
        why = self.without_effect.get("*") or self.without_effect.get(word)
        return (
            [Problem("MLO202", self.name, f"{self.name} '{word}' is not enforced yet: {why}")] if why else []
        )


def _as_written(values: Values) -> tuple[Values, list[Problem]]:
    return values, []


@dataclass(frozen=True)
class ActionType:
    """One canonical action type.

    Attributes
    ----------
    name : str
        As ``cache``.
    summary : str
        What it is for, one sentence.
    effect : str
        What the mount does and the simulator charges.
    not_enforced : str or None
        Why it has no effect yet, if it has none.
    parameters : type of Model
        Its parameters, all optional: what a rule leaves open a weaker rule or the engine's default decides.
    listed : dict of str to Parameter
        The same, with all that the engine says of them.
    advisory : mapping of str to str
        Names that are not the engine's, known to have no effect, and what has it instead.
    rewrite : callable
        From values as written to values of the engine's parameters, with problems.
    """

    name: str
    summary: str
    effect: str
    not_enforced: str | None
    parameters: type[Model]
    listed: dict[str, Parameter]
    advisory: Mapping[str, str] = field(default_factory=dict)
    rewrite: Callable[[Values], tuple[Values, list[Problem]]] = _as_written

    @functools.cached_property
    def defaults(self) -> Values:
        """What the engine assumes where no rule sets it, by the plan's keys."""
        return {each.key: each.default for each in self.listed.values() if each.default is not None}

    def compile(self, written: Model) -> tuple[Values, list[Problem]]:
        """Turn validated parameters into those of the plan.

        Parameters
        ----------
        written : Model
            An instance of `parameters`.

        Returns
        -------
        tuple of dict and list of Problem
            By the plan's keys, in the order of the list; what is wrong or without effect.
        """
        values, problems = self.rewrite(
            {name: value for name, value in vars(written).items() if value is not None}
        )
        for name, value in values.items():
            remarks = self.listed[name].remarks(value)
            problems += [each for each in remarks if self.not_enforced is None or each.code != "MLO202"]
        return {self.listed[name].key: value for name, value in values.items()}, problems


def action_type(
    name: str,
    *,
    advisory: Mapping[str, str] | None = None,
    rewrite: Callable[[Values], tuple[Values, list[Problem]]] = _as_written,
    checks_words_of: Sequence[str] = (),
) -> ActionType:
    """Make an action type from the engine's registry.

    Parameters
    ----------
    name : str
        As the engine lists it.
    advisory : mapping of str to str, optional
        Foreign names that have no effect.
    rewrite : callable, optional
        Turns values as written into the engine's, with problems.
    checks_words_of : sequence of str, optional
        Parameters whose words `rewrite` checks itself, with a better message.

    Returns
    -------
    ActionType
        With a model of its parameters.
    """
    entry = _LISTED[name]
    listed = {each["name"]: Parameter(**each) for each in entry["parameters"]}
    fields: dict[str, Any] = {
        each.name: (_annotation(each, is_open=each.name in checks_words_of) | None, None)
        for each in listed.values()
    }
    model = create_model(f"{name.capitalize()}Parameters", __base__=Model, **fields)
    model.__doc__ = f"Parameters of ``{name}`` as written; None is left open."
    return ActionType(
        name=name,
        summary=entry["summary"],
        effect=entry["effect"],
        not_enforced=entry["not_enforced"],
        parameters=model,
        listed=listed,
        advisory=advisory or {},
        rewrite=rewrite,
    )


def canonical_names() -> tuple[str, ...]:
    """List the actions that the engine knows.

    Returns
    -------
    tuple of str
        In the engine's order.
    """
    return tuple(_LISTED)


def _annotation(parameter: Parameter, *, is_open: bool) -> Any:
    """Give the type that validates a parameter; the engine's own range, in the engine's own unit."""
    about: dict[str, Any] = {"description": parameter.summary}
    if parameter.kind in ("size", "duration", "rate"):
        about["description"] += f" It takes {parameter.takes}."
    if parameter.kind == "word":
        words = tuple(parameter.words or ())
        if is_open:
            return Annotated[str, Field(**about, json_schema_extra={"enum": [*words]})]
        return Annotated[Literal[words], Field(**about)]
    kind = _SIMPLE[parameter.kind]
    if parameter.kind in ("bool", "text", "share", "duration"):
        return Annotated[kind, Field(**about)]
    return Annotated[kind, Field(**about, ge=parameter.min, le=parameter.max)]
