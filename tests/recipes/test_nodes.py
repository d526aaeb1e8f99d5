"""Bad YAML gets a code, a position and a remedy; good YAML gets plain values that know their place."""

from pathlib import Path

import pytest

from recipes.findings import Mark, RecipeError
from recipes.nodes import MAX_DEPTH, MAX_NODES, parse
from recipes.source import MAX_BYTES, Source


def codes(text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse(Source.of_text(text, "f.yaml"))
    return [finding.code for finding in caught.value.findings]


def first(text: str) -> tuple[str, Mark | None]:
    with pytest.raises(RecipeError) as caught:
        parse(Source.of_text(text, "f.yaml"))
    return caught.value.findings[0].code, caught.value.findings[0].mark


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        pytest.param("[" * 200_000, "MLO105", 1, MAX_DEPTH + 2, id="200,000 nested brackets"),
        pytest.param("{a: " * 200_000, "MLO105", 1, 4 * (MAX_DEPTH + 1) + 1, id="200,000 nested braces"),
        pytest.param("a:\n" + "- " * 200_000 + "x", "MLO105", 2, 2 * MAX_DEPTH + 1, id="200,000 dashes"),
        pytest.param(BOMB, "MLO106", 5, 29, id="aliases that expand to a billion"),
        pytest.param("a: &a [*a]", "MLO106", 1, 8, id="an alias inside its own anchor"),
        pytest.param("a: *b", "MLO106", 1, 4, id="an alias without anchor"),
        pytest.param("a:\n\tb: 1", "MLO104", 2, 1, id="a tab for indentation"),
        pytest.param("a: 1\nb: 2\na: 3", "MLO109", 3, 1, id="a key twice"),
        pytest.param("a:\n  <<: {b: 1}", "MLO108", 2, 3, id="a merge key"),
        pytest.param("a: !!python/object:os.system {}", "MLO107", 1, 4, id="a tag"),
        pytest.param("a: [1, 2\nb: 3", "MLO103", 2, 2, id="a bracket left open"),
        pytest.param("a: b: c", "MLO103", 1, 5, id="two colons"),
        pytest.param("a: \x01", "MLO102", 1, 4, id="a control character"),
        pytest.param("- a", "MLO110", 1, 1, id="a list on top"),
        pytest.param("hello", "MLO110", 1, 1, id="a bare word on top"),
        pytest.param("a: 1\n---\nb: 2", "MLO113", 2, 1, id="two documents"),
        pytest.param("? [a]\n: 1", "MLO122", 1, 3, id="a list as a key"),
        pytest.param("a: .nan", "MLO112", 1, 4, id="not a number"),
        pytest.param("a: -.inf", "MLO112", 1, 4, id="infinity"),
        pytest.param("a: 1e999", "MLO112", 1, 4, id="infinity by size"),
        pytest.param("a: " + "9" * 100_000, "MLO112", 1, 4, id="100,000 digits"),
        pytest.param("a: no", "MLO111", 1, 4, id="the Norway problem"),
        pytest.param("on: 1", "MLO111", 1, 1, id="a key that is a truth value"),
        pytest.param("a: 0755", "MLO111", 1, 4, id="an octal number"),
        pytest.param("a: 12:30", "MLO111", 1, 4, id="a number to base 60"),
        pytest.param("a: 1_000", "MLO111", 1, 4, id="a number with underscores"),
    ],
)
def test_parse_refuses_with_position(text: str, code: str, line: int, column: int) -> None:
    assert first(text) == (code, Mark(line, column))


@pytest.mark.parametrize("text", ["", "# only a comment\n", "null", "---\n...\n"])
def test_parse_says_that_a_recipe_is_empty(text: str) -> None:
    assert codes(text) == ["MLO110"]


def test_parse_reports_all_findings_at_once() -> None:
    assert codes("a: 1\na: 2\nb: no\nc: .nan") == ["MLO109", "MLO111", "MLO112"]


def test_parse_reads_plain_values_as_they_are_written() -> None:
    text = 'a: 1\nb: -2.5\nc: 1e3\nd: true\ne: ~\nf: "no"\ng: 2024-01-01\nh: 1.2.3\ni: |\n  x\n'
    document = parse(Source.of_text(text, "f.yaml"))
    assert document.value == {
        "a": 1,
        "b": -2.5,
        "c": 1000.0,
        "d": True,
        "e": None,
        "f": "no",
        "g": "2024-01-01",
        "h": "1.2.3",
        "i": "x\n",
    }
    assert type(document.value["a"]) is int


def test_parse_keeps_positions_of_keys_and_values() -> None:
    document = parse(Source.of_text("a:\n  - {b: 1, c: 2}\n", "f.yaml"))
    assert document.mark(("a", 0, "c")) == Mark(2, 15)
    assert document.mark(("a", 0, "c"), key=True) == Mark(2, 12)
    assert document.mark(("a", 0, "missing")) == Mark(2, 5)


def test_parse_expands_aliases_within_the_cap() -> None:
    document = parse(Source.of_text("a: &x {b: 1}\nc: [*x, *x]", "f.yaml"))
    assert document.value["c"] == [{"b": 1}, {"b": 1}]
    many = f"a: &x {list(range(20))}\nb: [" + ", ".join(["*x"] * (MAX_NODES // 20)) + "]"
    assert codes(many) == ["MLO106"]


@pytest.mark.parametrize(
    ("content", "code", "mark"),
    [
        pytest.param(b"a: 1\nb: \xff", "MLO102", Mark(2, 4), id="not UTF-8"),
        pytest.param("a: 1".encode("utf-16"), "MLO102", Mark(1, 1), id="UTF-16"),
        pytest.param(b"a: 1\nb\x00: 2", "MLO102", Mark(2, 2), id="a NUL byte"),
        pytest.param(b"#" * (MAX_BYTES + 1), "MLO101", None, id="larger than 1 MiB"),
    ],
)
def test_source_refuses_what_is_no_text(tmp_path: Path, content: bytes, code: str, mark: Mark | None) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        Source.read(path, "r.yaml")
    assert (caught.value.findings[0].code, caught.value.findings[0].mark) == (code, mark)


def test_source_takes_a_byte_order_mark_and_foreign_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert parse(Source.read(path, "r.yaml")).value == {"a": 1, "b": 2}


def test_carets_stay_under_the_value_in_long_lines() -> None:
    with pytest.raises(RecipeError) as caught:
        parse(Source.of_text("a: [" + "x, " * 1000 + "no]", "f.yaml"))
    _, shown, caret = str(caught.value).split("\n")
    assert shown[caret.index("^") :].startswith("no]")
    assert len(shown) < 120
