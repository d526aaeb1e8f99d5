"""Every word of the language has an entry, made from what the code registers."""

import pytest

import recipes
from mlopt_engine import registry
from recipes.actions import ACTIONS
from recipes.ancestor import WORDS
from recipes.codes import CODES
from recipes.glossary import KINDS, Entry, entries, lookup, nearest_word
from recipes.schema import SettingsModel


def names(kind: str) -> set[str]:
    return {entry.name for entry in entries(kind)}


def test_every_registered_name_has_an_entry() -> None:
    listed = registry()
    for kind in ("policies", "prefetchers", "facts", "operators"):
        assert names(kind) == {each["name"] for each in listed[kind]}
    assert names("settings") == set(SettingsModel.model_fields)
    assert names("actions") >= {*ACTIONS, *WORDS}
    assert names("codes") == set(CODES)
    assert names("recipes") == set(recipes.shipped())


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_says_something_and_is_found_by_its_name(kind: str) -> None:
    listed = entries(kind)
    assert listed
    for entry in listed:
        assert entry.summary, entry.name
        assert entry.details, entry.name
    assert listed[0] in lookup(listed[0].name.upper())


def test_rules_and_templates_of_the_whole_library_are_told() -> None:
    assert {"keep-small-files", "large_model_streaming", "pytorch_tensor_prefetch"} <= names("rules")
    assert "pytorch_training_template" in names("templates")
    assert "pytorch_tensor_prefetch" in only("pytorch_training_template", "template").details["rules"]
    assert only("large_model_streaming", "rule").details["origin"].startswith("ancestor, line ")


def only(word: str, kind: str, recipe: recipes.Recipe | None = None) -> Entry:
    (found,) = [entry for entry in lookup(word, recipe) if entry.kind == kind]
    return found


def test_a_rule_is_told_in_words_with_its_origin() -> None:
    text = (
        'version: "1"\nname: t\nrules:\n  - id: big\n    priority: 7\n    threshold: 0.6\n    conditions:\n'
        "      - {type: file_context, property: size, operator: greater_than, value: 8MiB, weight: 0.9}\n"
        "      - {type: file_context, property: type, value: [model, dataset], required: true}\n"
        "    actions:\n      - {type: cache, parameters: {share: 0.25}}\n"
    )
    entry = only("big", "rule", recipes.loads(text, "mine.yaml"))
    assert entry.details == {
        "origin": "mine.yaml, line 4 (custom)",
        "priority": "7",
        "fires when": "the weight of the conditions that hold is more than 0.6 of the weight of all",
        "conditions": [
            "file.size greater than 8MiB (weight 0.9)",
            'file.type in ["model", "dataset"] (weight 1, required)',
        ],
        "does": ["cache: share 0.25"],
    }
    assert lookup("big") == []


def test_facts_are_found_as_conditions_name_them() -> None:
    assert only("file_context.size", "fact") == only("file.size", "fact")
    assert "greater_than" in only("file.size", "fact").details["operators"]
    assert "matches" not in only("file.size", "fact").details["operators"]


def test_parameters_are_told_with_their_range() -> None:
    assert only("cache", "action").details["parameters"]["share"].startswith("a number from 0 to 1: ")


def test_a_word_one_letter_away_is_suggested() -> None:
    assert nearest_word("MLO19") in CODES
    assert nearest_word("prefech") == "prefetch"
    assert nearest_word("qqqqqq") is None
