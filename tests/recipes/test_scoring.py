"""The engine's evaluator against a plain model of scoring, and against the ancestor's published scores."""

import fnmatch
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recipes
from mlopt_engine import Rules

# --- a plain model: three verdicts, weights, order, key-by-key winners ---

FILES = [(b"train/a.jpg", 10), (b"train/b.PNG", 3_000_000), (b"val/c.pth", 10), (b"x", 0)]
TESTS: dict[str, dict[str, Any]] = {
    "in train": {"fact": "file.path", "op": "glob", "value": "train/**"},
    "is small": {"fact": "file.size", "op": "less_than", "value": 1 << 20},
    "is jpg or png": {"fact": "file.extension", "op": "in", "value": ["JPG", ".png"]},
    "is model": {"fact": "file.type", "op": "equals", "value": "model"},
    "is sequential": {"fact": "access.pattern", "op": "equals", "value": "Sequential"},
    "on a GPU": {"fact": "system.gpu_count", "op": "greater_than", "value": 0},
}


def verdict(test: str, path: str, size: int, pattern: str | None) -> bool | None:
    if test == "is sequential":
        return None if pattern is None else pattern == "sequential"
    extension = path.rsplit(".", 1)[-1].lower() if "." in path else ""
    return {
        "in train": fnmatch.fnmatch(path, "train/*"),
        "is small": size < 1 << 20,
        "is jpg or png": extension in {"jpg", "png"},
        "is model": extension == "pth",
        "on a GPU": None,
    }[test]


def model_decide(
    plan: dict[str, Any], names: list[list[str]], path: str, size: int, pattern: str | None
) -> Any:
    fired = []
    for rule, tests in zip(plan["rules"], names, strict=True):
        verdicts = [verdict(test, path, size, pattern) for test in tests]
        weights = [condition["weight"] for condition in rule["conditions"]]
        total = held = 0.0
        for weight, outcome in zip(weights, verdicts, strict=True):
            total += weight
            held += weight if outcome is True else 0.0
        share = held / total if total > 0 else 0.0
        if rule["match"] == "weighted":
            threshold = rule.get("threshold", plan["threshold"])
            score, fires = share, share > threshold or share == 1.0
        elif rule["match"] == "all":
            fires = bool(verdicts) and all(outcome is True for outcome in verdicts)
            score = 1.0 if fires else share
        else:
            free = [
                outcome
                for condition, outcome in zip(rule["conditions"], verdicts, strict=True)
                if not condition["required"]
            ]
            fires = any(outcome is True for outcome in free or verdicts)
            score = 1.0 if fires else 0.0
        required = zip(rule["conditions"], verdicts, strict=True)
        fires = fires and all(outcome is True for condition, outcome in required if condition["required"])
        if fires:
            key = (-rule["priority"] * score, -rule["priority"], -score, rule["order"], rule["id"])
            fired.append((key, plan["rules"].index(rule), score))
    applied = [(index, score) for _, index, score in sorted(fired)[: plan["max_rules"]]]
    winners: dict[tuple[str, str], tuple[int, Any]] = {}
    for index, _ in applied:
        for action in plan["rules"][index]["actions"]:
            for key, value in action["parameters"].items():
                winners.setdefault((action["type"], key), (index, value))
    return applied, winners


weights = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.6, 0.8, 0.9, 1.0])


@st.composite
def plans(draw: st.DrawFn) -> tuple[dict[str, Any], list[list[str]]]:
    rules, names = [], []
    for order in range(draw(st.integers(1, 5))):
        tests = draw(st.lists(st.sampled_from(sorted(TESTS)), min_size=0, max_size=4))
        names.append(tests)
        parameters = draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "policy": st.sampled_from(["lru", "pinned", "fifo"]),
                    "share": st.sampled_from([0.1, 0.5]),
                    "lock": st.booleans(),
                },
            )
        )
        actions = [{"type": "cache", "parameters": parameters}]
        if draw(st.booleans()):
            ahead = draw(
                st.fixed_dictionaries({}, optional={"depth": st.integers(1, 9), "files": st.integers(1, 9)})
            )
            actions.append({"type": "prefetch", "parameters": ahead})
        rule = {
            "id": f"r{order}",
            "priority": draw(st.integers(0, 3)),
            "order": order,
            "match": draw(st.sampled_from(["weighted", "all", "any"])),
            "origin": {"layer": "custom", "file": "t", "line": 1},
            "conditions": [
                TESTS[test] | {"weight": draw(weights), "required": draw(st.booleans())} for test in tests
            ],
            "actions": actions,
        }
        if draw(st.booleans()):
            rule["threshold"] = draw(weights)
        rules.append(rule)
    memory = {"bytes": 1 << 20, "kernel_share": 1.0}
    return {
        "version": 1,
        "seed": 0,
        "block_bytes": 1 << 20,
        "observe": "none",
        "staleness_ns": 0,
        "threshold": draw(weights),
        "max_rules": draw(st.integers(1, 4)),
        "tiers": {"memory": memory, "disk": {"bytes": 0, "dir_required": False}},
        "rules": rules,
    }, names


