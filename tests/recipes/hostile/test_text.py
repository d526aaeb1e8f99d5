"""Hostile texts: bombs, nesting, aliases, the traps of YAML 1.1, encodings; each has its finding."""

import json
from pathlib import Path

import pytest

import recipes
from recipes import RecipeError

GOOD = b"""version: "1"
name: t
rules:
  - id: a
    conditions: [{type: file_context, property: path, operator: glob, value: "**"}]
    actions: [{type: cache, parameters: {policy: pinned}}]
"""


def answers(content: bytes, folder: Path, name: str = "r.yaml") -> list[recipes.Finding]:
    """What loading says, never another exception; each position lies in the text."""
    path = folder / name
    path.write_bytes(content)
    try:
        found = recipes.load(str(path)).warnings
    except RecipeError as error:
        found = error.findings
    lines = content.decode("utf-8", "replace").splitlines() or [""]
    for finding in found:
        assert finding.message
        assert str(finding)
        if finding.mark is not None:
            assert 1 <= finding.mark.line <= len(lines)
            assert finding.mark.column >= 1
    return list(found)


def is_refused(content: bytes, folder: Path, *codes: str, name: str = "r.yaml") -> None:
    found = [finding.code for finding in answers(content, folder, name) if finding.severity == "error"]
    assert found
    assert set(found) <= set(codes), found


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(20)
)
MAPS = "a: &a {k: 1}\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} {{{', '.join(f'{key}: *{chr(97 + n)}' for key in 'pqrstuvw')}}}\n"
    for n in range(20)
)
BOMBS = {
    "lists that expand to 10^21": LAUGHS,
    "mappings that expand to 8^20": MAPS,
    "an alias within its own anchor": "a: &a [*a]",
    "an alias within its own mapping": "a: &a {b: *a}",
    "two anchors in a circle": "a: &a [*b]\nb: &b [*a]",
    "an alias that comes before its anchor": "a: *b\nb: &b 1",
    "an alias without anchor": "rules: *nowhere",
    "an alias as the whole recipe": "*x",
    "an alias as a key": "a: &a b\n*a : 1",
    "an alias as a key of a flow": "a: &a b\nb: {*a : 1}",
}
DEEP = {
    f"{count:,} {name}": text * count
    for count in (65, 1_000, 100_000, 250_000)
    for name, text in {"brackets": "[", "braces": "{a: ", "dashes": "- ", "question marks": "? "}.items()
} | {
    "blocks": "\n".join(" " * depth + "a:" for depth in range(1_300)),
    "closed brackets": "a: " + "[" * 500 + "]" * 500,
    "brackets in a value": "rules: [{id: a, conditions: [{value: " + "[" * 5_000,
    "brackets within quotes that end": '"' + "[" * 1_000 + '": ' + "[" * 1_000,
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_aliases_are_counted_as_what_they_stand_for(text: str, tmp_path: Path) -> None:
    is_refused(text.encode(), tmp_path, "MLO103", "MLO106", "MLO122")


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP.keys())
def test_nesting_is_bounded_before_it_is_built(text: str, tmp_path: Path) -> None:
    is_refused(text.encode(), tmp_path, "MLO105", "MLO103", "MLO122")


TRAPS = {
    "truth": ("yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"),
    "octal": ("0755", "00", "-010", "0o17", "01_2"),
    "base 60": ("12:30", "1:2:3", "190:20:30", "-1:30"),
    "other bases": ("0xFF", "0b101", "0xdead_beef"),
    "underscores": ("1_000", "1_0.5", "10_000_000"),
}
NOT_FINITE = (".nan", ".NaN", ".NAN", ".inf", "-.inf", "+.INF", "1e400", "-1e999", "9" * 400 + ".0")
TOO_LARGE = ("18446744073709551616", "-9223372036854775809", "9" * 30, "9" * 5_000, "-" + "1" * 100_000)


@pytest.mark.parametrize("word", [word for words in TRAPS.values() for word in words])
def test_words_that_readers_disagree_on_are_refused(word: str, tmp_path: Path) -> None:
    is_refused(b"description: " + word.encode() + b"\n" + GOOD, tmp_path, "MLO111")


@pytest.mark.parametrize("word", ["no", "on", "0755", "12:30", "0x1F", "1_000"])
def test_the_same_words_as_keys_are_refused(word: str, tmp_path: Path) -> None:
    is_refused(GOOD + f"metadata: {{{word}: 1}}\n".encode(), tmp_path, "MLO111")


