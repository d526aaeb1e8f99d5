"""Plans are canonical, complete and accepted by the engine; recipes survive being written."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recipes
from mlopt_engine import Rules, registry
from recipes import RecipeError
from recipes.actions import ACTIONS
from recipes.vocabulary import CONDITION_TYPES, vocabulary

MEMORY = 1 << 30


def recipe_with(*actions: str, settings: str = "{}") -> recipes.Recipe:
    rules = "".join(
        f"""
  - id: r{number}
    conditions: [{{type: file_context, property: path, operator: glob, value: "**"}}]
    actions: [{action}]"""
        for number, action in enumerate(actions)
    )
    return recipes.loads(f'version: "1"\nname: t\nsettings: {settings}\nrules:{rules}\n')


@pytest.mark.parametrize("name", recipes.shipped())
def test_shipped_recipes_load_without_a_finding_and_compile(name: str) -> None:
    recipe = recipes.load(name)
    plan = recipes.compile_plan(recipe, memory_bytes=MEMORY)
    assert plan.warnings == []
    assert json.loads(Rules(plan.json).decide(b"train/a/1.jpg", 100_000))["applied"]
    assert recipe.name == name
    assert recipe.model.description


def test_default_keeps_small_files_and_streams_large_ones() -> None:
    rules = Rules(recipes.compile_plan(recipes.load("default"), memory_bytes=MEMORY).json)
    small, large = (json.loads(rules.decide(b"a.jpg", size)) for size in (100_000, 300 << 20))
    assert (small["cache"]["policy"], small["prefetch"]) == ("pinned", None)
    assert (large["cache"], large["prefetch"], large["stream"]["streams"]) == (None, None, 32)
    table = json.loads(rules.decide(b"a.parquet", 300 << 20))
    assert (table["cache"]["policy"], table["prefetch"], table["stream"]) == ("pinned", None, None)


def test_plan_of_the_normative_example() -> None:
    plan = json.loads(recipes.compile_plan(recipes.load("shuffled-images"), memory_bytes=MEMORY).json)
    assert plan["observe"] == "none"
    assert plan["tiers"]["memory"] == {"bytes": MEMORY, "kernel_share": 0.8}
    (rule,) = plan["rules"]
    assert rule["conditions"][1]["value"] == 1 << 20
    assert rule["actions"] == [
        {
            "type": "cache",
            "parameters": {"tier": "memory", "policy": "pinned", "share": 0.6, "immutable": True},
        },
        {"type": "prefetch", "parameters": {"mode": "epoch_set", "share": 0.2}},
    ]
    assert rule["origin"]["layer"] == "built-in"


def test_plan_is_canonical_and_its_hash_is_the_recipes_identity(tmp_path: Path) -> None:
    text = recipes.dump(recipes.load("default").document, "copied")
    plans = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "r.yaml"
        path.write_text(text)
        plans.append(recipes.compile_plan(recipes.load(str(path)), memory_bytes=MEMORY))
    assert plans[0].json == plans[1].json
    assert plans[0].sha256 == plans[1].sha256
    assert plans[0].json == json.dumps(json.loads(plans[0].json), sort_keys=True, separators=(",", ":"))
    other = recipes.compile_plan(recipes.load("default"), memory_bytes=2 * MEMORY)
    assert other.sha256 != plans[0].sha256


@pytest.mark.parametrize(
    ("actions", "share"),
    [
        pytest.param(["{type: cache, parameters: {policy: pinned}}"], 1.0, id="pinned lives in the kernel"),
        pytest.param(["{type: cache, parameters: {policy: lru}}"], 0.0, id="lru lives with the daemon"),
        pytest.param(["{type: cache}"], 0.0, id="lru is the default"),
        pytest.param(["{type: prefetch, parameters: {share: 0.3}}"], 0.0, id="staging alone"),
        pytest.param(
            ["{type: cache, parameters: {policy: fifo, share: 0.5}}, {type: prefetch}"],
            0.9,
            id="what is left over goes to the kernel",
        ),
        pytest.param(
            [
                "{type: cache, parameters: {policy: pinned, share: 1.0}}",
                "{type: cache, parameters: {policy: lru, share: 1.0}}",
            ],
            0.5,
            id="two that want everything share",
        ),
        pytest.param(["{type: cache, parameters: {policy: none}}"], 0.0, id="none needs nothing"),
    ],
)
def test_kernel_share_follows_from_what_the_rules_need(actions: list[str], share: float) -> None:
    plan = json.loads(recipes.compile_plan(recipe_with(*actions), memory_bytes=MEMORY).json)
    assert plan["tiers"]["memory"]["kernel_share"] == share


def test_opens_are_observed_only_where_a_prefetch_starts_at_the_open() -> None:
    plan = recipes.compile_plan(
        recipe_with("{type: prefetch, parameters: {mode: whole_file, trigger: open}}"), memory_bytes=MEMORY
    )
    assert json.loads(plan.json)["observe"] == "opens"
    assert [warning["code"] for warning in plan.warnings] == ["MLO206"]
    assert "'r0'" in plan.warnings[0]["message"]


def test_settings_reach_the_plan_in_base_units() -> None:
    settings = (
        "{staleness: 5ms, block_size: 64KiB, seed: 7, confidence_threshold: 0.25, max_concurrent_rules: 2}"
    )
    plan = json.loads(
        recipes.compile_plan(recipe_with("{type: cache}", settings=settings), memory_bytes=MEMORY).json
    )
    assert (plan["staleness_ns"], plan["block_bytes"], plan["seed"]) == (5_000_000, 65536, 7)
    assert (plan["threshold"], plan["max_rules"]) == (0.25, 2)
    immutable = recipe_with("{type: cache}", settings="{staleness: immutable}")
    assert json.loads(recipes.compile_plan(immutable, memory_bytes=1).json)["staleness_ns"] == (1 << 64) - 1


def test_load_names_what_was_probably_meant_and_takes_files(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="Did you mean 'default'"):
        recipes.load("defualt")
    with pytest.raises(RecipeError, match="no such recipe"):
        recipes.load(str(tmp_path / "none.yaml"))
    with pytest.raises(RecipeError, match="is a directory"):
        recipes.load(str(tmp_path))
    path = tmp_path / "lru.json"
    path.write_text(json.dumps(recipes.load("lru").document))
    assert recipes.load(str(path)).layer == "custom"


texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20) | st.sampled_from(
    [
        "no",
        "1e3",
        "0755",
        "12:30",
        "1_000",
        "~",
        "null",
        ".nan",
        "- a",
        "a: b",
        "#",
        "<<",
        "*x",
        "2024-01-01",
        "-",
    ]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(texts, values, max_size=4), texts)
def test_dump_reads_back_to_the_same_values(metadata: dict[str, object], description: str) -> None:
    document = recipes.load("default").document | {"metadata": metadata, "description": description}
    again = recipes.loads(recipes.dump(document, "tuned\nfor a test"))
    assert again.document == document
    assert recipes.dump(again.document, "tuned\nfor a test") == recipes.dump(document, "tuned\nfor a test")


def test_every_fact_of_the_engine_can_be_asked_for_and_every_property_has_a_fact() -> None:
    reached = {fact for properties in CONDITION_TYPES.values() for fact in properties.values()}
    assert reached == set(vocabulary().facts)
    comparisons = {"greater_than", "less_than", "greater_equal", "less_equal"}
    assert comparisons | {"equals", "contains", "matches", "in", "glob"} <= set(vocabulary().operators)


def test_the_actions_are_those_of_the_engine_and_each_default_is_one_that_recipes_may_write() -> None:
    listed = registry()["actions"]
    assert [entry["name"] for entry in listed] == list(ACTIONS)
    for entry in listed:
        action = ACTIONS[entry["name"]]
        written = {
            each["name"]: each["default"] / 1e9 if each["kind"] == "duration" else each["default"]
            for each in entry["parameters"]
            if each["default"] is not None
        }
        assert written, entry["name"]
        assert action.parameters.model_validate(written).model_dump(exclude_none=True)


@pytest.mark.parametrize("action", list(ACTIONS))
def test_every_parameter_of_an_action_is_taken_by_the_engine(action: str) -> None:
    values = {
        "cache": "tier: memory, policy: fifo, share: 0.5, immutable: true, staleness: 1s, retention: 2h, "
        "lock: true, priority: high",
        "prefetch": "mode: sequence, share: 0.5, "
        "window_bytes: 1MiB, first_window_bytes: 64KiB, growth: 1.5, files: 2, depth: 3, trigger: hint",
        "stream": "chunk_bytes: 4MiB, streams: 8, first_window_bytes: 1MiB, growth: 4.0, drop_behind: false",
        "coordinate": "single_flight: true, scope: process",
        "compress": "codec: lz4, level: 2, min_ratio: 1.5",
        "prioritize": "class: background, weight: 10, limit_bytes_per_s: 60MB/s",
    }[action]
    named = {pair.split(":")[0] for pair in values.split(", ")}
    assert named | {"pin"} >= ACTIONS[action].parameters.model_fields.keys()
    plan = recipes.compile_plan(
        recipe_with(f"{{type: {action}, parameters: {{{values}}}}}"), memory_bytes=MEMORY
    )
    decision = json.loads(Rules(plan.json).decide(b"a", 1))
    (written,) = json.loads(plan.json)["rules"][0]["actions"]
    assert decision[action] == written["parameters"]
    assert [name for name in ACTIONS if decision[name]] == [action]


def test_rates_and_times_reach_the_plan_in_base_units() -> None:
    plan = recipes.compile_plan(
        recipe_with(
            "{type: prioritize, parameters: {limit_bytes_per_s: 60MB/s}}, "
            "{type: cache, parameters: {retention: 1h}}"
        ),
        memory_bytes=MEMORY,
    )
    prioritize, cache = json.loads(plan.json)["rules"][0]["actions"]
    assert prioritize["parameters"] == {"limit_bytes_per_s": 60_000_000}
    assert cache["parameters"] == {"retention_ns": 3600 * 10**9}


def test_pin_is_the_policy_pinned() -> None:
    plan = recipes.compile_plan(recipe_with("{type: cache, parameters: {pin: true}}"), memory_bytes=MEMORY)
    assert json.loads(plan.json)["rules"][0]["actions"][0]["parameters"] == {"policy": "pinned"}