@given(plans(), st.sampled_from(FILES), st.sampled_from([None, "sequential", "random"]))
def test_decide_agrees_with_the_model(
    made: tuple[dict[str, Any], list[list[str]]], file: tuple[bytes, int], pattern: str | None
) -> None:
    plan, names = made
    path, size = file
    rules = Rules(json.dumps(plan))
    live = json.dumps({"pattern": pattern, "frequency": None})
    decision = json.loads(rules.decide(path, size, live))
    applied, winners = model_decide(plan, names, path.decode(), size, pattern)
    assert [(each["rule"], each["score"]) for each in decision["applied"]] == applied
    assert {(each["action"], each["parameter"]): each["rule"] for each in decision["winners"]} == {
        key: index for key, (index, _) in winners.items()
    }
    for (kind, parameter), (_, value) in winners.items():
        assert decision[kind][parameter] == value
    types = {action["type"] for index, _ in applied for action in plan["rules"][index]["actions"]}
    assert (decision["cache"] is not None, decision["prefetch"] is not None) == (
        "cache" in types,
        "prefetch" in types,
    )
    explained = json.loads(rules.explain(path, size, live))
    assert explained["decision"] == decision
    for rule, tests in zip(explained["rules"], names, strict=True):
        words = {True: "true", False: "false", None: "unknown"}
        expected = [words[verdict(test, path.decode(), size, pattern)] for test in tests]
        assert [condition["verdict"] for condition in rule["conditions"]] == expected


# --- scores of the ancestor's rules when only the named condition holds ---


def rules_of(conditions: str, settings: str = "{}", rule: str = "") -> Rules:
    text = f"""version: "1"
name: t
settings: {settings}
rules:
  - id: a
    {rule}
    conditions: [{conditions}]
    actions: [{{type: cache}}]
"""
    return Rules(recipes.compile_plan(recipes.loads(text), memory_bytes=1 << 20).json)


@pytest.mark.parametrize(
    ("conditions", "path", "score", "printed"),
    [
        pytest.param(
            "{type: file_context, property: type, value: model, weight: 1.0},"
            "{type: file_context, property: size, operator: greater_than, value: 1GiB, weight: 0.9}",
            b"m.pth",
            1.0 / 1.9,
            "0.526",
            id="large model: type only",
        ),
        pytest.param(
            "{type: file_pattern, property: name_pattern, operator: matches,"
            " value: '\\.(csv|parquet|tfrecord|arrow)$', weight: 0.9},"
            "{type: access_pattern, property: batch_size, operator: greater_than, value: 10, weight: 0.8}",
            b"d.csv",
            0.9 / (0.9 + 0.8),
            "0.529",
            id="data set in batches: name only",
        ),
        pytest.param(
            "{type: file_context, property: extension, operator: in, value: ['.pth', '.pt'], weight: 1.0},"
            "{type: file_context, property: size, operator: greater_than, value: 1048576, weight: 0.8}",
            b"m.PT",
            1.0 / 1.8,
            "0.556",
            id="model caching: extension only",
        ),
        pytest.param(
            "{type: file_context, property: extension, value: jpg, weight: 1.0},"
            "{type: workload_context, property: batch_size, operator: less_equal, value: 8, weight: 0.7}",
            b"a.jpg",
            1.0 / 1.7,
            "0.588",
            id="inference: one of 1 and .7",
        ),
        pytest.param(
            "{type: file_context, property: extension, value: jpg, weight: 0.9},"
            "{type: system_context, property: gpu_count, operator: greater_than, value: 0, weight: 0.6}",
            b"a.jpg",
            0.9 / (0.9 + 0.6),
            "0.600",
            id="coordination: one of .9 and .6",
        ),
    ],
)
def test_scores_of_the_ancestor_come_out_exactly(
    conditions: str, path: bytes, score: float, printed: str
) -> None:
    rule = json.loads(rules_of(conditions).explain(path, 1000))["rules"][0]
    assert rule["score"] == score
    assert f"{rule['score']:.3f}" == printed
    assert rule["fires"]


