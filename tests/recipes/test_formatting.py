"""Formatting changes how a recipe looks, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import recipes
from recipes import RecipeError
from recipes.codes import CODES
from recipes.formatting import format_recipe
from recipes.nodes import parse
from recipes.source import Source
from recipes.written import read_text

LIBRARY = sorted((Path(recipes.__file__).parent / "library").rglob("*.yaml"))


def formatted(text: str, name: str = "r.yaml") -> str:
    return format_recipe(Source.of_text(text, name))


def values(text: str) -> Any:
    return parse(Source.of_text(text, "r.yaml")).value


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_shipped_recipes_keep_their_meaning(path: Path) -> None:
    text = path.read_text()
    assert values(formatted(text)) == values(text)
    assert formatted(formatted(text)) == formatted(text)


BEFORE = """\
# about the file

name:    x   # trailing


# about rules
rules:
- id:   'a'    # ida
  conditions: [ {type: a,property: 'b'} , {a:1} ]
  # end of a
-   id: b
    # before desc
    description: >-
       folded
         more

       text
    note: |+
      keep


    text: "a
       b"
    plain: a
      b c
    actions:
    # in actions
    -   type: cache # cc
        parameters:
             share:   0.5
             long: {a: 1,   # why
                    b: 2}
settings: # sett
  seed: &s 3
  other: *s
  base: &b
    a: 1
  z:
    # before value
    12
  empty:
  l: &l
    - - a
      - 'it''s'
    -
      # q
      x: '\\d+'
# bye
"""
AFTER = """\
# about the file

name: x  # trailing

# about rules
rules:
  - id: "a"  # ida
    conditions: [{type: a, property: "b"}, {a:1: }]
    # end of a
  - id: b
    # before desc
    description: >-
      folded
        more

      text
    note: |+
      keep


    text: "a
      b"
    plain: a
      b c
    actions:
      # in actions
      - type: cache  # cc
        parameters:
          share: 0.5
          long: {a: 1,   # why
                 b: 2}
settings:  # sett
  seed: &s 3
  other: *s
  base: &b
    a: 1
  # before value
  z: 12
  empty:
  l: &l
    - - a
      - "it's"
    # q
    - x: '\\d+'
