"""``mlopt plugins``: what people and programs see of plugins that work, and of those that do not."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlopt_cli.main import main

TORCH = b"PK\x03\x04" + bytes(22) + b"\x10\x00\x00\x00archive/data.pkl"
BROKEN = "class Plugin:\n    name = 'mine'\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution whose plugin lacks four methods."""
    monkeypatch.delenv("MLOPT_PLUGINS", raising=False)
    monkeypatch.delenv("MLOPT_NO_PLUGINS", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    folder = tmp_path / "site"
    info = folder / "broken_one-0.9.dist-info"
    info.mkdir(parents=True)
    (folder / "broken_one.py").write_text(BROKEN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-one\nVersion: 0.9\n")
    (info / "entry_points.txt").write_text("[mlopt.frameworks]\nmine = broken_one:Plugin\n")
    monkeypatch.syspath_prepend(str(folder))
    return folder


def ask(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["plugins", *words, "--json"])
    return code, json.loads(capfd.readouterr().out)


def test_plugins_lists_what_ships_and_what_others_bring(
    site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert site.exists()
    code, answer = ask(capfd, "list")
    assert code == 0
    rows = {row["name"]: row for row in answer["result"]["plugins"]}
    assert len(rows) == 8
    assert rows["pytorch"]["state"] == "built-in"
    assert (rows["mine"]["state"], rows["mine"]["origin"], rows["mine"]["version"]) == (
        "not loaded",
        "broken-one",
        "0.9",
    )
    assert main(["plugins"]) == 0
    shown = capfd.readouterr().out
    assert "broken-one 0.9" in shown
    assert "safetensors" in shown


def test_plugins_shows_a_broken_one_and_goes_on(site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert site.exists()
    code, answer = ask(capfd, "list", "--plugin", "mine")
    assert code == 0
    (mine,) = (row for row in answer["result"]["plugins"] if row["name"] == "mine")
    assert mine["state"] == "failed"
    assert "has no detect()" in mine["error"]


def test_plugins_check_says_no_with_the_reason(site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert site.exists()
    code, answer = ask(capfd, "check", "--plugin", "mine")
    assert (code, answer["result"]["unusable"]) == (1, 1)
    code, answer = ask(capfd, "check")
    assert (code, len(answer["result"]["plugins"])) == (0, 7)
    code, answer = ask(capfd, "check", "mine")
    assert code == 1
    assert answer["result"]["plugins"][0]["problems"] == ["is not loaded"]
    code, answer = ask(capfd, "check", "pytroch")
    assert code == 2
    assert answer["error"]["do"] == "Did you mean 'pytorch'?"


def test_no_plugins_wins_over_a_name(site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert site.exists()
    code, answer = ask(capfd, "list", "--plugin", "mine", "--no-plugins")
    assert code == 0
    assert answer["result"]["plugins"][-1]["state"] == "disabled"


def test_plugins_as_root_need_leave(
    site: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert site.exists()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    code, answer = ask(capfd, "list", "--plugin", "mine")
    assert code == 3
    assert "--allow-plugins-as-root" in answer["error"]["do"]
    assert ask(capfd, "list", "--plugin", "mine", "--allow-plugins-as-root")[0] == 0


def test_plugins_show_votes_and_asks_for_hints(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "weights.pth").write_bytes(TORCH)
    words = ("show", "--tree", str(tmp_path), "--fact", "workload.type=inference")
    code, answer = ask(capfd, *words)
    assert code == 0
    assert answer["result"]["detection"]["framework"] == "pytorch"
    (shown,) = answer["result"]["plugins"]
    (hint,) = shown["hints"]
    assert hint["type"] == "cache_strategy"
    rules = {rule["id"]: rule for rule in shown["rules"]}
    assert rules[hint["becomes"]]["actions"] == [{"type": "cache", "parameters": {"policy": "pinned"}}]
    assert rules["pytorch_model_caching"]["origin"]["file"] == "pytorch.yaml"
    assert main(["plugins", *words]) == 0
    text = capfd.readouterr().out
    assert "framework: pytorch" in text
    assert f"=> rule {hint['becomes']}" in text


def test_plugins_show_wants_a_name_or_a_tree(capfd: pytest.CaptureFixture[str]) -> None:
    code, answer = ask(capfd, "show")
    assert code == 2
    assert "pytorch" in answer["error"]["do"]
    code, answer = ask(capfd, "show", "jax", "--fact", "gpus")
    assert (code, answer["error"]["where"]) == (2, "--fact")