JPG_OR_SMALL = (
    "{type: file_context, property: extension, value: jpg, weight: 0.5},"
    "{type: file_context, property: size, operator: less_than, value: 10, weight: 0.5}"
)


@pytest.mark.parametrize(
    ("settings", "rule", "size", "fires"),
    [
        pytest.param("{confidence_threshold: 0.5}", "", 10, False, id="a score of .5 does not exceed .5"),
        pytest.param("{confidence_threshold: 0.49}", "", 10, True, id="a score of .5 exceeds .49"),
        pytest.param("{confidence_threshold: 1.0}", "", 9, True, id="a full score fires at threshold 1"),
        pytest.param("{confidence_threshold: 0.9}", "threshold: 0.4", 10, True, id="the rule's own counts"),
        pytest.param("{confidence_threshold: 0.0}", "match: all", 10, False, id="all means all"),
        pytest.param("{confidence_threshold: 1.0}", "match: any", 10, True, id="any means one"),
    ],
)
def test_threshold_and_match(settings: str, rule: str, size: int, fires: bool) -> None:
    explained = json.loads(rules_of(JPG_OR_SMALL, settings, rule).explain(b"a.jpg", size))
    assert explained["rules"][0]["fires"] is fires
    assert (explained["decision"]["cache"] is not None) is fires


# --- operators by value ---


@pytest.mark.parametrize(
    ("condition", "path", "size", "expected"),
    [
        ("property: size, operator: equals, value: 1048576.0", b"a", 1 << 20, "true"),
        ("property: size, operator: equals, value: 1MiB", b"a", 1 << 20, "true"),
        ("property: size, operator: in, value: [1, 1KiB]", b"a", 1024, "true"),
        ("property: size, operator: not_in, value: [1, 2.5]", b"a", 2, "true"),
        ("property: size, operator: not_equals, value: 5", b"a", 5, "false"),
        ("property: size, operator: greater_than, value: 1.5", b"a", 2, "true"),
        ("property: size, operator: greater_equal, value: 2", b"a", 2, "true"),
        ("property: size, operator: less_than, value: 2", b"a", 2, "false"),
        ("property: size, operator: less_equal, value: 2.0", b"a", 2, "true"),
        ("property: size, operator: between, value: [1KiB, 2KiB]", b"a", 2048, "true"),
        ("property: path, operator: contains, value: rain", b"train/x", 0, "true"),
        ("property: path, operator: not_contains, value: rain", b"train/x", 0, "false"),
        ("property: path, operator: starts_with, value: train/", b"train/x", 0, "true"),
        ("property: path, operator: ends_with, value: .X", b"train/a.x", 0, "false"),
        ("property: name, operator: equals, value: x", b"train/x", 0, "true"),
        ("property: path, operator: matches, value: 'n/.$'", b"train/x", 0, "true"),
        ("property: path, operator: matches, value: '^t.*g$'", b"t\xff\xfe.jpg", 0, "true"),
        ("property: path, operator: glob, value: 't*.jpg'", b"t\xff\xfe.jpg", 0, "true"),
        ("property: extension, operator: ends_with, value: PG", b"a.JPG", 0, "true"),
        ("property: extension, operator: matches, value: '^JP'", b"a.jpg", 0, "true"),
        ("property: extension, operator: equals, value: ''", b"README", 0, "true"),
        ("property: mime_type, operator: exists, value: false", b"a", 0, "true"),
        ("property: mime_type, operator: not_equals, value: a", b"a", 0, "unknown"),
        ("property: path, operator: exists, value: true", b"a", 0, "true"),
    ],
)
def test_operators(condition: str, path: bytes, size: int, expected: str) -> None:
    rules = rules_of(f"{{type: file_context, {condition}}}")
    condition_report = json.loads(rules.explain(path, size))["rules"][0]["conditions"][0]
    assert condition_report["verdict"] == expected


# --- the ancestor's eight operators on each type of value: an outcome or a finding, never a silent false ---

SIZE, NAME = "file_context.size", "file_context.path"  # 8 and train/7.jpg
NUMBERS = {"8": 0, "8.0": 0, "7.5": 1, "9.5": -1}  # how 8 compares with each
TEXTS = {"train/7.jpg": True, "rain": False}  # equal to the path, and only within it


