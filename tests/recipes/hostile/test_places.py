"""Values of a wrong type at every place of the schema, and names one letter beside the known ones."""

import json
from typing import Any

import pytest

import recipes
from recipes import RecipeError
from recipes.actions import ACTIONS
from recipes.policies import POLICIES
from recipes.treatment import known_action_names
from recipes.vocabulary import CONDITION_TYPES, vocabulary

CONDITION = {"type": "file_context", "property": "path", "operator": "glob", "value": "**", "weight": 1.0}
ACTION: dict[str, Any] = {"type": "cache", "target": "file", "parameters": {"policy": "pinned"}}
RULE = {"id": "a", "name": "a", "priority": 1, "conditions": [CONDITION], "actions": [ACTION]}
GOOD = {"version": "1", "name": "t", "settings": {"seed": 1}, "rules": [RULE]}

VALUES: dict[str, Any] = {
    "null": None,
    "truth": True,
    "integer": 7,
    "number": 7.5,
    "text": "seven",
    "empty text": "",
    "list": [1, 2],
    "list of lists": [[[]]],
    "mapping": {"seven": 7},
    "list of nulls": [None],
    "negative": -1,
    "2^63": 1 << 63,
}
TEXT, WHOLE = {"text", "null"}, {"integer", "null"}
# What may stand at each place; all else must be refused there.
PLACES: dict[str, set[str]] = {
    "version": {"null"},
    "name": TEXT,
    "description": TEXT | {"empty text"},
    "author": TEXT | {"empty text"},
    "tags": set(),
    "settings": set(),
    "rules": set(),
    "metadata": {"mapping"},
    "settings.confidence_threshold": set(),
    "settings.max_concurrent_rules": {"integer"},
    "settings.staleness": {"integer", "number"},
    "settings.block_size": set(),
    "settings.seed": {"integer", "2^63"},
    "settings.debug": {"truth", "null"},
    "settings.adaptive_learning": {"truth", "null"},
    "settings.metrics_collection": {"truth", "null"},
    "settings.memory_limit_mb": WHOLE,
    "settings.cpu_limit_percent": {"integer", "number", "null"},
    "settings.experimental_features": {"null"},
    "rules.0": set(),
    "rules.0.id": TEXT,
    "rules.0.name": TEXT,
    "rules.0.description": TEXT | {"empty text"},
    "rules.0.priority": {"integer"},
    "rules.0.match": set(),
    "rules.0.threshold": {"null"},
    "rules.0.conditions": set(),
    "rules.0.actions": set(),
    "rules.0.metadata": {"mapping"},
    "rules.0.conditions.0": set(),
    "rules.0.conditions.0.type": set(),
    "rules.0.conditions.0.property": set(),
    "rules.0.conditions.0.operator": {"null"},
    "rules.0.conditions.0.value": {"text", "empty text"},
    "rules.0.conditions.0.weight": set(),
    "rules.0.conditions.0.required": {"truth"},
    "rules.0.actions.0": set(),
    "rules.0.actions.0.type": {"text"},
    "rules.0.actions.0.target": {"text"},
    "rules.0.actions.0.parameters": {"mapping"},
    "rules.0.actions.0.parameters.policy": {"null"},
    "rules.0.actions.0.parameters.share": {"null"},
    "rules.0.actions.0.parameters.priority": {"integer", "2^63"},
    "rules.0.actions.0.parameters.staleness": {"integer", "number", "null"},
}
CASES = [(place, name) for place, allowed in PLACES.items() for name in VALUES if name not in allowed]


def with_value(place: str, value: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(GOOD))
    parts = [int(part) if part.isdigit() else part for part in place.split(".")]
    inner: Any = document
    for part in parts[:-1]:
        inner = inner[part]
    inner[parts[-1]] = value
    return document


def findings_of(document: object) -> list[recipes.Finding]:
    try:
        return list(recipes.loads(json.dumps(document, indent=1), "t.json").warnings)
    except RecipeError as error:
        return list(error.findings)


def test_there_are_cases_enough() -> None:
    assert len(CASES) > 300
    assert findings_of(GOOD) == []


