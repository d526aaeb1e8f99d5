"""The page of compatibility says what the code registers, and says it of everything."""

import pytest

from docs.compatibility import PAGE, main, page
from recipes.actions import ACTIONS
from recipes.ancestor import WORDS
from recipes.settings import SETTINGS
from recipes.vocabulary import CONDITION_TYPES


def test_the_page_is_what_the_code_registers(capsys: pytest.CaptureFixture[str]) -> None:
    assert PAGE.read_text() == page()
    assert main(["--check"]) == 0
    assert capsys.readouterr().err == ""


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
