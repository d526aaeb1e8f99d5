"""``mlopt validate`` as a process."""

import json
import subprocess
import sys
from pathlib import Path


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlopt_cli.main", "validate", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_validate_accepts_shipped_recipes() -> None:
    done = run("default", "shuffled-images")
    assert done.returncode == 0
    assert "default: ok, 4 rules" in done.stdout


def test_validate_prints_every_finding_with_a_caret(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("versoin: 1\nrules:\n  - id: a\n    priority: high\n")
    done = run(str(path), "default")
    assert done.returncode == 2
    assert (
        f"{path}:1:1: MLO120 unknown key 'versoin'. Did you mean 'version'?\n    versoin: 1\n    ^"
        in done.stdout
    )
    assert f"{path}:4:15: MLO122" in done.stdout
    assert "default: ok" in done.stdout
    assert "Traceback" not in done.stderr


def test_validate_gives_findings_as_json(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("a: [")
    done = run(str(path), "--json")
    assert done.returncode == 2
    (entry,) = json.loads(done.stdout)["result"]["recipes"]
    assert entry["valid"] is False
    assert [(finding["code"], finding["line"]) for finding in entry["findings"]] == [("MLO103", 1)]


def test_validate_survives_200_000_brackets(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("rules: " + "[" * 200_000)
    done = run(str(path))
    assert done.returncode == 2
    assert "MLO105" in done.stdout
