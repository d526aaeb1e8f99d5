"""Templates: their parameters with types and defaults, and the references ``${nodes}`` in actions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from recipes.findings import Finding, nearest
from recipes.merging import History, Leaf
from recipes.nodes import Path
from recipes.quantities import parse_duration_ns, parse_size_bytes
from recipes.schema import ParameterModel

__all__ = ["Parameters", "has_references", "reference_remedy", "references", "settled", "substituted"]

_REFERENCE = re.compile(r"\$\{([^}]*)\}?")
_EXPECTED = {
    "bool": "true or false",
    "int": "a whole number",
    "number": "a number",
    "text": "a text",
    "size": "a size such as 64MiB",
    "duration": "a duration such as 60s",
}


def references(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Find the references in a value.

    Parameters
    ----------
    value : object
        Plain value.
    path : tuple of str or int
        Its place.

    Yields
    ------
    tuple of Path and str
        Place of the text, and the name between the brackets.
    """
    if isinstance(value, str):
        for found in _REFERENCE.finditer(value):
            yield path, found.group(1)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from references(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from references(item, (*path, index))


def has_references(value: Any) -> bool:
    """Tell whether `references` finds any.

    Parameters
    ----------
    value : object
        Plain value.

    Returns
    -------
    bool
        Whether some text in it holds one.
    """
    if isinstance(value, str):
        return "${" in value
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return any(map(has_references, value))


def substituted(value: Any, parameters: Mapping[str, Any]) -> Any:
    """Put parameters in the place of references.

    Parameters
    ----------
    value : object
        Plain value.
    parameters : mapping of str to object
        By name.

    Returns
    -------
    object
        A text that is one reference becomes the parameter with its type; in a longer text it is written out.
        References to unknown names stay.
    """
    if isinstance(value, dict):
        return {key: substituted(item, parameters) for key, item in value.items()}
    if isinstance(value, list):
        return [substituted(item, parameters) for item in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole and whole.group(1) in parameters:
        return parameters[whole.group(1)]
    return _REFERENCE.sub(
        lambda found: _in_text(parameters[found[1]]) if found[1] in parameters else found[0], value
    )


def settled(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Take those parameters of an action whose references have been replaced.

    Parameters
    ----------
    parameters : mapping of str to object
        Of an action.

    Returns
    -------
    dict
        Without those that still hold a reference: they are reported as such, and as nothing else.
    """
    return {key: value for key, value in parameters.items() if not has_references(value)}


def _in_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


@dataclass
class Parameters:
    """The parameters of one template, with what stronger places set.

    Attributes
    ----------
    template : Leaf
        The template as written.
    overrides : mapping of str to History
        What frameworks, environments, profiles and flags set, by name.
    findings : list of Finding
        What was found by `resolve`.
    """

    template: Leaf
    overrides: Mapping[str, History] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def declared(self) -> dict[str, Any]:
        """Parameters as written, by name."""
        return dict(self.template.value.get("parameters") or {})

    def resolve(self) -> dict[str, Any]:
        """Settle the value of each parameter.

        Returns
        -------
        dict
            By name; problems are in `findings`.
        """
        written: dict[str, Any] = {}
        for name, value in self.declared.items():
            place = (*self.template.path, "parameters", name)
            shape = self._shape(place, value)
            if shape is None:
                continue
            set_to = self.overrides.get(name)
            written[name] = shape.default
            if _is_declaration(value) or set_to:
                self._check(shape, shape.default, name, self.template, (*place, "default"))
            if set_to:
                written[name] = set_to[-1].value
                self._check(shape, written[name], name, set_to[-1], set_to[-1].path)
        return self._expanded(written)

    def _shape(self, place: Path, value: Any) -> ParameterModel | None:
        if not _is_declaration(value):
            return ParameterModel(type=_type_of(value), default=value)
        try:
            shape = ParameterModel.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            where = (*place, *first["loc"])
            self._report("MLO173", f"a parameter's {'.'.join(map(str, first['loc']))}: {first['msg']}", where)
            return None
        if "default" not in value and place[-1] not in self.overrides:
            message = f"parameter '{place[-1]}' has no value"
            self._report("MLO173", message, place, "Add 'default:', or set it where the template is selected")
            return None
        return shape

    def _check(self, shape: ParameterModel, value: Any, name: str, leaf: Leaf, path: Path) -> None:
        if isinstance(value, str) and "${" in value:
            return  # checked as what it becomes
        problem = _misfit(shape, value)
        if problem is not None:
            shown = repr(value) if isinstance(value, str) else _in_text(value)
            finding = leaf.document.finding("MLO173", f"parameter '{name}' is {shown}", path, problem)
            self.findings.append(finding)

    def _expanded(self, written: dict[str, Any]) -> dict[str, Any]:
        """Let parameters refer to one another; circles are refused."""
        done: dict[str, Any] = {}

        def expand(name: str, through: tuple[str, ...]) -> Any:
            if name in done:
                return done[name]
            place = (*self.template.path, "parameters", name)
            if name in through:
                circle = " -> ".join((*through[through.index(name) :], name))
                self._report("MLO174", f"parameters refer to one another in a circle: {circle}", place)
                return None
            known = {}
            for _, other in references(written[name]):
                if other in written:
                    known[other] = expand(other, (*through, name))
                else:
                    self._report(
                        "MLO172", f"there is no parameter '{other}'", place, reference_remedy(other, written)
                    )
            done[name] = substituted(written[name], known)
            return done[name]

        for name in written:
            expand(name, ())
        return done

    def _report(self, code: str, message: str, path: Path, do: str | None = None) -> None:
        self.findings.append(self.template.document.finding(code, message, path, do))


def reference_remedy(name: str, known: Mapping[str, Any]) -> str:
    """Say what to write instead of a reference to nothing.

    Parameters
    ----------
    name : str
        What was written.
    known : mapping of str to object
        Parameters that exist.

    Returns
    -------
    str
        The remedy.
    """
    meant = nearest(name, known)
    if meant:
        return f"Did you mean '${{{meant}}}'?"
    return f"The template has: {', '.join(known)}" if known else "The template has no parameters"


def _is_declaration(value: Any) -> bool:
    """Whether a parameter states its type; a mapping of the ancestor's, as ``dataloader:``, is a value."""
    return isinstance(value, dict) and "type" in value and value.keys() <= ParameterModel.model_fields.keys()


def _type_of(value: Any) -> Any:
    kinds = {bool: "bool", int: "int", float: "number", str: "text"}
    return kinds.get(type(value), "any")


def _misfit(shape: ParameterModel, value: Any) -> str | None:
    """Say what a value must be, if it is not."""
    expected = f"It must be {_EXPECTED.get(shape.type, 'a value')}"
    fits = {
        "bool": isinstance(value, bool),
        "int": type(value) is int,
        "number": type(value) in (int, float),
        "text": isinstance(value, str),
    }.get(shape.type, True)
    measure = {"size": parse_size_bytes, "duration": parse_duration_ns}.get(shape.type)
    try:
        number = measure(value) if measure else value
    except ValueError:
        return expected
    if not fits:
        return expected
    if shape.choices is not None and value not in shape.choices:
        return f"It must be one of {', '.join(map(_in_text, shape.choices))}"
    if type(number) in (int, float):
        if shape.min is not None and number < shape.min:
            return f"It must be at least {shape.min:g}"
        if shape.max is not None and number > shape.max:
            return f"It must be at most {shape.max:g}"
    return None
