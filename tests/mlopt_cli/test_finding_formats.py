"""``mlopt validate --format``: each format's own rules, for the same findings."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mlopt_cli.finding_formats import github
from mlopt_cli.main import main
from recipes import Finding, Mark

BAD = """versoin: 1
name: bad
rules:
  - id: a
    conditions: [{type: file_context, property: path, value: b}]
    actions: [{type: cache, parameters: {polcy: lru, colour: blue}}]
"""
FOUND = {("MLO120", 1, 1), ("MLO120", 6, 42), ("MLO202", 6, 62), ("MLO210", 1, 1)}
# What SARIF 2.1.0 demands of the properties used here (sections 3.13 to 3.30 of the standard).
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
RULE = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string"},
        "shortDescription": TEXT,
        "fullDescription": TEXT,
        "help": TEXT,
        "defaultConfiguration": {"type": "object", "properties": {"level": LEVEL}},
    },
    "additionalProperties": False,
}
REGION = {
    "type": "object",
    "properties": {
        "startLine": {"type": "integer", "minimum": 1},
        "startColumn": {"type": "integer", "minimum": 1},
    },
    "additionalProperties": False,
}
PLACE = {
    "type": "object",
    "required": ["artifactLocation"],
    "properties": {
        "artifactLocation": {
            "type": "object",
            "properties": {"uri": {"type": "string", "pattern": "^[^ ]+$"}},
            "additionalProperties": False,
        },
        "region": REGION,
    },
    "additionalProperties": False,
}
RESULT = {
    "type": "object",
    "required": ["message"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": TEXT,
        "locations": {
            "type": "array",
            "items": {"type": "object", "properties": {"physicalLocation": PLACE}},
        },
    },
    "additionalProperties": False,
}
DRIVER = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "version": {"type": "string"},
        "rules": {"type": "array", "uniqueItems": True, "items": RULE},
    },
    "additionalProperties": False,
}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "properties": {
                    "tool": {"type": "object", "required": ["driver"], "properties": {"driver": DRIVER}},
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": RESULT},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}


@pytest.fixture
def bad(tmp_path: Path) -> str:
    path = tmp_path / "a b.yaml"
    path.write_text(BAD)
    return str(path)


def test_concise_is_one_line_each(bad: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", bad, "--format", "concise"]) == 2
    lines = capfd.readouterr().out.splitlines()
    heads = {(line.split()[2], *map(int, line.removeprefix(f"{bad}:").split(":")[:2])) for line in lines}
    assert heads == FOUND
    assert f"{bad}:1:1: MLO120 unknown key 'versoin'. Did you mean 'version'?" in lines


def test_json_is_the_envelope_of_all_commands(bad: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", bad, "--format", "json"]) == 2
    by_format = capfd.readouterr().out
    assert main(["validate", bad, "--json"]) == 2
    assert capfd.readouterr().out == by_format
    (entry,) = json.loads(by_format)["result"]["recipes"]
    assert {(each["code"], each["line"], each["column"]) for each in entry["findings"]} == FOUND


def test_github_shows_errors_and_warnings_at_their_place(bad: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", bad, "default", "--format", "github"]) == 2
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == len(FOUND)
    assert (
        f"::error file={bad},line=1,col=1,title=MLO120::unknown key 'versoin'. Did you mean 'version'?"
        in lines
    )
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 2 + ["::warning"] * 2


def test_github_escapes_what_would_end_the_command() -> None:
    finding = Finding("MLO100", "100% of\nit", "a,b:c.yaml", Mark(1, 2))
    assert list(github([finding])) == [
        "::error file=a%2Cb%3Ac.yaml,line=1,col=2,title=MLO100::100%25 of%0Ait"
    ]


def test_sarif_is_valid_and_names_every_rule_once(bad: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", bad, "no-such-recipe", "--format", "sarif"]) == 2
    log = json.loads(capfd.readouterr().out)
    Draft202012Validator(SARIF).validate(log)
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["MLO100", "MLO120", "MLO202", "MLO210"]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert places[0]["artifactLocation"]["uri"].endswith("/a%20b.yaml")
    assert places[-1] == {"artifactLocation": {"uri": "no-such-recipe"}}
    regions = [place["region"] for place in places if "region" in place]
    found = zip((result["ruleId"] for result in run["results"]), regions, strict=False)
    assert {(code, region["startLine"], region["startColumn"]) for code, region in found} == FOUND


def test_sarif_without_findings_is_an_empty_run(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "default", "--format", "sarif"]) == 0
    log = json.loads(capfd.readouterr().out)
    Draft202012Validator(SARIF).validate(log)
    assert log["runs"][0]["results"] == []


def test_json_and_another_format_contradict(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "default", "--json", "--format", "sarif"]) == 2
    assert json.loads(capfd.readouterr().out)["error"]["where"] == "--format"


def test_strict_reports_every_default_and_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        'version: "1"\nname: t\nrules:\n  - id: a\n    conditions:\n'
        "      - {type: file_context, property: extension, value: [.pt]}\n    actions: [{type: cache}]\n"
    )
    assert main(["validate", str(path)]) == 0
    assert f"{path}: ok, 1 rule\n" in capfd.readouterr().out
    assert main(["validate", str(path), "--strict", "--format", "concise"]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["MLO215", "MLO212", "MLO213", "MLO214"]
    assert "no operator: 'in' is taken" in lines[1]


def test_strict_still_names_every_error(bad: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", bad, "--strict", "--format", "concise"]) == 2
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == len(FOUND) + 4