# bye
"""


def test_a_text_with_everything_in_it() -> None:
    assert formatted(BEFORE) == AFTER
    assert formatted(AFTER) == AFTER
    assert values(AFTER) == values(BEFORE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: {\n  b: 1,\n  c: [x,\n y]\n}\n", "a: {b: 1, c: [x, y]}\n"),
        ("---\na: 1\n...\n# end\n", "---\na: 1\n# end\n"),
        ("a: |2\n    x\n   y\n", "a: |2\n    x\n   y\n"),
        ("{a: 1}", "{a: 1}\n"),
        ("a:\n- 1\n# about b\nb: 2\n", "a:\n  - 1\n# about b\nb: 2\n"),
        ("a: 'b: #c'\n", 'a: "b: #c"\n'),
        ('a:   "\\u00e9"\n\n\n\n', 'a: "\\u00e9"\n'),
        ("? a\n: b\n", "a: b\n"),
    ],
    ids=["brackets", "markers", "indented literal", "flow root", "comment", "hash", "escape", "question"],
)
def test_smaller_things(before: str, after: str) -> None:
    assert formatted(before) == after


def test_long_brackets_stay_on_their_lines() -> None:
    text = "a:\n" + "  b: [" + ",\n      ".join(f"word-number-{number}" for number in range(12)) + "]\n"
    assert formatted(text) == text


@pytest.mark.parametrize("text", ["a: 1\rb: 2\n", "a: 'x\x85y'\n", "%YAML 1.1\n---\na: 1\n"])
def test_what_cannot_be_formatted_safely_is_refused(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        formatted(text)
    assert [finding.code for finding in caught.value.findings] == ["MLO114"]


def test_json_is_laid_out_as_json() -> None:
    assert formatted('{"a": [1, 1.0, "\\u00e9"], "b": {}}', "r.json") == (
        '{\n  "a": [\n    1,\n    1.0,\n    "é"\n  ],\n  "b": {}\n}\n'
    )


words = st.sampled_from(
    [
        "a",
        "b c",
        "#x",
        "x #y",
        "no",
        "1",
        "0.5",
        "",
        "it's",
        'say "x"',
        "\\d",
        "é",
        "a: b",
        "- a",
        "x\ny",
        "x\n\n",
    ]
)
documents = st.dictionaries(
    st.sampled_from(["a", "b", "rules", "x y", "#k"]),
    st.recursive(
        words | st.integers(-5, 5) | st.booleans() | st.none(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
        ),
        max_leaves=10,
    ),
    min_size=1,
    max_size=4,
)


def commented(text: str, places: list[tuple[int, int]]) -> str:
    """Put comments and blank lines between lines, and at the end of some."""
    lines = text.split("\n")
    for position, kind in places:
        at = position % len(lines)
        if kind < 7:
            lines.insert(at, " " * kind + f"# comment {position}")
        elif kind == 7:
            lines.insert(at, "")
        else:
            lines[at] += "   # beside"
    return "\n".join(lines)


@given(
    documents,
    st.sampled_from([None, False, True]),
    st.sampled_from([None, "'", '"']),
    st.integers(2, 5),
    st.sampled_from([30, 200]),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), max_size=6),
)
def test_meaning_and_comments_stay_and_a_second_time_changes_nothing(
    document: Any,
    flow: bool | None,
    quote: str | None,
    indent: int,
    width: int,
    places: list[tuple[int, int]],
) -> None:
    style: Any = quote
    text = yaml.safe_dump(
        document, default_flow_style=flow, default_style=style, indent=indent, width=width, allow_unicode=True
    )
    text = commented(text, places)
    try:
        before = values(text)
    except RecipeError:
        return  # tags of quoted numbers, traps, comments in the middle of a text
    after = formatted(text)
    assert values(after) == before
    assert formatted(after) == after
    assert all(line == line.rstrip() for line in after.split("\n")) or "|" in after or '"' in after

    def comments(written: str) -> list[str]:
        found = read_text(written)
        return sorted(comment.text for comment in (*found.comments, *found.inner_comments))

    assert comments(after) == comments(text)


def is_answered(text: str) -> None:
    """Formatted with the same values, or refused with findings; never another exception."""
    try:
        after = formatted(text)
    except RecipeError:
        return
    assert json.dumps(values(after)) == json.dumps(values(text))


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_answered(text: str) -> None:
    is_answered(text)
    is_answered(f"a:\n  - {text}\n")


PIECES = st.sampled_from(
    [
        *"#:-[]{},&*!|>'\"%@`?\t\n \r",
        "- ",
        ": ",
        " #c",
        "\n\n",
        "|+\n",
        ">2-\n",
        "&x ",
        "*x",
        "---\n",
        "\u2028",
    ]
)


@given(
    st.sampled_from([BEFORE, AFTER]),
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 9), PIECES), max_size=3),
)
def test_a_damaged_text_is_answered(text: str, damages: list[tuple[int, int, str]]) -> None:
    for start, length, piece in damages:
        text = text[:start] + piece + text[start + length :]
    is_answered(text)


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.name)
def test_examples_of_findings_are_formatted_or_refused_with_a_finding(code: Any) -> None:
    source = Source.of_text(code.example or "", "r.yaml")
    try:
        before = parse(source).value
    except RecipeError:
        before = None
    if before is None or code.reported_by == "mlopt recipe fmt":
        with pytest.raises(RecipeError, match="MLO1"):
            format_recipe(source)
        return
    assert json.dumps(values(format_recipe(source))) == json.dumps(before)