@pytest.mark.parametrize("number", NOT_FINITE, ids=lambda text: text[:12])
def test_numbers_that_are_none_are_refused(number: str, tmp_path: Path) -> None:
    is_refused(GOOD + f"metadata: {{a: {number}}}\n".encode(), tmp_path, "MLO112")


@pytest.mark.parametrize("number", TOO_LARGE, ids=lambda text: f"{len(text)} digits")
def test_numbers_beyond_64_bits_are_refused_before_they_are_converted(number: str, tmp_path: Path) -> None:
    is_refused(GOOD + f"settings: {{seed: {number}}}\n".encode(), tmp_path, "MLO112")


@pytest.mark.parametrize("date", ["2024-01-01", "2024-01-01T10:00:00Z", "2001-12-14t21:59:43.10-05:00"])
def test_a_date_stays_the_text_that_it_is(date: str, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(GOOD + f"metadata: {{when: {date}}}\n".encode())
    assert recipes.load(str(path)).document["metadata"] == {"when": date}


TAGS = [
    "!!python/object/apply:os.system [ls]",
    "!!python/name:os.system",
    "!!binary aGk=",
    "!!set {a}",
    "!x 1",
    "!!timestamp 2024-01-01",
    "!!int '7'",
    "!!str 7",
    "!!float .5",
    "!include other.yaml",
    "!<tag:x> 1",
    "!!map {}",
]


@pytest.mark.parametrize("tag", TAGS)
def test_tags_are_refused(tag: str, tmp_path: Path) -> None:
    is_refused(f"metadata: {{a: {tag}}}\n".encode() + GOOD, tmp_path, "MLO107", "MLO103")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {b: 1}\nc: {<<: *a}",
        "c: {<<: {b: 1}}",
        "c:\n  <<: [{a: 1}, {b: 2}]",
        "<<: {rules: []}",
        "a: &a {<<: *a}",
    ],
)
def test_merge_keys_are_refused(text: str, tmp_path: Path) -> None:
    is_refused(text.encode(), tmp_path, "MLO108", "MLO106")


@pytest.mark.parametrize(
    "text",
    [
        "version: '1'\nname: a\nname: b",
        "rules:\n  - {id: a, id: b}",
        "rules:\n  - id: a\n    conditions: [{type: a, property: b, value: 1, value: 2}]",
        "rules:\n  - id: a\n    actions: [{type: cache, parameters: {share: 0.1, share: 0.9}}]",
        "settings: {seed: 1, seed: 2}",
        "metadata: {'a': 1, \"a\": 2}",
        '{"name": "a", "name": "b"}',
        "metadata: {a: {b: {c: 1, c: 2}}}",
    ],
)
def test_keys_that_come_twice_are_refused(text: str, tmp_path: Path) -> None:
    found = [finding.code for finding in answers(text.encode(), tmp_path)]
    assert "MLO109" in found


ENCODINGS = {
    "UTF-16 little": "a: 1".encode("utf-16-le"),
    "UTF-16 with mark": "a: 1".encode("utf-16"),
    "UTF-32": "a: 1".encode("utf-32"),
    "Latin-1": "name: caf\xe9".encode("latin-1"),
    "Shift JIS": "name: \u8a13\u7df4".encode("shift-jis"),
    "a lone continuation byte": b"name: \x80",
    "an overlong slash": b"name: \xc0\xaf",
    "a surrogate": b"name: \xed\xa0\x80",
    "a torn end": "name: \u8a13".encode()[:-1],
    "a byte beyond Unicode": b"name: \xf5\x80\x80\x80",
    "NUL first": b"\0" + GOOD,
    "NUL within a key": b"na\0me: t",
    "NUL at the end": GOOD + b"\0",
    "nothing but NUL": b"\0" * 5_000,
    "a bell": b"name: a\x07b",
    "an escape": b"name: \x1b[2J",
    "a delete": b"name: a\x7fb",
    "a C1 control": "name: a\x9bb".encode(),
    "a vertical tab": b"name: a\x0bb",
    "gzip": bytes.fromhex("1f8b0800000000000003") + b"x" * 50,
    "a zip": b"PK\x03\x04" + bytes(range(256)),
    "an ELF": b"\x7fELF\x02\x01\x01\0",
    "a pickle": b"\x80\x04\x95\x00\x00.",
    "every byte": bytes(range(256)) * 10,
}


