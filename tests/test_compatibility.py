"""The page of compatibility says what the code registers, and says it of everything."""

import pytest

from docs import behaviours
from docs.claims import ENFORCED, absent, of_actions, of_meaning, of_word, shown_by
from docs.compatibility import PAGE, main, page
from recipes.actions import ACTIONS
from recipes.ancestor import WORDS
from recipes.settings import SETTINGS
from recipes.vocabulary import CONDITION_TYPES


def test_the_page_is_what_the_code_registers(capsys: pytest.CaptureFixture[str]) -> None:
    assert PAGE.read_text() == page()
    assert main(["--check"]) == 0
    assert capsys.readouterr().err == ""


def test_every_behaviour_names_tests_that_exist_or_a_reason() -> None:
    assert absent(behaviours.named_tests()) == []
    assert behaviours.PAGE.read_text() == behaviours.page()
    rows = [row for section in behaviours.SECTIONS.values() for row in section]
    assert [row.asks for row in rows if not row.tests and not row.instead] == []
    assert len({row.asks for row in rows}) == len(rows) > 50
    # most of them hold here: a page of excuses would be none
    assert sum(bool(row.tests) for row in rows) / len(rows) > 0.9


def test_every_word_parameter_property_and_setting_has_its_row() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    heads = {row.split("`")[1] for row in rows}
    parameters = {name for word in WORDS.values() for name in word.parameters}
    properties = {f"{kind}.{name}" for kind, names in CONDITION_TYPES.items() for name in names}
    assert heads >= WORDS.keys() | parameters | properties | SETTINGS.keys() | ACTIONS.keys()


def test_what_is_not_enforced_says_why() -> None:
    for line in page().splitlines():
        if "advisory" in line and line.startswith("|"):
            assert "advisory: " in line or "enforced in part: " in line, line


def test_every_parameter_gives_an_example_of_each_kind_and_sets_what_the_engine_has() -> None:
    for word in WORDS.values():
        for name, meaning in word.parameters.items():
            assert meaning.examples, f"{word.name}.{name}"
            for value in meaning.examples:
                outcome = meaning.read(value, {name: value} | meaning.beside)
                for action, parameter, _ in outcome.sets:
                    assert parameter is None or parameter in ACTIONS[action].listed, f"{word.name}.{name}"
            if not meaning.enforced:
                assert of_meaning(name, meaning).startswith("advisory: "), f"{word.name}.{name}"


def test_a_claim_is_what_the_registry_says_of_the_value() -> None:
    without = {
        (action.name, each.name, value)
        for action in ACTIONS.values()
        for each in action.listed.values()
        for value in each.without_effect
    }
    assert without, "all is enforced: nothing here is tested"
    for word in WORDS.values():
        implied = {(name, key, value) for name, more in word.becomes.items() for key, value in more.items()}
        hollow = {name for name in word.becomes if ACTIONS[name].not_enforced}
        if implied & without or hollow:
            assert of_word(word) != ENFORCED, word.name
        for name, meaning in word.parameters.items():
            read = [meaning.read(value, {name: value} | meaning.beside) for value in meaning.examples]
            sets = {(action, key, value) for each in read for action, key, value in each.sets}
            if sets & without or any(ACTIONS[action].not_enforced for action, _, _ in sets):
                assert of_meaning(name, meaning) != ENFORCED, f"{word.name}.{name}"
    for name, action in ACTIONS.items():
        assert (of_actions(name) == ENFORCED) is (action.not_enforced is None)


@pytest.mark.parametrize(
    ("word", "parameter", "state"),
    [
        ("cache", "priority", "enforced"),
        ("cache", "eviction_policy", "enforced in part: `another word`: no such policy here"),
        ("prefetch", "growth_factor", "enforced"),
        ("prefetch", "chunk_size", "enforced in part: beside `prefetch_size` only"),
        ("prefetch", "cuda_streams", "advisory: a file system cannot place data on a GPU"),
        ("coordinate", "resource_aware", "enforced in part: `false`: "),
        ("checkpoint_optimization", "async_save", "advisory: mounts are read-only"),
    ],
)
def test_a_claim_reads_as_it_should(word: str, parameter: str, state: str) -> None:
    assert of_meaning(parameter, WORDS[word].parameters[parameter]).startswith(state)


def test_a_claim_by_a_test_that_does_not_exist_is_an_error() -> None:
    here = "tests/test_compatibility.py::test_what_is_not_enforced_says_why"
    assert shown_by(here) == ENFORCED
    missing = ["tests/test_compatibility.py::test_nothing", "tests/nowhere.py::test_x", "tests/test_docs.py"]
    assert absent([here, *missing]) == missing
    with pytest.raises(LookupError, match="no such test: tests/nowhere"):
        shown_by("tests/nowhere.py::test_x")