@pytest.mark.parametrize(("place", "name"), CASES, ids=[f"{place} is {name}" for place, name in CASES])
def test_a_value_of_a_wrong_type_is_refused_where_it_stands(place: str, name: str) -> None:
    document = with_value(place, VALUES[name])
    errors = [finding for finding in findings_of(document) if finding.severity == "error"]
    assert errors
    text = json.dumps(document, indent=1).splitlines()
    first = min(finding.mark.line for finding in errors if finding.mark is not None)
    key = next((part for part in reversed(place.split(".")) if not part.isdigit()), "")
    opened = next(number for number, line in enumerate(text, 1) if f'"{key}"' in line)
    assert first >= opened
    assert all("Traceback" not in str(error) and "pydantic" not in str(error).lower() for error in errors)


@pytest.mark.parametrize("place", [place for place, allowed in PLACES.items() if allowed])
def test_what_may_stand_there_is_not_refused_for_its_type(place: str) -> None:
    for name in PLACES[place]:
        codes = {finding.code for finding in findings_of(with_value(place, VALUES[name]))}
        assert not codes & {"MLO121", "MLO122", "MLO123", "MLO124"}


# --- one letter beside ---


def typos(word: str) -> list[str]:
    middle = len(word) // 2
    swapped = word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]
    return [word[:middle] + word[middle + 1 :], word[:middle] + word[middle] + word[middle:], swapped]


def distance(first: str, second: str) -> int:
    """Edits from one word to the other; two neighbours that change places are one edit."""
    rows = [list(range(len(second) + 1))]
    for i, a in enumerate(first, 1):
        row = [i]
        for j, b in enumerate(second, 1):
            best = min(rows[-1][j] + 1, row[j - 1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and first[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


KNOWN: dict[str, tuple[str, list[str]]] = {
    "top key": ("", ["version", "description", "settings", "rules", "templates", "frameworks"]),
    "setting": ("settings", ["confidence_threshold", "max_concurrent_rules", "staleness", "block_size"]),
    "rule key": ("rules.0", ["priority", "conditions", "actions", "threshold", "match", "metadata"]),
    "condition key": ("rules.0.conditions.0", ["property", "operator", "weight", "required"]),
    "action key": ("rules.0.actions.0", ["target", "parameters"]),
    "cache parameter": ("rules.0.actions.0.parameters", sorted(ACTIONS["cache"].parameters.model_fields)),
}  # fmt: skip
NAMES: dict[str, tuple[str, list[str]]] = {
    "condition type": ("rules.0.conditions.0.type", sorted(CONDITION_TYPES)),
    "property": ("rules.0.conditions.0.property", sorted(CONDITION_TYPES["file_context"])),
    "operator": ("rules.0.conditions.0.operator", sorted(vocabulary().operators)),
    "action": ("rules.0.actions.0.type", sorted(known_action_names())),
    "policy": (
        "rules.0.actions.0.parameters.policy",
        sorted(name for name, policy in POLICIES.items() if not policy.simulation_only),
    ),
}


def cases(table: dict[str, tuple[str, list[str]]]) -> list[Any]:
    return [
        pytest.param(place, typo, known, id=f"{kind} {typo}")
        for kind, (place, known) in table.items()
        for word in known
        if len(word) > 4
        for typo in typos(word)
        if typo not in known
    ]


def suggestion_is_right(found: list[recipes.Finding], typo: str, known: list[str]) -> None:
    (finding,) = [each for each in found if f"'{typo}'" in each.message]
    assert finding.severity == "error"
    assert finding.do is not None
    assert finding.do.startswith("Did you mean '")
    meant = finding.do.split("'")[1]
    assert distance(typo, meant) == min(distance(typo, word) for word in known), (typo, meant)
    assert finding.mark is not None
    assert finding.line_text[finding.mark.column - 1 :].lstrip('"').startswith(typo)


@pytest.mark.parametrize(("place", "typo", "known"), cases(KNOWN))
def test_a_key_one_letter_off_is_an_error_with_the_right_suggestion(
    place: str, typo: str, known: list[str]
) -> None:
    document = with_value(f"{place}.{typo}".lstrip("."), None)
    suggestion_is_right(findings_of(document), typo, known)


@pytest.mark.parametrize(("place", "typo", "known"), cases(NAMES))
def test_a_name_one_letter_off_is_an_error_with_the_right_suggestion(
    place: str, typo: str, known: list[str]
) -> None:
    suggestion_is_right(findings_of(with_value(place, typo)), typo, known)
