"""``mlopt config`` and the options of layers, as processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BASE = """\
version: "1"
name: base
settings: {confidence_threshold: 0.6}
rules:
  - id: keep
    priority: 5
    conditions: [{type: file_context, property: size, operator: less_than, value: 8MiB}]
    actions: [{type: cache, parameters: {policy: lru}}]
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlopt_cli.main", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "configs"
    for name, text in {
        "default/base.yaml": BASE,
        "environments/production.yaml": BASE.replace("name: base", "name: production")
        .replace("0.6", "0.7")
        .replace("lru", "fifo"),
    }.items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(text)
    return root


def test_show_names_layer_file_and_line_of_each_value(folder: Path) -> None:
    done = run("config", "show", "--config-dir", str(folder), "--environment", "production",
               "--set", "seed=7", "--origin", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    values = {row["key"]: row for row in json.loads(done.stdout)["result"]["values"]}
    assert values["settings.confidence_threshold"]["value"] == 0.7
    assert values["settings.confidence_threshold"]["origin"] == {
        "layer": "environment",
        "file": f"{folder}/environments/production.yaml",
        "line": 3,
    }
    assert values["settings.confidence_threshold"]["replaced"][0]["layer"] == "built-in"
    assert values["settings.seed"]["origin"] == {"layer": "flags", "file": "--set", "line": 1}
    assert values["rules.keep"]["applies"] is True
    assert values["settings.block_size"]["origin"]["layer"] == "default"


def test_show_is_a_table_for_people(folder: Path) -> None:
    done = run("config", "show", "--config-dir", str(folder), "--origin")
    assert "1 rule applies" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("settings.confidence_threshold")]
    assert line.split()[1:4] == ["0.6", "built-in", f"{folder}/default/base.yaml:3"]


def test_validate_checks_every_file_of_every_layer(folder: Path) -> None:
    done = run("config", "validate", "--config-dir", str(folder))
    assert (done.returncode, done.stdout.strip()) == (0, "ok, 1 rule applies")
    (folder / "environments/production.yaml").write_text("settings: {debgu: true}\n")
    done = run("config", "validate", "--config-dir", str(folder))
    assert done.returncode == 2
    assert f"{folder}/environments/production.yaml:1:12: MLO120 unknown key 'debgu'" in done.stdout
    assert "Traceback" not in done.stderr


def test_test_rules_follows_the_layers(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.bin").write_bytes(b"x")

    def policy(*words: str) -> str:
        done = run("test-rules", str(tmp_path / "data"), "--config-dir", str(folder), *words, "--json")
        assert done.returncode == 0, done.stdout
        (entry,) = json.loads(done.stdout)["result"]["files"]
        return str(entry["action"]["cache"]["policy"])

    assert policy() == "lru"
    assert policy("--environment", "production") == "fifo"


def test_an_unknown_environment_is_an_error_with_a_suggestion(folder: Path) -> None:
    done = run("test-rules", str(folder), "--config-dir", str(folder), "--environment", "prodction")
    assert done.returncode == 2
    assert "Did you mean 'production'?" in done.stderr


@pytest.mark.parametrize("command", ["simulate", "learn", "test-rules", "mount", "run", "verify", "config"])
def test_every_command_with_a_recipe_knows_the_layers(command: str) -> None:
    told = run(command, "--help").stdout
    for option in ("--config-dir", "--framework", "--environment", "--hardware", "--template", "--set"):
        assert option in told
