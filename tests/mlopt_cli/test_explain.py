"""``mlopt explain``: words, topics, and what is none."""

import json
from pathlib import Path

import pytest

from mlopt_cli.main import main
from mlopt_engine import registry


def said(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["explain", *words]) == 0
    return capfd.readouterr().out


def test_a_code_is_told_with_its_example(capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "mlo120")
    assert text.startswith("MLO120 (code): A key is unknown.")
    assert "    prioritty: 3" in text


def test_topics_are_listed_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd)
    assert [line.split()[0] for line in text.splitlines()[:3]] == ["codes", "rules", "templates"]
    assert "next: mlopt explain TOPIC" in text


def test_a_topic_lists_all_its_words(capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "policies")
    assert [line.split()[0] for line in text.splitlines()] == [
        each["name"] for each in registry()["policies"]
    ]


def test_all_meanings_of_a_word_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "lru")
    assert "lru (policy): " in text
    assert "lru (recipe): " in text


def test_a_rule_of_a_given_recipe_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "train-images", "-r", "shuffled-images")
    assert "origin: shuffled-images, line " in text
    assert "file.path glob train/**" in text


def test_rules_of_layers_name_their_own_file(capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "pytorch_tensor_prefetch", "-r", "lru", "--framework", "pytorch")
    assert "origin: pytorch" in text
    assert "(framework)" in text


def test_a_path_is_explained_as_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "train" / "1.jpg"
    path.parent.mkdir()
    path.write_bytes(b"x" * 100)
    text = said(capfd, str(path), "-r", "shuffled-images", "--source", str(tmp_path))
    assert text.startswith("train/1.jpg is a file of 100 B")
    assert "Rule 'train-images' applies" in text


def test_a_word_wins_over_a_file_of_its_name_unless_a_slash_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").write_text("x")
    (tmp_path / "other").write_text("x")
    assert said(capfd, "cache").startswith("cache (action)")
    assert said(capfd, "./cache").startswith("cache is a file")
    assert said(capfd, "other").startswith("other is a file")


def test_what_is_no_file_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(tmp_path)]) == 2
    assert f"See 'mlopt test-rules {tmp_path}'" in capfd.readouterr().err
    assert main(["explain", f"{tmp_path}/x"]) == 2
    assert "no such file" in capfd.readouterr().err
    assert main(["explain", "cache", "--fact", "system.gpu_count=8"]) == 2
    assert "--source and --fact are for a file" in capfd.readouterr().err


def test_an_unknown_word_is_a_usage_error_with_a_suggestion(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "prefech"]) == 2
    assert "nothing is called so (got 'prefech'). Did you mean 'prefetch'?" in capfd.readouterr().err
    assert main(["explain", "qqqqqq", "--json"]) == 2
    error = json.loads(capfd.readouterr().out)["error"]
    assert (error["code"], error["value"]) == ("unknown-word", "'qqqqqq'")
    assert "Topics: codes, rules" in error["do"]


def test_a_broken_recipe_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "cache", "-r", "no-such-recipe"]) == 2
    assert "MLO100" in capfd.readouterr().err
