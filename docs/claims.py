"""What may be said to be enforced: derived from the engine's registry, or shown by a named test."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recipes.actions import ACTIONS
from recipes.ancestor import Meaning, Word
from recipes.ancestor.base import Outcome
from recipes.settings import SETTINGS
from recipes.vocabulary import CONDITION_TYPES, vocabulary

ROOT = Path(__file__).parent.parent
ENFORCED = "enforced"
# How the meaning of a parameter begins that asks for what mlopt does without being asked.
DONE_ANYWAY = "done anyway"

# What was asked of whom, and why it has no effect.
Gaps = dict[str, str]


def verdict(gaps: Gaps, asked: int) -> str:
    """Say how much of what was asked has an effect, and of the rest why not."""
    if not gaps:
        return ENFORCED
    by_reason: dict[str, list[str]] = {}
    for what, why in gaps.items():
        by_reason.setdefault(why, []).append(what)
    if len(gaps) >= asked and len(by_reason) == 1:
        return f"advisory: {next(iter(by_reason))}"
    listed = "; ".join(
        f"{', '.join(f'`{what}`' for what in names)}: {why}" for why, names in by_reason.items()
    )
    return f"{'advisory' if len(gaps) >= asked else 'enforced in part'}: {listed}"


def gap(action: str, parameter: str | None = None, value: Any = None) -> str | None:
    """Say why an action, or a value of its parameter, has no effect; None where it has one."""
    known = ACTIONS[action]
    if known.not_enforced or parameter is None:
        return known.not_enforced
    remarks = known.listed[parameter].remarks(value)
    return remarks[0].message.split(": ", 1)[1] if remarks else None


def of_actions(*names: str) -> str:
    """Say whether actions are enforced."""
    gaps = {name: why for name in names if (why := gap(name))}
    return verdict(gaps, len(names))


def of_word(word: Word) -> str:
    """Say whether a word's actions, and what it implies of their parameters, are enforced."""
    if word.advisory:
        return f"advisory: {word.advisory}"
    gaps: Gaps = {}
    for name, implied in word.becomes.items():
        if why := gap(name):
            gaps[name] = why
            continue
        values = {f"{name}.{key}: {shown(value)}": gap(name, key, value) for key, value in implied.items()}
        gaps |= {what: why for what, why in values.items() if why}
    whole = sum(name in word.becomes for name in gaps)
    return verdict(gaps, len(gaps) if whole == len(word.becomes) else len(gaps) + 1)


def of_meaning(name: str, meaning: Meaning) -> str:
    """Say whether the values of a parameter have an effect, by reading one of each kind."""
    gaps: Gaps = {}
    asked = 0
    for value in meaning.examples:
        alone, together = (meaning.read(value, {name: value} | more) for more in ({}, meaning.beside))
        if asks_nothing(alone) and asks_nothing(together) and not meaning.says.startswith(DONE_ANYWAY):
            continue
        asked += 1
        if why := effect(together):
            gaps[shown(value)] = why.removeprefix(f"'{value}': ")
        elif effect(alone):
            beside = ", ".join(f"`{other}`" for other in meaning.beside)
            return f"enforced in part: beside {beside} only"
    return verdict(gaps, asked)


def asks_nothing(outcome: Outcome) -> bool:
    """Tell whether a value changes nothing and wants nothing changed, as false of an option that is off."""
    declines = any(gap(action) is None for action in outcome.drops)
    return not outcome.sets and not outcome.advisory and not declines


def effect(outcome: Outcome) -> str | None:
    """Say why an outcome changes nothing; None where it does, or asks for what is done anyway."""
    reasons = [gap(action, parameter, value) for action, parameter, value in outcome.sets]
    return next((why for why in reasons if why), outcome.advisory)


def shown(value: Any) -> str:
    """Write a value as recipes do."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def of_facts(condition: str) -> str:
    """Say which properties of a condition are measured."""
    known = vocabulary().facts
    why = "nothing measures it; such conditions are unknown, not false"
    unknown = {
        name: why for name, fact in CONDITION_TYPES[condition].items() if known[fact].source == "unmeasured"
    }
    return verdict(unknown, len(CONDITION_TYPES[condition]))


def of_settings(*names: str) -> str:
    """Say whether settings have an effect."""
    gaps = {name: why for name in names if (why := SETTINGS[name].advisory)}
    return verdict(gaps, len(names))


def shown_by(*tests: str) -> str:
    """Claim what tests show, each named as ``file::name``; one that does not exist is an error."""
    for missing in absent(tests):
        raise LookupError(f"no such test: {missing}")
    return ENFORCED


def absent(tests: Iterable[str]) -> list[str]:
    """List those of some tests, in Python or Rust, that do not exist."""
    texts: dict[str, str] = {}
    return [test for test in tests if not _exists(test, texts)]


def _exists(test: str, texts: dict[str, str]) -> bool:
    file, _, name = test.partition("::")
    path = ROOT / file
    if file not in texts:
        texts[file] = path.read_text(encoding="utf-8") if path.is_file() else ""
    # in Rust a test has the attribute, or stands in proptest's macro, which gives it
    pattern = (
        rf"^(?:async )?def {re.escape(name)}\("
        if path.suffix == ".py"
        else rf"#\[test\]\s+fn {re.escape(name)}\("
    )
    return bool(name) and re.search(pattern, texts[file], re.MULTILINE) is not None
