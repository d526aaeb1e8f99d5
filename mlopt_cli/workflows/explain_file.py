"""One file in words: what it is, what each rule made of it, and what a mount would do with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlopt_cli.sizes import format_size
from mlopt_cli.workflows.judge_files import JudgeQuestion, judge_files
from mlopt_cli.workflows.rule_words import value_text

if TYPE_CHECKING:
    from recipes import Recipe

#: Decisions do not depend on the budget; the plan needs one [bytes].
ANY_BUDGET_BYTES = 1 << 30
_OPERATORS = {
    "equals": "is",
    "not_equals": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "greater_than": "is more than",
    "less_than": "is less than",
    "greater_equal": "is at least",
    "less_equal": "is at most",
    "contains": "contains",
    "not_contains": "does not contain",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "between": "lies between",
    "matches": "matches",
    "glob": "fits",
    "exists": "is known:",
}


def explain_file(
    path: Path,
    recipe: Recipe,
    *,
    source: Path | None = None,
    facts: dict[str, str | int] | None = None,
) -> dict[str, Any]:
    """Judge one file, first bytes included, and say why.

    Parameters
    ----------
    path : Path
        The file.
    recipe : Recipe
        Whose rules.
    source : Path, optional
        The directory that rules see the path relative to; the file's own folder if omitted.
    facts : dict, optional
        What is known of job and machine; this machine's if omitted.

    Returns
    -------
    dict
        The file as ``test-rules`` has it, and ``sentences`` for people.

    Raises
    ------
    InvalidInputError
        When the path cannot be used.
    """
    import recipes
    from mlopt_cli.workflows.given_facts import facts_here

    plan = recipes.compile_plan(recipe, memory_bytes=ANY_BUDGET_BYTES)
    question = JudgeQuestion(
        plan.json,
        path,
        source,
        limit=1,
        with_content=True,
        facts=facts_here() if facts is None else facts,
    )
    entry: dict[str, Any] = judge_files(question)["files"][0]
    return entry | {"sentences": sentences(entry)}


def sentences(entry: dict[str, Any]) -> list[str]:
    """Say in words what happens to a file.

    Parameters
    ----------
    entry : dict
        As the scan gives it.

    Returns
    -------
    list of str
        What it is, what happens, then each rule from the strongest on.
    """
    if entry["kind"] != "file":
        return [
            f"{entry['path']} is no regular file ({entry['kind']}): a mount shows it and never treats it."
        ]
    said = [_what_it_is(entry), *_what_happens(entry)]
    rules = sorted(entry["rules"], key=lambda rule: (not rule["applied"], not rule["fires"], -rule["score"]))
    return said + [_why(rule) for rule in rules]


def _what_it_is(entry: dict[str, Any]) -> str:
    facts = entry["facts"]
    known = [f"of type {facts['file.type']}"]
    if "file.format" in facts:
        known.append(f"in the format {facts['file.format']}")
    if "file.framework" in facts:
        known.append(f"as {facts['file.framework']} writes them")
    return f"{entry['path']} is a file of {format_size(entry['size'])}, {', '.join(known)}."


def _what_happens(entry: dict[str, Any]) -> list[str]:
    actions = {name: action for name, action in entry["action"].items() if action is not None}
    if not actions:
        return ["It is streamed: neither kept nor fetched ahead."]
    said = []
    for name, action in actions.items():
        set_by = [
            f"{key} {value} (rule '{entry['origin'][f'{name}.{key}']}')"
            for key, value in action.items()
            if f"{name}.{key}" in entry["origin"]
        ]
        said.append(f"Action {name}: {', '.join(set_by) if set_by else 'with the defaults'}.")
    return said


def _why(rule: dict[str, Any]) -> str:
    if rule["match"] == "weighted":
        compared = "exceeds" if rule["score"] > rule["threshold"] else "does not exceed"
        if rule["score"] == 1.0:
            compared = "is full, whatever"
        by = f"its score of {rule['score']:.3f} {compared} the threshold {rule['threshold']:g}"
    else:
        by = f"{rule['match']} of its conditions must hold"
    verdict = "applies"
    if not rule["applied"]:
        verdict = (
            "fires, but stronger rules fill the number that may apply" if rule["fires"] else "does not apply"
        )
    found = "; ".join(_found(condition) for condition in rule["conditions"])
    return f"Rule '{rule['id']}' {verdict}: {by}. {found[:1].upper()}{found[1:]}."


def _found(condition: dict[str, Any]) -> str:
    fact, wanted = condition["fact"], value_text(condition["fact"], condition["value"])
    asked = f"{fact} {_OPERATORS[condition['op']]} {wanted}"
    required = " (required)" if condition["required"] else ""
    if condition["verdict"] == "unknown":
        return f"unknown whether {asked}{required}"
    actual = "nothing" if condition["actual"] is None else value_text(fact, condition["actual"])
    holds = "true" if condition["verdict"] == "true" else "false"
    return f"{holds} that {asked}{required}: it is {actual}"