def verdict_of(about: str, operator: str, value: str) -> str:
    kind, name = about.split(".")
    condition = f"{{type: {kind}, property: {name}, operator: {operator}, value: {value}}}"
    try:
        rules = rules_of(condition)
    except recipes.RecipeError as refusal:
        (code,) = {finding.code for finding in refusal.findings}
        return code
    explained = json.loads(rules.explain(b"train/7.jpg", 8))
    return str(explained["rules"][0]["conditions"][0]["verdict"])


COMPARED: dict[str, Callable[[int], bool]] = {
    "equals": lambda sign: sign == 0,
    "greater_than": lambda sign: sign > 0,
    "less_than": lambda sign: sign < 0,
    "greater_equal": lambda sign: sign >= 0,
    "less_equal": lambda sign: sign <= 0,
}


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize("operator", COMPARED)
def test_numbers_compare_by_value_whether_int_or_float(operator: str, value: str) -> None:
    expected = "true" if COMPARED[operator](NUMBERS[value]) else "false"
    assert verdict_of(SIZE, operator, value) == expected
    assert verdict_of(SIZE, operator, f"'{value}'") == expected  # as a text, as JSON writers have it


@pytest.mark.parametrize("value", TEXTS)
def test_texts_are_equal_contained_or_matched(value: str) -> None:
    assert verdict_of(NAME, "equals", value) == ("true" if TEXTS[value] else "false")
    assert verdict_of(NAME, "contains", value) == "true"
    assert verdict_of(NAME, "matches", f"'^.{{0,9}}{value}'") == "true"
    assert verdict_of(NAME, "matches", f"'{value}x'") == "false"


def test_lists_hold_numbers_and_texts() -> None:
    for value, expected in (
        ("[7, 8]", "true"),
        ("[7, 8.0]", "true"),
        ("[7, '8']", "true"),
        ("[7.5]", "false"),
        ("[]", "false"),
    ):
        assert verdict_of(SIZE, "in", value) == expected
    assert verdict_of(NAME, "in", "[a, train/7.jpg]") == "true"
    assert verdict_of(NAME, "in", "[a, rain]") == "false"


@pytest.mark.parametrize(
    ("about", "operators", "value", "code"),
    [
        pytest.param(SIZE, ["contains", "matches"], "8", "MLO133", id="text operators on a number"),
        pytest.param(NAME, ["greater_than", "less_than", "greater_equal", "less_equal"], "8", "MLO133",
                     id="number operators on a text"),
        pytest.param(SIZE, [*COMPARED], "[7, 8]", "MLO136", id="a list where one number is compared"),
        pytest.param(NAME, ["equals", "contains"], "[a, b]", "MLO136", id="a list where one text is asked"),
        pytest.param(NAME, ["equals", "contains"], "8", "MLO136", id="a number where a text is compared"),
        pytest.param(NAME, ["matches"], "[a, b]", "MLO134", id="a list as regular expression"),
        pytest.param(SIZE, ["in"], "8", "MLO136", id="a number where a list is asked for"),
        pytest.param(NAME, ["in"], "rain", "MLO136", id="a text where a list is asked for"),
        pytest.param(SIZE, [*COMPARED], "much", "MLO124", id="a word where a number is compared"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_a_finding(
    about: str, operators: list[str], value: str, code: str
) -> None:
    assert {operator: verdict_of(about, operator, value) for operator in operators} == dict.fromkeys(
        operators, code
    )


def test_none_takes_a_weaker_rules_treatment_away() -> None:
    text = """version: "1"
name: t
rules:
  - id: not-logs
    priority: 9
    conditions: [{type: file_context, property: type, value: log}]
    actions: [{type: cache, parameters: {policy: none}}, {type: prefetch, parameters: {mode: none}}]
  - id: all
    conditions: [{type: file_context, property: path, operator: glob, value: "**"}]
    actions: [{type: cache, parameters: {policy: pinned}}, {type: prefetch, parameters: {mode: whole_file}}]
"""
    rules = Rules(recipes.compile_plan(recipes.loads(text), memory_bytes=1 << 20).json)
    log, other = (json.loads(rules.decide(path, 1)) for path in (b"a.log", b"a.jpg"))
    assert (log["cache"], log["prefetch"]) == (None, None)
    assert other["cache"]["policy"] == "pinned"
    assert not math.isnan(other["applied"][0]["score"])
