"""``mlopt explain``: words, topics, and what is none."""

import json

import pytest

from mlopt_cli.main import main


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
    assert [line.split()[0] for line in text.splitlines()] == ["belady", "fifo", "lru", "pinned"]


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
