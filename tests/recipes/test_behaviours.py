"""What the ancestor's own tests ask of its language, and its defects, as tests of this one."""

import json
from pathlib import Path

import pytest

import recipes
from mlopt_engine import Rules, detect
from recipes import RecipeError

DEFAULTS = Path(__file__).parent.parent / "data" / "upstream" / "defaults.yaml"
RULE = """rules:
  - id: a
    conditions: [{}]
    actions: [{{type: cache, target: file}}]
"""


def rules_of(text: str) -> Rules:
    return Rules(recipes.compile_plan(recipes.loads(text), memory_bytes=1 << 30).json)


@pytest.mark.parametrize(
    ("path", "size", "pattern"),
    [
        (b"m/model.pth", 2 << 30, "sequential"),
        (b"d/data.csv", 1 << 20, None),
        (b"d/a.tfrecord", 9, "sequential"),
    ],
)
def test_the_ancestors_rules_treat_models_and_data_sets(path: bytes, size: int, pattern: str | None) -> None:
    rules = Rules(recipes.compile_plan(recipes.load(str(DEFAULTS)), memory_bytes=1 << 30).json)
    live = json.dumps({"pattern": pattern, "frequency": None})
    decision = json.loads(rules.decide(path, size, live))
    assert decision["applied"]
    assert all(each["score"] >= 0.5 for each in decision["applied"])
    assert any(decision[kind] for kind in ("cache", "prefetch"))


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ("{type: file_pattern, property: extension, operator: equals, value: .pth}", "true"),
        ("{type: file_context, property: size, operator: greater_than, value: 1048576}", "true"),
        ("{type: access_pattern, property: pattern_type, operator: equals, value: Sequential}", "true"),
        ("{type: file_context, property: size, operator: in, value: [2097152.0]}", "true"),
        ("{type: workload_context, property: framework, operator: equals, value: tensorflow}", "unknown"),
    ],
)
def test_each_condition_is_seen_with_its_verdict(condition: str, verdict: str) -> None:
    live = json.dumps({"pattern": "sequential", "frequency": None})
    explained = json.loads(rules_of(RULE.format(condition)).explain(b"a.pth", 2 << 20, live))
    assert explained["rules"][0]["conditions"][0]["verdict"] == verdict


def test_five_equal_questions_have_one_answer() -> None:
    rules = Rules(recipes.compile_plan(recipes.load(str(DEFAULTS)), memory_bytes=1 << 30).json)
    assert len({rules.decide(b"m/model.pth", 2 << 30) for _ in range(5)}) == 1


def test_where_no_rule_matches_nothing_is_done() -> None:
    rules = rules_of(RULE.format("{type: file_context, property: extension, value: pth}"))
    decision = json.loads(rules.decide(b"notes.txt", 10))
    assert decision["applied"] == []
    assert not any(decision.get(kind) for kind in ("cache", "prefetch", "stream", "coordinate"))


def test_defaults_are_applied_before_checking() -> None:
    recipe = recipes.loads("version: '1'\nname: t\nsettings: {confidence_threshold: 0.7}\n")
    assert recipe.settings.max_concurrent_rules == 5


