"""From the actions of a rule to those of the plan: words translated, parameters checked, merged by type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from recipes.actions import ACTIONS
from recipes.actions.base import ActionType
from recipes.ancestor import CANONICAL, WORDS, Translation, Value, Word, translate
from recipes.findings import nearest
from recipes.nodes import Path
from recipes.remarks import Remarks
from recipes.schema import ActionModel, Model, RuleModel
from recipes.structure import model_findings

__all__ = ["Treatment", "known_action_names"]

_TARGETS = (
    *("file", "dataset", "workload", "model", "tensor", "savedmodel"),
    *("tfrecord", "tensorflow_checkpoint", "keras_model", "gpu"),
)


# Canonical names that are no words of the ancestor as well.
_CANONICAL = {name: Word(name, {name: {}}) for name in ACTIONS if name not in WORDS}


def known_action_names() -> tuple[str, ...]:
    """List every action type that recipes may name.

    Returns
    -------
    tuple of str
        The six canonical ones first.
    """
    return tuple(dict.fromkeys((*CANONICAL, *WORDS)))


@dataclass(frozen=True)
class _Part:
    """One canonical action that a written action comes to.

    Its own word is `type`; the parameters know their sources.
    """

    place: Path
    word: str
    type: str
    parameters: dict[str, Value]

    @property
    def is_direct(self) -> bool:
        return self.word == self.type

    def path(self, value: Value) -> Path:
        return (*self.place, "parameters", value.source) if value.source else (*self.place, "type")


@dataclass
class Treatment:
    """Resolves actions; what it finds goes to the remarks.

    Attributes
    ----------
    remarks : Remarks
        Of the document.
    """

    remarks: Remarks
    _seen: set[str] = field(default_factory=set)
    _resolved: dict[str, list[dict[str, object]]] = field(default_factory=dict)

    def of_rule(self, path: Path, rule: RuleModel) -> list[dict[str, object]]:
        """Resolve the actions of one rule.

        Parameters
        ----------
        path : tuple of str or int
            Where the rule is.
        rule : RuleModel
            As written.

        Returns
        -------
        list of dict
            Canonical actions, one per type, in the order of the rule.
        """
        if not rule.actions:
            self.remarks.report("MLO143", "a rule needs at least one action", path, "Add 'actions:'")
        # Rules say the same few things over and over; what gave nothing to say gives nothing anew.
        written = repr([(each.type, each.target, each.parameters) for each in rule.actions])
        if written not in self._resolved:
            said = len(self.remarks.findings)
            parts = self._collect(path, rule)
            types = dict.fromkeys(part.type for part in parts)
            merged = (self._compile(kind, self._merge(kind, parts)) for kind in types)
            actions = [action for action in merged if action is not None]
            if len(self.remarks.findings) > said:
                return actions
            self._resolved[written] = actions
        return list(self._resolved[written])

    def as_written(self, path: Path, rule: RuleModel) -> dict[str, dict[str, Any]]:
        """Translate the actions of one rule without resolving them.

        Parameters
        ----------
        path : tuple of str or int
            Where the rule is.
        rule : RuleModel
            As written.

        Returns
        -------
        dict of str to dict
            Canonical actions with their parameters, as a recipe would write them.
        """
        parts = self._collect(path, rule)
        written: dict[str, dict[str, Any]] = {}
        for name in dict.fromkeys(part.type for part in parts):
            merged = self._merge(name, parts).items()
            usable = (each for each in merged if self._is_usable(ACTIONS[name], each[0], *each[1]))
            written[name] = {parameter: value.value for parameter, (_, value) in usable}
        return written

    def _collect(self, path: Path, rule: RuleModel) -> list[_Part]:
        parts: list[_Part] = []
        self._seen.clear()
        for number, action in enumerate(rule.actions):
            place: Path = (*path, "actions", number)
            if self.remarks.is_full:
                break
            self._check_target(place, action)
            if action.type in self._seen:
                message = f"a second '{action.type}' in one rule"
                self.remarks.report("MLO144", message, place, "Put all its parameters into one action")
                continue
            self._seen.add(action.type)
            parts += self._parts(place, action)
        return parts

    def _check_target(self, place: Path, action: ActionModel) -> None:
        if action.target not in _TARGETS:
            meant = nearest(action.target, _TARGETS)
            remedy = f"Did you mean '{meant}'?" if meant else "It is ignored"
            self.remarks.report("MLO209", f"unknown target '{action.target}'", (*place, "target"), remedy)

    def _parts(self, place: Path, action: ActionModel) -> Iterator[_Part]:
        word = WORDS.get(action.type) or _CANONICAL.get(action.type)
        if word is None:
            self._unknown((*place, "type"), action.type)
            return
        if word.advisory is not None:
            message = f"action '{word.name}' has no effect: {word.advisory}"
            self.remarks.warn_once(f"action {word.name}", "MLO201", message, (*place, "type"))
            return
        for kind, parameters in self._translated(place, word, action).items():
            if ACTIONS[kind].not_enforced is not None:
                self._not_enforced((*place, "type"), word, ACTIONS[kind])
            yield _Part(place, word.name, kind, parameters)

    def _unknown(self, path: Path, name: str) -> None:
        meant = nearest(name, known_action_names())
        if meant is not None:
            self.remarks.report("MLO150", f"unknown action '{name}'", path, f"Did you mean '{meant}'?")
            return
        message = f"unknown action '{name}' has no effect"
        self.remarks.warn_once(f"action {name}", "MLO201", message, path, f"Known: {', '.join(CANONICAL)}")

    def _not_enforced(self, path: Path, word: Word, kind: ActionType) -> None:
        message = f"action '{word.name}' is not enforced yet: {kind.not_enforced}"
        if word.name != kind.name:
            rest = [other for other in word.becomes if ACTIONS[other].not_enforced is None]
            part = f"{'its part ' if rest else ''}'{kind.name}'"
            message = f"action '{word.name}': {part} is not enforced yet: {kind.not_enforced}"
        self.remarks.warn_once(f"action {word.name}", "MLO201", message, path)

    def _translated(self, place: Path, word: Word, action: ActionModel) -> dict[str, dict[str, Value]]:
        own = ACTIONS[word.name].listed if word.name in ACTIONS else {}
        direct = {
            name: Value(value, name)
            for name, value in action.parameters.items()
            if name in own and name not in word.parameters
        }
        rest = {name: value for name, value in action.parameters.items() if name not in direct}
        translation = translate(word, rest)
        if rest:
            self._report(place, word, translation, [*own, *word.parameters])
        if direct:
            translation.actions[word.name] = translation.actions.get(word.name, {}) | direct
        return translation.actions

    def _report(self, place: Path, word: Word, translation: Translation, known: list[str]) -> None:
        for remark in translation.remarks:
            path = (*place, "parameters", remark.parameter)
            if remark.code == "MLO202":
                self.remarks.warn_once(
                    f"parameter {word.name}.{remark.parameter}", "MLO202", remark.message, path
                )
            else:
                self.remarks.report(remark.code, remark.message, path)
        for name in translation.unknown:
            if self.remarks.is_full:
                break
            self._foreign_parameter((*place, "parameters", name), word.name, name, known)

    def _foreign_parameter(self, path: Path, word: str, name: str, known: list[str]) -> None:
        kind = ACTIONS.get(word)
        topic = f"parameter {word}.{name}"
        if kind is not None and name in kind.advisory:
            self.remarks.warn_once(
                topic, "MLO202", f"{word}.{name} has no effect: {kind.advisory[name]}", path
            )
            return
        meant = nearest(name, known)
        if meant is not None and kind is not None:
            self.remarks.report(
                "MLO120", f"unknown parameter '{name}'", path, f"Did you mean '{meant}'?", key=True
            )
            return
        # The ancestor's own words took any parameter, so a file of its time is not refused for one.
        remedy = f"Did you mean '{meant}'?" if meant else f"Known: {', '.join(known)}" if known else None
        self.remarks.warn_once(
            topic, "MLO202", f"{word} has no parameter '{name}': it has no effect", path, remedy
        )

    def _merge(self, kind: str, parts: list[_Part]) -> dict[str, tuple[_Part, Value]]:
        """Merge what several actions say: written beats implied, the action's own name beats another word."""
        merged: dict[str, tuple[_Part, Value]] = {}
        own = sorted((part for part in parts if part.type == kind), key=lambda part: not part.is_direct)
        for implied in (False, True):
            for part in own:
                for name, value in part.parameters.items():
                    if (value.source is None) is not implied:
                        continue
                    if name not in merged:
                        merged[name] = (part, value)
                    elif not implied and merged[name][1].value != value.value:
                        other = merged[name][1].source
                        message = f"'{value.source}' contradicts '{other}' of this rule, which counts"
                        self.remarks.report("MLO250", message, part.path(value), f"Write {kind}.{name} once")
        return merged

    def _compile(self, name: str, merged: dict[str, tuple[_Part, Value]]) -> dict[str, object] | None:
        kind = ACTIONS[name]
        written = self._validated(kind, merged)
        if written is None:
            return None
        parameters, problems = kind.compile(written)
        for problem in problems:
            part, value = merged[problem.parameter]
            if problem.code.startswith("MLO2"):
                topic = f"{name} {problem.message}"
                self.remarks.warn_once(topic, problem.code, problem.message, part.path(value), problem.do)
            else:
                self.remarks.report(problem.code, problem.message, part.path(value), problem.do)
        return {"type": name, "parameters": parameters}

    def _validated(self, kind: ActionType, merged: dict[str, tuple[_Part, Value]]) -> Model | None:
        """Validate all parameters at once; only where that fails one by one, to say which."""
        values = {parameter: value.value for parameter, (_, value) in merged.items()}
        try:
            return kind.parameters.model_validate(values)
        except ValidationError:
            for parameter, entry in merged.items():
                if not self._is_usable(kind, parameter, *entry):
                    del values[parameter]
            return None if self.remarks.has_errors else kind.parameters.model_validate(values)

    def _is_usable(self, kind: ActionType, parameter: str, part: _Part, value: Value) -> bool:
        if parameter not in kind.listed:
            message = f"{part.word}.{value.source} has no effect: {kind.name}.{parameter} is not enforced yet"
            self.remarks.warn_once(
                f"parameter {part.word}.{value.source}", "MLO202", message, part.path(value)
            )
            return False
        prefix: Path = (*part.place, "parameters")
        problems = model_findings(self.remarks.document, kind.parameters, {parameter: value.value}, prefix)
        for problem in problems:
            if parameter == value.source:
                self.remarks.findings.append(problem)
            else:
                place = self.remarks.document.finding(problem.code, "", part.path(value))
                said = f"'{value.source or part.word}' as {kind.name}.{parameter}"
                self.remarks.findings.append(
                    replace(place, message=f"{said}: {problem.message}", do=problem.do)
                )
        return not problems
