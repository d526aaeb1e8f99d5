"""From a rule as written to a rule of the plan: names resolved, values in base units, doubts reported."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from mlopt_engine import check_condition
from recipes.findings import Finding, nearest
from recipes.nodes import Document, Path
from recipes.remarks import Remarks
from recipes.schema import ConditionModel, RuleModel
from recipes.treatment import Treatment
from recipes.vocabulary import CONDITION_TYPES, Fact, vocabulary

__all__ = ["Resolver"]

# Patterns of the ancestor that nothing here observes, and other spellings of those that are.
_PATTERN_SPELLINGS = {"shuffle": "shuffled", "random_access": "random"}
_FOREIGN_PATTERNS = frozenset(
    ["batch", "batchgroup", "batch_group", "epoch", "model", "multi_epoch", "distributed", "validation"]
)
_WORD_OPERATORS = frozenset({"equals", "in", "not_equals", "not_in"})
_BAD_VALUE = {"matches": "MLO134", "glob": "MLO135"}
# Each regular expression may take the engine 512 KiB and 6 ms, a recipe 50 MiB; real ones take a hundredth.
# Globs grow with their text only, which is bounded by the file's.
_MAX_EXPRESSIONS = 100


@dataclass
class Resolver:
    """Resolves the rules of one document and collects what it finds.

    Attributes
    ----------
    document : Document
        The recipe.
    threshold : float
        Of the settings, to tell rules that cannot fire.
    """

    document: Document
    threshold: float
    _ids: dict[str, Path] = field(default_factory=dict)
    _expressions: int = 0
    _problems: dict[tuple[Any, ...], str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.remarks = Remarks(self.document)
        self.treatment = Treatment(self.remarks)

    @property
    def findings(self) -> list[Finding]:
        """What was found so far."""
        return self.remarks.findings

    def rule(self, index: int, rule: RuleModel) -> dict[str, Any]:
        """Resolve one rule.

        Parameters
        ----------
        index : int
            Its position in the file.
        rule : RuleModel
            As written.

        Returns
        -------
        dict
            A rule of the plan without its origin; complete only when no error was found.
        """
        path: Path = ("rules", index)
        if self.remarks.is_full:  # nothing further is looked at, and the document is refused
            return {"id": rule.id or rule.name or "", "conditions": [], "actions": []}
        identifier = self._identifier(path, rule)
        conditions = [
            self.condition((*path, "conditions", number), condition)
            for number, condition in enumerate(rule.conditions)
            if not self.remarks.is_full
        ]
        self._check_conditions(path, rule, conditions)
        actions = self.treatment.of_rule(path, rule)
        resolved = {
            "id": identifier,
            "priority": rule.priority,
            "order": index,
            "match": rule.match,
            "conditions": conditions,
            "actions": actions,
        }
        return resolved if rule.threshold is None else resolved | {"threshold": rule.threshold}

    def _identifier(self, path: Path, rule: RuleModel) -> str:
        identifier = rule.id or rule.name
        if identifier is None:
            self.remarks.report("MLO121", "a rule needs an id", path, "Add 'id:'")
            return ""
        first = self._ids.setdefault(identifier, path)
        if first != path:
            mark = self.document.mark(first)
            message = f"rule id '{identifier}' is taken by the rule in line {mark.line if mark else 0}"
            self.remarks.report("MLO140", message, (*path, "id" if rule.id else "name"), "Rename one of them")
        return identifier

    def _check_conditions(self, path: Path, rule: RuleModel, conditions: list[dict[str, Any]]) -> None:
        if not conditions:
            remedy = "For all files write: {type: file_context, property: path, operator: glob, value: '**'}"
            self.remarks.report("MLO141", "a rule without conditions never fires", path, remedy)
            return
        total = sum(condition["weight"] for condition in conditions)
        if rule.match == "weighted" and total == 0:
            self.remarks.report("MLO142", "all weights are 0, so the rule never fires", (*path, "conditions"))
            return
        if rule.match != "weighted" and rule.threshold is not None:
            message = f"threshold has no effect with match: {rule.match}"
            self.remarks.report("MLO207", message, (*path, "threshold"), key=True)
        possible = [condition for condition in conditions if _can_hold(condition)]
        if not _can_fire(rule, conditions, possible, self.threshold):
            message = "the rule can never fire: too many of its conditions ask for what is never found"
            self.remarks.report("MLO208", message, path, "See the warnings on its conditions")

    def condition(self, path: Path, condition: ConditionModel) -> dict[str, Any]:
        """Resolve one condition.

        Parameters
        ----------
        path : tuple of str or int
            Where it was written.
        condition : ConditionModel
            As written.

        Returns
        -------
        dict
            A condition of the plan; complete only when no error was found.
        """
        fact = self._fact(path, condition)
        operator = condition.operator or ("in" if isinstance(condition.value, list) else "equals")
        known = vocabulary().operators
        if operator not in known:
            meant = nearest(operator, known)
            remedy = f"Did you mean '{meant}'?" if meant else f"Known: {', '.join(known)}"
            self.remarks.report("MLO132", f"unknown operator '{operator}'", (*path, "operator"), remedy)
            fact = None
        value = condition.value
        if fact is not None:
            value = self._value((*path, "value"), fact, operator, value)
        return {
            "fact": fact.name if fact else "",
            "op": operator,
            "value": value,
            "weight": float(condition.weight),
            "required": condition.required,
        }

    def _fact(self, path: Path, condition: ConditionModel) -> Fact | None:
        properties = CONDITION_TYPES.get(condition.type)
        if properties is None:
            meant = nearest(condition.type, CONDITION_TYPES)
            remedy = f"Did you mean '{meant}'?" if meant else f"Known: {', '.join(CONDITION_TYPES)}"
            self.remarks.report(
                "MLO130", f"unknown condition type '{condition.type}'", (*path, "type"), remedy
            )
            return None
        name = properties.get(condition.property)
        if name is None:
            meant = nearest(condition.property, properties)
            remedy = f"Did you mean '{meant}'?" if meant else f"Known: {', '.join(properties)}"
            message = f"{condition.type} has no property '{condition.property}'"
            self.remarks.report("MLO131", message, (*path, "property"), remedy)
            return None
        # A name pattern with a folder in it, as 'variables/', can only be about the path.
        if condition.property == "name_pattern" and "/" in str(condition.value):
            name = "file.path"
        return vocabulary().facts[name]

    def _value(self, path: Path, fact: Fact, operator: str, value: Any) -> Any:
        if operator != "exists":
            try:
                value = fact.in_base_units(value)
            except ValueError as error:
                self.remarks.report("MLO124", f"{fact.name}: {error}", path)
                return value
        if fact.name == "access.pattern" and operator in _WORD_OPERATORS:
            value = _respell(value)
        if operator == "matches" and self._is_one_too_many(path):
            return value
        problem = self._problem(fact, operator, value)
        if problem is not None:
            mismatch = "cannot compare" in problem
            code = "MLO133" if mismatch else _BAD_VALUE.get(operator, "MLO136")
            remedy = None if mismatch or operator in _BAD_VALUE else _value_remedy(fact, operator, value)
            self.remarks.report(code, problem, (*path[:-1], "operator") if mismatch else path, remedy)
        elif operator in _WORD_OPERATORS:
            self._check_words(path, fact, value)
        return value

    def _problem(self, fact: Fact, operator: str, value: Any) -> str | None:
        """Ask the engine; of a single value only once, since rules say the same few over and over."""
        if isinstance(value, list | dict):
            return check_condition(fact.name, operator, json.dumps(value))
        known = (fact.name, operator, type(value), value)
        if known not in self._problems:
            self._problems[known] = check_condition(fact.name, operator, json.dumps(value))
        return self._problems[known]

    def _is_one_too_many(self, path: Path) -> bool:
        self._expressions += 1
        if self._expressions == _MAX_EXPRESSIONS + 1:
            message = f"more than {_MAX_EXPRESSIONS} regular expressions in one recipe"
            self.remarks.report("MLO183", message, path, "Use 'glob', 'in' or 'ends_with'")
        return self._expressions > _MAX_EXPRESSIONS

    def _check_words(self, path: Path, fact: Fact, value: Any) -> None:
        known = fact.words
        for word in value if isinstance(value, list) else [value]:
            if not known or word.lower() in known:
                continue
            if fact.name == "access.pattern" and word.lower() in _FOREIGN_PATTERNS:
                message = f"nothing observes the access pattern '{word}' yet: it is never found"
                self.remarks.warn_once(f"pattern {word}", "MLO204", message, path)
                continue
            if self.remarks.is_full:
                return
            meant = nearest(word, known)
            remedy = f"Did you mean '{meant}'?" if meant else f"Known: {', '.join(known)}"
            if fact.is_open:
                message = f"nothing measures {fact.name} as '{word}': only --fact can say so"
                self.remarks.warn_once(f"{fact.name} {word}", "MLO230", message, path, remedy)
                continue
            self.remarks.report("MLO137", f"{fact.name} is never '{word}'", path, remedy)


def _can_hold(condition: dict[str, Any]) -> bool:
    """Whether the condition can hold; one with an error of its own is not doubted."""
    if condition["fact"] != "access.pattern" or condition["op"] not in {"equals", "in"}:
        return True
    value = condition["value"]
    words = value if isinstance(value, list) else [value]
    return any(str(word).lower() not in _FOREIGN_PATTERNS for word in words)


def _can_fire(
    rule: RuleModel, conditions: list[dict[str, Any]], possible: list[dict[str, Any]], threshold: float
) -> bool:
    """Whether the rule fires when every condition that can hold does."""
    if len(possible) == len(conditions):
        return True
    if rule.match == "all" or any(each["required"] and each not in possible for each in conditions):
        return False
    if rule.match == "any":
        return bool(possible)
    share = float(sum(each["weight"] for each in possible) / sum(each["weight"] for each in conditions))
    return share > (threshold if rule.threshold is None else rule.threshold) or share == 1.0


def _respell(value: Any) -> Any:
    if isinstance(value, list):
        return [_respell(item) for item in value]
    return _PATTERN_SPELLINGS.get(value.lower(), value) if isinstance(value, str) else value


def _value_remedy(fact: Fact, operator: str, value: Any) -> str:
    if isinstance(value, list) and operator in {"equals", "not_equals"}:
        return f"Use '{'in' if operator == 'equals' else 'not_in'}' for a list"
    if operator in {"in", "not_in"} and not isinstance(value, list):
        return "Write a list: [a, b]"
    return "Write a number" if fact.kind == "number" else "Quote the value to make it a text"
