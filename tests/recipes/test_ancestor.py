"""Every word of the ancestor becomes what its table says, and each of its parameters keeps its meaning."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recipes
from recipes.actions import ACTIONS
from recipes.ancestor import CANONICAL, WORDS, translate
from recipes.treatment import known_action_names

# Action types met in the wild and what each becomes; parameters that ask for more are tested below.
BECOMES = {
    "prefetch": {"prefetch"},
    "batch_prefetch": {"prefetch"},
    "dataloader_optimization": {"prefetch"},
    "data_pipeline": {"prefetch", "cache"},
    "cache": {"cache"},
    "smart_cache": {"cache"},
    "intelligent_cache": {"cache"},
    "pytorch_model_cache": {"cache"},
    "gpu_aware_cache": {"cache"},
    "model_optimization": {"cache", "stream"},
    "inference_optimization": {"prefetch", "cache", "prioritize"},
    "chunked_streaming": {"stream"},
    "chunked_load": {"stream"},
    "stream_optimization": {"stream"},
    "coordinate": {"coordinate"},
    "distributed_coordination": {"coordinate"},
    "checkpoint_optimization": {"compress", "coordinate"},
    "stream": {"stream"},
    "compress": {"compress"},
    "prioritize": {"prioritize"},
}
HINTS = {
    "cache_strategy": {"cache"},
    "loading_strategy": {"stream"},
    "tfrecord_optimization": {"stream"},
    "savedmodel_optimization": {"cache", "stream"},
    "preload": {"prefetch"},
    "cache_entire_tensor": {"cache", "prefetch"},
    "prefetch_slices": {"prefetch"},
    "enable_compression": {"compress"},
    "reduce_prefetch": {"prefetch"},
    "increase_priority": {"prioritize"},
    "stage_transfer": {"cache"},
    "delay_transfer": {"prioritize"},
    "throttle": {"prioritize"},
    "yield": {"prioritize"},
}
ADVISORY = {
    *("training_optimization", "tf_training_optimization", "tf_inference_optimization", "framework_hint"),
    *("custom_optimization", "enable_result_caching", "scale_up", "convert_model_format"),
    *("suggest_layout_change", "migrate", "gpu_memory_pooling", "experiment_tracking"),
}


def became(word: str, **parameters: Any) -> dict[str, dict[str, Any]]:
    """Canonical actions with plain values; nothing may be left unsaid."""
    translation = translate(WORDS[word], parameters)
    assert not translation.unknown
    return {
        action: {name: value.value for name, value in values.items()}
        for action, values in translation.actions.items()
    }


def remarks(word: str, **parameters: Any) -> list[str]:
    return [remark.code for remark in translate(WORDS[word], parameters).remarks]


def test_each_word_becomes_what_its_table_says() -> None:
    assert {name: set(word.becomes) for name, word in WORDS.items() if word.becomes} == BECOMES | HINTS
    assert {name for name, word in WORDS.items() if word.advisory} == ADVISORY
    assert {name for name, word in WORDS.items() if word.kind == "action"} == set(BECOMES)


@pytest.mark.parametrize(
    ("word", "parameters", "expected"),
    [
        pytest.param(
            "chunked_streaming",
            {"chunk_size": 67108864, "parallel_streams": 4, "compression": False},
            {"stream": {"chunk_bytes": 64 << 20, "streams": 4}},
            id="the seed's streaming of large models",
        ),
        pytest.param(
            "intelligent_cache", {"strategy": "lru"}, {"cache": {"policy": "lru"}}, id="strategy is policy"
        ),
        pytest.param(
            "prefetch", {"size": 65536}, {"prefetch": {"window_bytes": 65536}}, id="size is bytes"
        ),
        pytest.param(
            "prefetch",
            {"prefetch_size": 4, "chunk_size": "256KiB"},
            {"prefetch": {"window_bytes": 1 << 20}},
            id="a small prefetch size is chunks",
        ),
        pytest.param(
            "prefetch",
            {"prefetch_size": 4095, "chunk_size": "auto"},
            {"prefetch": {"window_bytes": 4095 << 20}},
            id="chunks are blocks where nothing says otherwise",
        ),
        pytest.param(
            "prefetch", {"prefetch_size": 4096}, {"prefetch": {"window_bytes": 4096}}, id="4096 is bytes"
        ),
        pytest.param(
            "prefetch", {"prefetch_size": "8MiB"}, {"prefetch": {"window_bytes": 8 << 20}}, id="with a unit"
        ),
        pytest.param("prefetch", {"prefetch_size": 0}, {"prefetch": {"mode": "none"}}, id="nothing ahead"),
        pytest.param("prefetch", {"prefetch_size": "25%"}, {"prefetch": {"share": 0.25}}, id="a percentage"),
        pytest.param(
            "prefetch",
            {"queue_depth": 8, "initial_size": 65536, "max_size": "2MiB", "growth_factor": 3,
             "strategy": "adaptive"},
            {"prefetch": {"depth": 8, "first_window_bytes": 65536, "window_bytes": 2 << 20, "growth": 3.0,
                          "mode": "sequential"}},
            id="window and concurrency",
        ),
        pytest.param(
            "batch_prefetch",
            {"batch_aware": True, "shuffle_buffer": 1000, "parallel_calls": 6},
            {"prefetch": {"mode": "epoch_set", "depth": 6}},
            id="a shuffle buffer means an unknown order",
        ),
        pytest.param(
            "dataloader_optimization",
            {"num_workers": 8, "prefetch_factor": 4},
            {"prefetch": {"mode": "epoch_set", "depth": 32}},
            id="workers x factor",
        ),
        pytest.param(
            "dataloader_optimization",
            {"num_workers": "auto", "prefetch_factor": 4},
            {"prefetch": {"mode": "epoch_set", "depth": 4}},
            id="one factor is open",
        ),
        pytest.param(
            "data_pipeline",
            {"prefetch_buffer": "auto", "parallel_reads": 8, "shuffle_buffer": 0, "cache_dataset": True},
            {"prefetch": {"depth": 8}, "cache": {"policy": "pinned"}},
            id="a data set that is cached is pinned",
        ),
        pytest.param(
            "data_pipeline", {"cache_dataset": False}, {"prefetch": {}}, id="a data set that is not cached"
        ),
        pytest.param(
            "cache",
            {"priority": "high", "eviction_policy": "LRU", "cache_type": "memory", "preload": True},
            {
                "cache": {"priority": "high", "policy": "lru", "tier": "memory"},
                "prefetch": {"mode": "whole_file", "trigger": "open"},
            },
            id="preload fetches at the open",
        ),
        pytest.param(
            "cache",
            {"compression": "lz4", "retention_time": "extended"},
            {"cache": {}, "compress": {"codec": "lz4"}},
            id="a codec; extended is what happens",
        ),
        pytest.param(
            "cache", {"retention_time": "30min"}, {"cache": {"retention": "30min"}}, id="a time is kept"
        ),
        pytest.param("cache", {"priority": 95}, {"cache": {"priority": "high"}}, id="a priority as a number"),
        pytest.param("cache", {"priority": 40.0}, {"cache": {"priority": "normal"}}, id="a JSON number"),
        pytest.param(
            "smart_cache", {"priority_boost": 2}, {"cache": {"priority": "high"}}, id="a boost is a factor"
        ),
        pytest.param("cache", {"eviction_policy": "lfu"}, {"cache": {"policy": "lfu"}}, id="lfu"),
        pytest.param("cache", {"persistent": True}, {"cache": {"tier": "disk"}}, id="persists on disk"),
        pytest.param(
            "smart_cache",
            {"strategy": "auto", "priority_boost": 90, "retention_time": "epoch"},
            {"cache": {"priority": "high"}},
            id="what is left open stays open",
        ),
        pytest.param("pytorch_model_cache", {"lazy_loading": True}, {"cache": {}}, id="lazy is what happens"),
        pytest.param(
            "pytorch_model_cache",
            {"lazy_loading": False},
            {"cache": {}, "prefetch": {"mode": "whole_file"}},
            id="not lazy is whole",
        ),
        pytest.param("gpu_aware_cache", {"cache_priority": "low"}, {"cache": {"priority": "low"}}, id="gpu"),
        pytest.param(
            "model_optimization",
            {"architecture_cache": False, "weight_compression": "zstd"},
            {"stream": {}, "compress": {"codec": "zstd"}},
            id="weights compressed, not cached",
        ),
        pytest.param(
            "inference_optimization",
            {"preload_model": True, "memory_pool": "25%"},
            {
                "prefetch": {"mode": "whole_file", "trigger": "open"},
                "cache": {"policy": "pinned", "share": 0.25},
                "prioritize": {"class": "realtime"},
            },
            id="inference",
        ),
        pytest.param(
            "inference_optimization",
            {"preload_model": False, "memory_pool": False},
            {"prioritize": {"class": "realtime"}},
            id="inference without memory",
        ),
        pytest.param(
            "chunked_load",
            {"chunk_size": "128MiB", "parallel_chunks": 4, "memory_mapping": True, "lazy_loading": True},
            {"stream": {"chunk_bytes": 128 << 20, "streams": 4, "drop_behind": False}},
            id="what is mapped stays in the page cache",
        ),
        pytest.param(
            "stream_optimization",
            {"parallel_reads": 16, "buffer_size": 262144, "prefetch_buffer": "autotune"},
            {"stream": {"streams": 16, "chunk_bytes": 262144}},
            id="autotune leaves the window open",
        ),
        pytest.param(
            "coordinate",
            {"priority": "high", "priority_scheduling": True, "resource_aware": True},
            {"coordinate": {"single_flight": True}, "prioritize": {"class": "realtime"}},
            id="scheduling is priority",
        ),
        pytest.param(
            "distributed_coordination",
            {"node_awareness": True, "data_locality": True},
            {"coordinate": {"single_flight": True, "scope": "cluster"}},
            id="owners of blocks",
        ),
        pytest.param(
            "checkpoint_optimization",
            {"compression": "lz4"},
            {"compress": {"codec": "lz4"}, "coordinate": {"single_flight": True}},
            id="checkpoints in a codec",
        ),
        pytest.param(
            "checkpoint_optimization",
            {"compression": False},
            {"coordinate": {"single_flight": True}},
            id="checkpoints as they are",
        ),
        pytest.param(
            "throttle", {"rate_limit": "10MB"},
            {"prioritize": {"class": "background", "limit_bytes_per_s": 10**7}},
            id="a throttled process",
        ),
    ],
)  # fmt: skip
def test_parameters_keep_their_meaning(
    word: str, parameters: dict[str, Any], expected: dict[str, dict[str, Any]]
) -> None:
    assert became(word, **parameters) == expected
    assert remarks(word, **parameters) == []


@pytest.mark.parametrize(
    ("word", "parameters"),
    [
        ("prefetch", {"prefetch_size": "batch_aligned"}),
        ("prefetch", {"cuda_streams": 4}),
        ("prefetch", {"confidence_based": False}),
        ("prefetch", {"chunk_size": 65536}),
        ("prefetch", {"strategy": "psychic"}),
        ("dataloader_optimization", {"pin_memory": True}),
        ("dataloader_optimization", {"persistent_workers": True}),
        ("dataloader_optimization", {"multiprocessing_context": "spawn"}),
        ("cache", {"strategy": "pytorch_aware"}),
        ("cache", {"eviction_policy": "quantum"}),
        ("cache", {"cache_type": "gpu"}),
        ("cache", {"framework": "pytorch"}),
        ("cache", {"compression": "gzip"}),
        ("pytorch_model_cache", {"state_dict_optimization": True}),
        ("pytorch_model_cache", {"device_placement": "auto"}),
        ("pytorch_model_cache", {"memory_format": "channels_last"}),
        ("gpu_aware_cache", {"gpu_memory_threshold": 0.8}),
        ("gpu_aware_cache", {"unified_memory": True}),
        ("inference_optimization", {"precision": "fp16"}),
        ("inference_optimization", {"batch_optimization": True}),
        ("inference_optimization", {"warm_up_iterations": 3}),
        ("stream_optimization", {"record_batching": True}),
        ("coordinate", {"gpu_coordination": True}),
        ("coordinate", {"priority": "high"}),
        ("distributed_coordination", {"gradient_sync": "async"}),
        ("distributed_coordination", {"communication_optimization": True}),
        ("checkpoint_optimization", {"backup_strategy": "incremental"}),
        ("checkpoint_optimization", {"sync_frequency": "epoch"}),
        ("checkpoint_optimization", {"async_save": True}),
        ("checkpoint_optimization", {"incremental_save": True}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_what_a_file_system_cannot_do_is_said_with_its_reason(word: str, parameters: dict[str, Any]) -> None:
    (remark,) = translate(WORDS[word], parameters).remarks
    assert remark.code == "MLO202"
    assert f"{word}.{remark.parameter} has no effect: " in remark.message
    assert len(remark.message.split(": ", 1)[1]) > len("no")


@pytest.mark.parametrize(
    ("word", "parameters"),
    [
        ("prefetch", {"queue_depth": "many"}),
        ("prefetch", {"queue_depth": -1}),
        ("prefetch", {"queue_depth": True}),
        ("prefetch", {"size": "64KX"}),
        ("prefetch", {"size": None}),
        ("prefetch", {"prefetch_size": [4]}),
        ("prefetch", {"prefetch_size": "250%"}),
        ("prefetch", {"growth_factor": "fast"}),
        ("prefetch", {"growth_factor": 0.5}),
        ("prefetch", {"initial_size": "25%"}),
        ("smart_cache", {"priority_boost": -1}),
        ("stream", {"chunk_size": "25%"}),
        ("throttle", {"rate_limit": "25%"}),
        ("cache", {"priority": "very"}),
        ("cache", {"preload": "yes please"}),
        ("cache", {"compression": 9}),
        ("cache", {"compression": "rar"}),
        ("cache", {"retention_time": "later"}),
        ("cache", {"cache_type": 3}),
        ("data_pipeline", {"shuffle_buffer": {}}),
        ("dataloader_optimization", {"num_workers": [8]}),
        ("dataloader_optimization", {"num_workers": 8, "prefetch_factor": {"a": 1}}),
        ("inference_optimization", {"memory_pool": 7}),
    ],
)  # fmt: skip
def test_a_value_that_means_nothing_is_an_error(word: str, parameters: dict[str, Any]) -> None:
    assert set(remarks(word, **parameters)) == {"MLO180"}


def test_of_two_parameters_for_the_same_thing_the_first_counts() -> None:
    assert became("prefetch", size=8192, max_size=65536) == {"prefetch": {"window_bytes": 8192}}
    assert remarks("prefetch", size=8192, max_size=65536) == ["MLO250"]
    assert remarks("prefetch", size=8192, max_size=8192) == []


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 1 << 64)
    | st.floats(allow_nan=False)
    | st.sampled_from(["auto", "25%", "extended", "epoch", "batch_aligned", "high", "lru", "1MiB", "", "%"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=3,
)  # fmt: skip
parameters_of = st.sampled_from(sorted(WORDS)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.dictionaries(
            st.sampled_from([*sorted(WORDS[name].parameters), "unheard_of"]), anything, max_size=4
        ),
    )
)


@given(parameters_of)
def test_whatever_a_word_is_given_the_recipe_loads_or_says_what_is_wrong(
    written: tuple[str, dict[str, Any]],
) -> None:
    word, parameters = written
    rule = {
        "id": "a",
        "conditions": [{"type": "file_context", "property": "path", "value": "a"}],
        "actions": [{"type": word, "parameters": parameters}],
    }
    text = json.dumps({"version": "1", "name": "t", "rules": [rule]})
    with contextlib.suppress(recipes.RecipeError):
        assert {action["type"] for action in recipes.loads(text).rules[0]["actions"]} <= set(ACTIONS)


# --- in a whole recipe ---


def recipe_of(*actions: str) -> recipes.Recipe:
    condition = "{type: file_context, property: path, operator: glob, value: '**'}"
    rule = f"  - id: a\n    conditions: [{condition}]\n    actions: [{', '.join(actions)}]\n"
    return recipes.loads(f"version: '1'\nname: t\nrules:\n{rule}")


def findings_of(*actions: str) -> list[recipes.Finding]:
    try:
        return list(recipe_of(*actions).warnings)
    except recipes.RecipeError as error:
        return list(error.findings)


@pytest.mark.parametrize("word", sorted(WORDS))
def test_each_word_loads_with_one_warning_at_most(word: str) -> None:
    found = findings_of(f"{{type: {word}}}")
    assert len(found) <= 1
    enforced = set(WORDS[word].becomes) & set(ACTIONS)
    assert {action["type"] for action in recipe_of(f"{{type: {word}}}").rules[0]["actions"]} == enforced
    if not WORDS[word].becomes or set(WORDS[word].becomes) - set(ACTIONS):
        assert [finding.code for finding in found] == ["MLO201"]


def test_a_parameter_without_effect_is_warned_of_once_and_named() -> None:
    found = findings_of(
        "{type: cache, parameters: {framework: jax}}, {type: prefetch, parameters: {cuda_streams: 1}}"
    )
    assert [finding.code for finding in found] == ["MLO202", "MLO202"]
    assert "frames" not in str(found[0])
    assert "cache.framework" in found[0].message
    assert "prefetch.cuda_streams" in found[1].message


def test_a_bad_value_is_found_where_it_was_written() -> None:
    (found,) = findings_of("{type: prefetch, parameters: {size: 100}}")
    assert found.code == "MLO123"
    assert "'size' as prefetch.window_bytes" in found.message
    assert found.mark is not None
    assert found.line_text[found.mark.column - 1 :].startswith("100")


def test_what_a_rule_writes_beats_what_a_word_implies() -> None:
    rule = recipe_of("{type: inference_optimization}", "{type: cache, parameters: {policy: lru}}").rules[0]
    assert {action["type"]: action["parameters"] for action in rule["actions"]}["cache"] == {"policy": "lru"}


def test_two_words_that_contradict_each_other_are_reported_and_the_actions_own_name_wins() -> None:
    actions = (
        "{type: smart_cache, parameters: {priority_boost: 90}}",
        "{type: cache, parameters: {priority: low}}",
    )
    assert [finding.code for finding in findings_of(*actions)] == ["MLO250"]
    (action,) = recipe_of(*actions).rules[0]["actions"]
    assert action["parameters"]["priority"] == "low"


@pytest.mark.parametrize("name", known_action_names())
def test_a_name_one_letter_off_is_an_error_with_the_right_suggestion(name: str) -> None:
    wrong = name[:-1] + ("x" if name[-1] != "x" else "y")
    (found,) = findings_of(f"{{type: {wrong}}}")
    assert found.code == "MLO150"
    assert found.do == f"Did you mean '{name}'?"


def test_the_canonical_actions_are_words_too() -> None:
    assert set(CANONICAL) <= set(WORDS)
