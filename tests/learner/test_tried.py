"""The list of what was tried."""

import pytest

from learner.contest import Entrant
from learner.tried import WRITTEN, Tried, contest_lines, header_lines, slower


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1.0, "no faster here"),
        (1.12, "12 % slower here"),
        (0.9, "10 % faster here"),
        (3.6, "3.6 x as slow here"),
    ],
)
def test_differences_are_said_in_words(seconds: float, said: str) -> None:
    assert slower(seconds, 1.0, "here") == said


def test_each_candidate_says_why_it_was_not_written() -> None:
    won, lost = Entrant("searched", "searched", {}, 0.4), Entrant("template a", "template", {}, 0.42)
    far, useless = (
        Entrant("recipe b", "shipped", {}, 0.8, is_finalist=False),
        Entrant("recipe c", "shipped", {}, 1.3, is_finalist=False),
    )
    entrants, seconds = [won, lost, far, useless], {"searched": 2.0, "template a": 2.2}
    lines = {line.name: line for line in contest_lines(entrants, seconds, won, source_s=5.0)}
    assert lines["searched"].verdict == WRITTEN
    assert lines["searched"].training_s == pytest.approx(2.0)
    assert lines["template a"].verdict == "10 % slower on the held-out part"
    assert (lines["recipe b"].holdout_s, lines["recipe b"].verdict) == (None, "2.0 x as slow in training")
    assert lines["recipe c"].verdict == "no faster than the source in training"


def test_the_header_names_the_nearest_first_and_no_bounds() -> None:
    tried = [
        Tried("searched", "searched", 1.0, 1.0, WRITTEN),
        Tried("no io", "bound", None, 0.1, "a bound, no recipe"),
        Tried("far", "template", 3.0, None, "3 x"),
        Tried("near", "template", 1.1, 1.2, "20 %"),
    ]
    assert header_lines(tried) == ["  near: 20 %", "  far: 3 x"]
