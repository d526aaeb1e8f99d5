"""The example of a plugin in a package of its own: installed as a wheel, found by its entry point."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from example_wheel import install

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom-framework"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the example by pip into a folder of its own, and put that on the path."""
    folder = tmp_path_factory.mktemp("installed")
    target = folder / "site"
    install(EXAMPLE, target)
    assert (target / "mlopt_shardpack" / "rules.yaml").exists()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLOPT_")}
    return clean | {"PYTHONPATH": str(target), "PYTHONDONTWRITEBYTECODE": "1"}


def mlopt(environment: dict[str, str], *words: str, command: str = "plugins") -> tuple[int, dict[str, Any]]:
    leave = ["--allow-plugins-as-root"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [sys.executable, "-m", "mlopt_cli.main", command, *words, *leave, "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_it_is_found_by_its_entry_point_and_not_loaded(environment: dict[str, str]) -> None:
    code, answer = mlopt(environment, "list")
    assert code == 0
    (row,) = (row for row in answer["result"]["plugins"] if row["name"] == "shardpack")
    assert row == {
        "name": "shardpack",
        "origin": "mlopt-shardpack",
        "version": "1.0.0",
        "location": "mlopt_shardpack.plugin:Shardpack",
        "state": "not loaded",
        "error": None,
    }


def test_it_is_loaded_when_named_and_keeps_to_the_interface(environment: dict[str, str]) -> None:
    code, answer = mlopt(environment, "check", "--plugin", "shardpack")
    (row,) = (row for row in answer["result"]["plugins"] if row["name"] == "shardpack")
    assert (row["state"], row["problems"], code) == ("loaded", [], 0)
    code, answer = mlopt(environment | {"MLOPT_PLUGINS": "shardpack"}, "check", "shardpack")
    assert (code, answer["result"]["plugins"][0]["usable"]) == (0, True)


def test_its_files_rules_and_hints_are_shown(environment: dict[str, str], tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"train-{number}.spk").write_bytes(b"SPK1" + bytes(100))
    words = ("--plugin", "shardpack", "--tree", str(tmp_path), "--fact", "system.gpu_count=8")
    code, answer = mlopt(environment, "show", *words)
    assert code == 0
    assert answer["result"]["detection"]["framework"] == "shardpack"
    (shown,) = answer["result"]["plugins"]
    rules = {rule["id"]: rule["origin"] for rule in shown["rules"]}
    assert rules["shardpack_shard_streaming"] == {"layer": "framework", "file": "rules.yaml", "line": 8}
    becomes = {hint["type"]: (hint["becomes"] in rules, hint["advisory"]) for hint in shown["hints"]}
    assert becomes["distributed_coordination"] == (True, None)
    assert becomes["training_optimization"][0] is False
    assert becomes["training_optimization"][1]


def test_its_rules_treat_the_files_of_a_tree_that_it_won(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "train-0.spk").write_bytes(b"SPK1" + bytes(100))
    words = (str(tmp_path), "-r", "lru", "--framework", "auto")
    code, answer = mlopt(environment, *words, "--plugin", "shardpack", command="test-rules")
    assert code == 0
    (file,) = answer["result"]["files"]
    applied = [rule["id"] for rule in file["rules"] if rule["applied"]]
    assert "shardpack_shard_streaming" in applied
    assert file["action"]["prefetch"]["mode"] == "sequential"
    assert file["origin"]["prefetch.mode"] == "shardpack_shard_streaming"
    code, answer = mlopt(environment, *words, "--no-plugins", command="test-rules")
    assert [warning["code"] for warning in answer["warnings"]] == ["MLO245"]


def test_its_own_tests_pass(environment: dict[str, str], tmp_path: Path) -> None:
    words = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(EXAMPLE),
        str(EXAMPLE / "tests"),
    ]
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=120, env=environment, cwd=tmp_path,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("command", ["test-rules", "config"])
def test_its_hints_are_told_the_facts_of_the_machine(
    environment: dict[str, str], tmp_path: Path, command: str
) -> None:
    tree = tmp_path / "data"
    tree.mkdir()
    for number in range(6):
        (tree / f"train-{number}.spk").write_bytes(b"SPK1" + bytes(5000))
    words = ["--framework", "auto", "--plugin", "shardpack"]
    words = [str(tree), *words] if command == "test-rules" else ["show", "--source", str(tree), *words]
    found = {}
    for count in (1, 8):
        code, answer = mlopt(environment, *words, "--fact", f"system.gpu_count={count}", command=command)
        assert code == 0
        # of its two hints one becomes a rule with an advisory scope, the other comes to nothing
        found[count] = {"MLO202", "MLO261"} <= {warning["code"] for warning in answer["warnings"]}
    assert found == {1: False, 8: True}