@pytest.mark.parametrize(
    "settings",
    ["memory_limit_mb: -5", "cpu_limit_percent: 900", "cpu_limit_percent: -1", "max_concurrent_rules: 0",
     "max_concurrent_rules: 1000000", "confidence_threshold: 1.5", "confidence_threshold: -0.1"],
)  # fmt: skip
def test_limits_that_mean_nothing_are_refused(settings: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        recipes.loads(f"version: '1'\nname: t\nsettings: {{{settings}}}\n")
    assert "MLO123" in {finding.code for finding in refusal.value.findings}


def test_rules_of_equal_strength_keep_the_order_of_the_file() -> None:
    line = (
        "  - {id: %s, conditions: [{type: file_context, property: path, operator: glob, value: '**'}],"
        " actions: [{type: cache, parameters: {policy: %s}}]}\n"
    )
    text = "rules:\n" + line % ("z", "pinned") + line % ("a", "lru")
    for _ in range(20):
        decision = json.loads(rules_of(text).decide(b"x", 1))
        assert [each["rule"] for each in decision["applied"]] == [0, 1]
        assert decision["cache"]["policy"] == "pinned"


def test_a_rule_of_priority_0_still_applies_and_all_its_actions_do() -> None:
    text = """rules:
  - id: a
    priority: 0
    conditions: [{type: file_context, property: type, value: model}]
    actions: [{type: cache, parameters: {policy: lru}}, {type: prefetch, parameters: {mode: whole_file}}]
"""
    decision = json.loads(rules_of(text).decide(b"a.pth", 1))
    assert decision["cache"]["policy"] == "lru"
    assert decision["prefetch"]["mode"] == "whole_file"


def test_contradicting_parameters_have_one_deterministic_outcome() -> None:
    def line(name: str, priority: int, window: str) -> str:
        condition = "{type: file_context, property: path, operator: glob, value: '**'}"
        action = f"{{type: prefetch, parameters: {{size: {window}}}}}"
        return f"  - {{id: {name}, priority: {priority}, conditions: [{condition}], actions: [{action}]}}\n"

    rules = rules_of("rules:\n" + line("weak", 1, "64KiB") + line("strong", 9, "8MiB"))
    assert json.loads(rules.decide(b"x", 1))["prefetch"]["window_bytes"] == 8 << 20


def test_what_is_mapped_is_never_dropped_behind_its_reader() -> None:
    text = RULE.format("{type: file_context, property: extension, value: safetensors}").replace(
        "{type: cache, target: file}", "{type: chunked_load, parameters: {memory_mapping: true}}"
    )
    (action,) = recipes.loads(text).rules[0]["actions"]
    assert (action["type"], action["parameters"]["drop_behind"]) == ("stream", False)


@pytest.mark.parametrize(
    ("path", "file_type"),
    [
        ("run/training.log", "log"),
        ("documents/readme.txt", "unknown"),
        ("configs/config.json", "config"),
        ("m/model.safetensors.index.json", "index"),
        ("m/MODEL.PT", "model"),
        ("m/model.pth", "model"),
        ("d/train.csv", "dataset"),
        ("configs/a.yaml", "config"),
        ("d/shard-00001.tar", "dataset"),
        ("weights/x.gguf", "model"),
        ("src/blog.py", "unknown"),
        ("testing/a.md", "unknown"),
        ("database/main.go", "unknown"),
        # a folder's word says nothing of a file: the ancestor took this for a data set
        ("datasets/train/file.bin", "unknown"),
    ],
)
def test_names_tell_the_type_and_folder_words_do_not(path: str, file_type: str) -> None:
    assert detect(path).type == file_type


def test_a_batch_size_that_is_known_brings_the_actions_of_its_rule() -> None:
    recipe = recipes.load(str(DEFAULTS))
    rules = Rules(recipes.compile_plan(recipe, memory_bytes=1 << 30).json)
    ids = [rule["id"] for rule in recipe.rules]
    decision = json.loads(rules.decide(b"d/a.csv", 1 << 20, None, json.dumps({"access.batch_size": 32})))
    scores = {ids[each["rule"]]: each["score"] for each in decision["applied"]}
    assert scores["dataset_batch_optimize"] == 1.0
    assert decision["prefetch"]["mode"] == "epoch_set"  # its shuffle buffer says that the order is not known
    assert decision["prefetch"]["depth"] == 4


def test_each_action_of_a_rule_has_a_type_and_its_parameters() -> None:
    for rule in recipes.load(str(DEFAULTS)).rules:
        assert rule["actions"]
        for action in rule["actions"]:
            assert action["type"] in {"cache", "prefetch", "stream", "coordinate", "compress", "prioritize"}
            assert isinstance(action["parameters"], dict)
