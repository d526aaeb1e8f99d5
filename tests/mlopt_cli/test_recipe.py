"""``mlopt recipe``: init, fmt, diff and schema as users run them."""

import io
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import recipes
from mlopt_cli.commands.recipe import VERBS
from mlopt_cli.main import main
from recipes.json_schema import SCHEMA_FILE

MESSY = "version: '1'\nname:   t  # mine\nrules: []\n"
NEAT = 'version: "1"\nname: t  # mine\nrules: []\n'


def said(capfd: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    assert main(["recipe", *words]) == code
    return capfd.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_with_examples_first(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    head, options = said(capfd, 0, verb, "--help").split("\nOptions:", 1)
    assert f"\n  mlopt recipe {verb}" in head
    assert "--json" in options
    assert "-------" not in head


def test_without_or_with_an_unknown_verb_it_is_a_usage_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe"]) == 2
    assert "See 'mlopt recipe --help'" in capfd.readouterr().err
    assert main(["recipe", "fmtt"]) == 2
    assert "fmtt" in capfd.readouterr().err


def test_fmt_replaces_the_file_and_keeps_mode_and_link(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    real, link = tmp_path / "real" / "r.yaml", tmp_path / "link.yaml"
    real.parent.mkdir()
    real.write_text(MESSY)
    real.chmod(0o640)
    link.symlink_to("real/r.yaml")
    assert said(capfd, 0, "fmt", str(link)) == f"{link}: formatted\n"
    assert link.readlink() == Path("real/r.yaml")
    assert real.read_text() == NEAT
    assert real.stat().st_mode & 0o777 == 0o640
    assert list(real.parent.iterdir()) == [real]
    assert said(capfd, 0, "fmt", str(link)) == f"{link}: unchanged\n"


def test_fmt_check_changes_nothing_and_says_what_would(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(MESSY)
    (tmp_path / "b.yml").write_text(NEAT)
    (tmp_path / "c.txt").write_text("no recipe")
    assert said(capfd, 1, "fmt", "--check", str(tmp_path)) == f"{tmp_path}/a.yaml: would change\n"
    assert (tmp_path / "a.yaml").read_text() == MESSY
    (tmp_path / "a.yaml").write_text(NEAT)
    assert said(capfd, 0, "fmt", "--check", str(tmp_path)) == ""


def test_fmt_writes_unix_line_ends_without_byte_order_mark(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + NEAT.replace("\n", "\r\n").encode())
    assert said(capfd, 0, "fmt", str(path)) == f"{path}: formatted\n"
    assert path.read_bytes() == NEAT.encode()


def test_fmt_names_what_is_broken_and_formats_the_rest(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken, messy = tmp_path / "a.yaml", tmp_path / "b.yaml"
    broken.write_text("a: [")
    messy.write_text(MESSY)
    text = said(capfd, 2, "fmt", str(broken), str(messy))
    assert f"error: {broken}:1:4: MLO103" in text
    assert f"{messy}: formatted" in text
    assert (broken.read_text(), messy.read_text()) == ("a: [", NEAT)


def test_fmt_reads_stdin_and_writes_stdout(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(MESSY.encode())))
    assert said(capfd, 0, "fmt", "-") == NEAT
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(MESSY.encode())))
    assert said(capfd, 1, "fmt", "-", "--check") == ""


def test_fmt_of_a_file_that_cannot_be_written_leaves_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(MESSY)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert main(["recipe", "fmt", str(path)]) == 2
    assert "No space left on device" in capfd.readouterr().err
    assert path.read_text() == MESSY
    assert list(tmp_path.iterdir()) == [path]


OLD = """version: "1"
name: t
settings: {staleness: 60s}
rules:
  - id: a
    priority: 1
    conditions:
      - {type: file_context, property: size, operator: less_than, value: 8MiB}
      - {type: file_context, property: path, operator: glob, value: "a/**"}
    actions: [{type: cache, parameters: {share: 0.5}}]
  - id: b
    conditions: [{type: file_context, property: path, operator: glob, value: "**"}]
    actions: [{type: cache}]
  - id: gone
    conditions: [{type: file_context, property: path, operator: glob, value: "**"}]
    actions: [{type: cache}]
"""
# The same but for: order of conditions, spelling of the size, and what the test names.
NEW = """version: "1"
name: t
author: me
settings: {staleness: 5s}
rules:
  - id: b
    conditions: [{type: file_context, property: path, operator: glob, value: "**"}]
    actions: [{type: cache}]
  - id: a
    priority: 2
    conditions:
      - {type: file_pattern, property: path, operator: glob, value: "a/**"}
      - {type: file_context, property: size, operator: less_than, value: 16777216}
    actions: [{type: cache, parameters: {share: 0.5, policy: lru}}, {type: prefetch}]
  - id: fresh
    conditions: [{type: file_context, property: path, operator: glob, value: "**"}]
    actions: [{type: cache}]
"""


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "new.yaml").write_text(NEW)
    return str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")


def test_diff_tells_meaning_key_by_key(two: tuple[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    assert said(capfd, 0, "diff", *two) == (
        "- rule gone\n"
        "+ rule fresh\n"
        "~ rule a\n"
        "    priority: 1 -> 2\n"
        "    conditions.file.size less_than.value: 8.0 MiB -> 16.0 MiB\n"
        "    + actions.cache.policy: lru\n"
        "    + actions.prefetch: {}\n"
        "~ order of the rules\n"
        "~ settings\n"
        "    staleness: 60s -> 5s\n"
        "~ recipe\n"
        "    + author: me\n"
    )


def test_diff_answers_by_exit_code_when_asked(
    two: tuple[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    same = tmp_path / "same.yaml"
    same.write_text("# other layout\n" + OLD.replace("8MiB", "8388608"))
    assert said(capfd, 1, "diff", *two, "--exit-code")
    assert said(capfd, 0, "diff", two[0], str(same), "--exit-code") == "no difference in meaning\n"
    assert main(["recipe", "diff", two[0], "no-such"]) == 2


def test_diff_as_json_is_in_base_units(two: tuple[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    result = json.loads(said(capfd, 0, "diff", *two, "--json"))["result"]
    assert (result["added"], result["removed"], result["is_reordered"]) == (["fresh"], ["gone"], True)
    assert {
        "key": "conditions.file.size less_than.value",
        "kind": "changed",
        "old": 8 << 20,
        "new": 16 << 20,
    } in result["changed"]["a"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "da ta"
    (folder / "train").mkdir(parents=True)
    for number in range(5):
        (folder / "train" / f"{number}.jpg").write_bytes(b"x" * 100)
    with (folder / "big.tar").open("wb") as stream:
        stream.truncate(9 << 20)
    (folder / "README").write_text("hello")
    return folder


def test_init_writes_a_recipe_without_findings_for_what_is_there(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.yaml"
    text = said(capfd, 0, "init", str(data), "-o", str(path))
    assert "keep-small-jpg: 5 files, 500 B" in text
    assert "stream-large-tar: 1 files, 9.0 MiB" in text
    assert "keep-small-others: 1 files, 5 B" in text
    assert f"next: mlopt test-rules '{data}' -r {path}" in text
    written = path.read_text()
    assert f"# yaml-language-server: $schema={SCHEMA_FILE}\n" in written
    assert "  # 5 files, 500 B: kept once read.\n  - id: keep-small-jpg\n" in written
    assert recipes.check(str(path), strict=True).findings == ()
    Draft202012Validator(json.loads(SCHEMA_FILE.read_text())).validate(recipes.load(str(path)).document)
    assert said(capfd, 0, "fmt", "--check", str(path)) == ""


def test_init_does_not_overwrite_without_force(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("mine")
    assert main(["recipe", "init", str(data), "-o", str(path)]) == 2
    assert "is there already" in capfd.readouterr().err
    assert path.read_text() == "mine"
    said(capfd, 0, "init", str(data), "-o", str(path), "--force")
    assert "keep-small-jpg" in path.read_text()


def test_init_of_an_empty_directory_and_to_stdout(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, 0, "init", str(tmp_path), "-o", "-")
    recipe = recipes.loads(text)
    assert [rule["id"] for rule in recipe.rules] == ["keep-small-others", "stream-large-others"]
    assert recipe.warnings == ()
    assert list(tmp_path.iterdir()) == []


def test_init_of_strange_names_is_still_a_recipe(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a: [b\n# c"
    folder.mkdir()
    for name in ("x.no", "y.'", "z.\n", "w.a:b", "v.1e5"):
        (folder / name).write_text("x")
    assert recipes.loads(said(capfd, 0, "init", str(folder), "-o", "-")).warnings == ()


def test_init_of_no_directory_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "init", str(tmp_path / "x"), "-o", str(tmp_path / "r.yaml")]) == 2
    assert "is no directory" in capfd.readouterr().err


def test_schema_prints_what_ships(capfd: pytest.CaptureFixture[str]) -> None:
    assert said(capfd, 0, "schema") == SCHEMA_FILE.read_text()
    assert said(capfd, 0, "schema", "--path") == f"{SCHEMA_FILE}\n"