@pytest.mark.parametrize("content", ENCODINGS.values(), ids=ENCODINGS.keys())
def test_what_is_no_utf_8_text_is_refused(content: bytes, tmp_path: Path) -> None:
    is_refused(content, tmp_path, "MLO102")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: b"\xef\xbb\xbf" + text, id="a byte order mark"),
        pytest.param(lambda text: text.replace(b"\n", b"\r\n"), id="Windows line ends"),
        pytest.param(lambda text: text.rstrip(), id="no line end at the end"),
        pytest.param(lambda text: b"---\n" + text + b"...\n", id="document marks"),
        pytest.param(lambda text: b"# " + b"x" * 500_000 + b"\n" + text, id="half a megabyte of comment"),
        pytest.param(lambda text: text + b"\n" * 300_000, id="300,000 empty lines"),
    ],
)
def test_what_editors_do_to_a_recipe_does_not_matter(change: object, tmp_path: Path) -> None:
    assert callable(change)
    assert answers(change(GOOD), tmp_path) == []


SYNTAX = [
    "a: [1, 2",
    "a: {b: 1",
    "a: 'open",
    'a: "open',
    "a: b: c",
    "- a\nb: c",
    "a:\n - b\n c: d",
    "a: |\nb",
    "}",
    "]",
    "a: @x",
    "a: `x`",
    "a: %x",
    "? [a]\n: b",
    "{[a]: b}",
    "{{a: 1}: 2}",
    "a:\n\tb: 1",
    "\t",
    "%YAML 9.9\n---\na: 1",
    "%TAG ! x\n%TAG ! y\n---\na: 1",
    'a: "\\q"',
    "a: 'x' y",
    "a: [b, c]]",
    "&a &b c: 1",
    "a: !!str !!int 1",
    "--- a\n--- b",
    "a: 1\n---\nb: 2",
]


@pytest.mark.parametrize("text", SYNTAX, ids=[text[:20].replace("\n", "/") for text in SYNTAX])
def test_broken_yaml_is_refused(text: str, tmp_path: Path) -> None:
    is_refused(text.encode(), tmp_path, "MLO103", "MLO104", "MLO107", "MLO110", "MLO113", "MLO120", "MLO122")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\n",
        "# nothing",
        "---",
        "...",
        "null",
        "~",
        "---\n...\n",
        "''",
        "[]",
        "- a",
        "7",
        "text",
        "true",
        "3.5",
        '"quoted"',
    ],
)
def test_what_holds_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    is_refused(text.encode(), tmp_path, "MLO110", "MLO103")


JSON = [
    "{",
    '{"a": 1,}x',
    "{'a': NaN}",
    '{"rules": [NaN]}',
    '{"settings": {"seed": Infinity}}',
    '{"rules": {}}',
    "[]",
    '{"name": null, "rules": null}',
    '{"rules": [null]}',
    '{"rules": [[]]}',
    '{"rules": ["x"]}',
    "{} {}",
    '{"version": 1e400}',
    '{"rules": [{"id": 7}]}',
    '{"rules": "\\ud800"}',
]


@pytest.mark.parametrize("text", JSON)
def test_broken_json_is_refused(text: str, tmp_path: Path) -> None:
    found = answers(text.encode(), tmp_path, "r.json")
    assert any(finding.severity == "error" for finding in found)


def test_json_says_the_same_as_yaml(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(GOOD)
    first = recipes.load(str(tmp_path / "a.yaml"))
    (tmp_path / "a.json").write_text(json.dumps(first.document))
    second = recipes.load(str(tmp_path / "a.json"))
    assert second.document == first.document
    assert [rule["conditions"] for rule in second.rules] == [rule["conditions"] for rule in first.rules]


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "/dev/null",
        "../../../../../etc/passwd",
        "/proc/self/environ",
        "/",
        "..",
        ".",
        "./",
        "a/../..",
        "/proc/self/mem",
        "/dev/zero",
        "~root/x.yaml",
        "file:///etc/passwd",
        "https://example.org/r.yaml",
        "x\0y.yaml",
        "a" * 5_000 + ".yaml",
        "a" * 5_000,
        "x\0y",
        "\udcff.yaml",
        "-",
        "",
        " ",
        "default/../default",
        "rules/ancestor",
    ],
    ids=repr,
)
def test_names_that_are_no_recipe_are_refused(name: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        recipes.load(name)
    assert all(finding.code.startswith("MLO1") for finding in refusal.value.findings)


def test_a_file_of_100_megabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as stream:
        stream.write(GOOD)
        stream.truncate(100 << 20)
    with pytest.raises(RecipeError, match="larger than 1 MiB"):
        recipes.load(str(path))
