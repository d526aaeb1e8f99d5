"""Whatever a recipe holds, the answer is a recipe or findings, never another exception."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import recipes
from mlopt_engine import Rules
from recipes import RecipeError

EXAMPLE = recipes.dump(recipes.load("shuffled-images").document, "")
WORDS = [
    *("file_context", "path", "size", "type", "extension", "glob", "equals", "in", "matches", "exists"),
    *("cache", "prefetch", "stream", "policy", "share", "mode", "pinned", "lru", "sequential", "64MiB"),
    *("5ms", "train/**", "null", "true", "1", "-1", "1e400", "[]", "{}", "no"),
]

OPERATORS = ["equals", "in", "contains", "matches", "glob", "less_than", "between", "exists", 3]


def is_answered(text: str) -> None:
    """Load, and compile what loads: the engine must take each plan that a recipe without errors gives."""
    findings: tuple[recipes.Finding, ...] = ()
    recipe = None
    try:
        recipe = recipes.loads(text)
    except RecipeError as error:
        findings = error.findings
    if recipe is None:
        assert any(finding.severity == "error" and str(finding) for finding in findings)
        return
    Rules(recipes.compile_plan(recipe, memory_bytes=1 << 30).json)


@given(st.text(max_size=200))
def test_any_text_is_answered(text: str) -> None:
    is_answered(text)


@given(st.integers(0, len(EXAMPLE)), st.integers(0, 12), st.text(max_size=6))
def test_a_damaged_recipe_is_answered(start: int, length: int, inserted: str) -> None:
    is_answered(EXAMPLE[:start] + inserted + EXAMPLE[start + length :])


scalars = st.sampled_from([*WORDS, None, True, 0, -1, 2**63, 0.5, 1e300, "", "(((", "a[", "[0-9"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=6,
)


def shaped(keys: list[str]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(keys, values))


conditions = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["file_context", "access_pattern", "workload_context", "nonsense"]),
        "property": st.sampled_from(["path", "size", "type", "extension", "pattern", "frequency", "phase"]),
        "value": values,
    },
    optional={
        "operator": st.sampled_from(OPERATORS),
        "weight": st.sampled_from([0, 0.5, 1, 2, "x"]),
        "required": st.sampled_from([True, "x"]),
    },
)
actions = st.fixed_dictionaries(
    {"type": st.sampled_from(["cache", "prefetch", "stream", "smart_cache", "prefech", 3])},
    optional={
        "parameters": shaped(["policy", "share", "mode", "window_bytes", "staleness", "tier", "pin", "xyz"])
    },
)
rules = st.fixed_dictionaries(
    {"id": st.sampled_from(["a", "b", 1])},
    optional={
        "priority": values,
        "match": st.sampled_from(["all", "any", "weighted", "x"]),
        "conditions": st.lists(conditions, max_size=3),
        "actions": st.lists(actions, max_size=3),
    },
)


@settings(max_examples=300)
@given(st.lists(rules | values, max_size=3), shaped(["block_size", "staleness", "seed", "debug", "x"]))
def test_any_shape_is_answered(made: list[Any], given_settings: Any) -> None:
    is_answered(json.dumps({"version": "1", "name": "t", "settings": given_settings, "rules": made}))
