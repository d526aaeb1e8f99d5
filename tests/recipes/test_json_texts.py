"""Recipes in JSON: what the standard library reads is read the same, with positions; the rest is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recipes
from recipes import RecipeError
from recipes.nodes import parse
from recipes.source import Source

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | texts
values = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


def read(text: str) -> Any:
    return parse(Source.of_text(text, "r.json")).value


@given(
    st.dictionaries(texts, values, min_size=1, max_size=4),
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
)
def test_json_reads_back(value: dict[str, Any], indent: int | str | None, ascii_only: bool) -> None:
    assert read(json.dumps(value, indent=indent, ensure_ascii=ascii_only)) == value


EXAMPLE = json.dumps(recipes.load("shuffled-images").document, indent=1)


def strictly(text: str) -> Any:
    def no_constant(word: str) -> Any:
        raise ValueError(word)

    def no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    return json.loads(text, parse_constant=no_constant, object_pairs_hook=no_twins)


@given(
    st.integers(0, len(EXAMPLE)),
    st.integers(0, 3),
    st.sampled_from(['"', ",", "{", "]", ":", "0", "-", " x", ""]),
)
def test_damaged_json_is_json_here_where_it_is_elsewhere(start: int, length: int, inserted: str) -> None:
    text = EXAMPLE[:start] + inserted + EXAMPLE[start + length :]
    try:
        expected = strictly(text)
    except (ValueError, RecursionError):
        with pytest.raises(RecipeError):
            read(text)
        return
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "says"),
    [
        ('{"a": 1,\n "a": 2}', "MLO109", 2, 2, "first in line 1"),
        ('{"a": [1, 2}', "MLO103", 1, 12, "expected ',' or ']', found '}'"),
        ('{"a": 1,}', "MLO103", 1, 9, "a key in double quotes"),
        ('{"a": NaN}', "MLO103", 1, 7, "expected a value, found 'NaN'"),
        ("{'a': 1}", "MLO103", 1, 2, "a key in double quotes"),
        ('{"a": 1} x', "MLO103", 1, 10, "the end of the file"),
        ('{"a":\n {"b": 1', "MLO103", 2, 2, "expected ',' or '}'"),
        ('{"a": "\\ud83d"}', "MLO103", 1, 7, "surrogates"),
        ('{"a": "b\nc"}', "MLO103", 1, 9, "control character"),
        ('{"a": 1e999}', "MLO112", 1, 7, "not a usable number"),
        ("  ", "MLO110", None, None, "is empty"),
        ("[]", "MLO110", 1, 1, "not a list"),
        ("[" * 100_000, "MLO105", 1, 66, "nested deeper"),
    ],
)
def test_what_is_wrong_is_placed(
    text: str, code: str, line: int | None, column: int | None, says: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        read(text)
    (finding,) = caught.value.findings
    where = (finding.mark.line, finding.mark.column) if finding.mark else (None, None)
    assert (finding.code, *where) == (code, line, column)
    assert says in finding.message


def test_findings_of_meaning_have_positions_too() -> None:
    document = recipes.load("shuffled-images").document
    text = json.dumps(document, indent=2).replace('"epoch_set"', '"epoch_sett"')
    with pytest.raises(RecipeError) as caught:
        recipes.loads(text, "r.json")
    (finding,) = caught.value.findings
    assert finding.mark is not None
    assert text.splitlines()[finding.mark.line - 1][finding.mark.column - 1 :].startswith('"epoch_sett"')
