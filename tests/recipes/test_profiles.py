"""Rules that belong to frameworks, environments and machines, and the conditions that follow from it."""

import json
from pathlib import Path
from typing import Any

import pytest

import recipes
from recipes import LayerRequest, RecipeError
from recipes.profiles import comparison

RULE = """
  - id: {id}
    conditions: [{{type: file_context, property: path, operator: glob, value: '**'}}]
    actions: [{{type: cache, parameters: {{policy: lru}}}}]"""


def text_with(sections: str, *rules: str) -> str:
    return (
        'version: "1"\nname: t\nrules:' + "".join(RULE.format(id=rule) for rule in rules) + f"\n{sections}\n"
    )


def guards(recipe: recipes.Recipe) -> dict[str, list[tuple[str, str, Any]]]:
    return {
        rule["id"]: [
            (each["fact"], each["op"], each["value"])
            for each in rule["conditions"]
            if each["required"] and each["weight"] == 0
        ]
        for rule in recipe.rules
    }


@pytest.mark.parametrize(
    ("written", "operator", "value"),
    [
        (">= 8", "greater_equal", 8),
        ("== 0", "equals", 0),
        ("!=1", "not_equals", 1),
        ("<2", "less_than", 2),
        ("<= 2.5", "less_equal", 2.5),
        (" > 8GiB ", "greater_than", "8GiB"),
        ("4", "equals", 4),
        (4, "equals", 4),
    ],
)
def test_comparisons_are_read(written: Any, operator: str, value: Any) -> None:
    condition = comparison("gpu_count", written)
    assert (condition.operator, condition.value, condition.required) == (operator, value, True)


@pytest.mark.parametrize("written", ["", ">=", ">> 3", ">=> 3", None, [1], {"a": 1}])
def test_what_is_no_comparison_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="comparison"):
        comparison("gpu_count", written)


PROFILES = """hardware_profiles:
  gpu_cluster:
    conditions: [{gpu_count: ">= 8"}, {memory: "> 64GiB"}]
    optimizations: [big]
    settings: {max_concurrent_rules: 9}
  cpu_only: {conditions: [{gpu_count: "== 0"}], optimizations: [small, both]}
  edge: {conditions: [{memory: "< 4GiB"}], optimizations: [both]}"""


def test_rules_of_a_profile_apply_where_the_engine_finds_its_conditions_true() -> None:
    recipe = recipes.loads(text_with(PROFILES, "big", "small", "both", "free"))
    assert guards(recipe) == {
        "big": [
            ("system.gpu_count", "greater_equal", 8),
            ("system.available_memory", "greater_than", 64 << 30),
        ],
        "small": [("system.gpu_count", "equals", 0)],
        "both@cpu_only": [("system.gpu_count", "equals", 0)],
        "both@edge": [("system.available_memory", "less_than", 4 << 30)],
        "free": [],
    }
    assert recipe.settings.max_concurrent_rules == 5


def test_a_named_profile_applies_without_conditions_and_with_its_settings(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text_with(PROFILES, "big", "small", "both", "free"))
    recipe = recipes.resolve(LayerRequest(recipe=str(path), hardware=("gpu_cluster",)))
    assert guards(recipe)["big"] == []
    assert guards(recipe)["small"] == [("system.gpu_count", "equals", 0)]
    assert recipe.settings.max_concurrent_rules == 9


def test_rules_of_a_framework_apply_where_the_job_uses_it(tmp_path: Path) -> None:
    sections = """frameworks:
  pytorch: {enabled: true, rules: [torch, shared]}
  tensorflow: {rules: [shared]}
  jax: {enabled: false, rules: [idle]}"""
    path = tmp_path / "r.yaml"
    path.write_text(text_with(sections, "torch", "shared", "idle", "free"))
    assert guards(recipes.load(str(path))) == {
        "torch": [("workload.framework", "equals", "pytorch")],
        "shared": [("workload.framework", "in", ["pytorch", "tensorflow"])],
        "free": [],
    }
    chosen = recipes.resolve(LayerRequest(recipe=str(path), frameworks=("pytorch",)))
    own = {name: found for name, found in guards(chosen).items() if not name.startswith("pytorch_")}
    assert own == {"torch": [], "shared": [], "free": []}
    assert "pytorch_model_caching" in guards(chosen)  # what ships for the framework lies beneath


def test_rules_of_an_environment_apply_there_only(tmp_path: Path) -> None:
    sections = """environments:
  production:
    debug: true
    settings: {confidence_threshold: 0.8}
    rules: [only]
    overrides: {free: {priority: 77, match: all}, gone: {enabled: false}}"""
    path = tmp_path / "r.yaml"
    path.write_text(text_with(sections, "only", "free", "gone"))
    assert list(guards(recipes.load(str(path)))) == ["free", "gone"]
    recipe = recipes.resolve(LayerRequest(recipe=str(path), environment="production"))
    assert list(guards(recipe)) == ["only", "free"]
    assert (recipe.rules[1]["priority"], recipe.rules[1]["match"]) == (77, "all")
    assert (recipe.settings.debug, recipe.settings.confidence_threshold) == (True, 0.8)
    assert json.loads(json.dumps(recipe.document))["rules"][1]["priority"] == 77


def findings(text: str) -> list[recipes.Finding]:
    try:
        return list(recipes.loads(text, "t.yaml").warnings)
    except RecipeError as error:
        return list(error.findings)


@pytest.mark.parametrize(
    ("sections", "code", "at", "says"),
    [
        pytest.param(
            'hardware_profiles: {g: {conditions: [{gpu_cout: ">= 8"}], optimizations: [free]}}',
            "MLO175",
            "gpu_cout",
            "Did you mean 'gpu_count'?",
            id="property",
        ),
        pytest.param(
            'hardware_profiles: {g: {conditions: [{gpu_count: ">> 8"}], optimizations: [free]}}',
            "MLO175",
            '">> 8"',
            "is no comparison",
            id="comparison",
        ),
        pytest.param(
            "hardware_profiles: {g: {optimisations: [free]}}",
            "MLO120",
            "optimisations",
            "Did you mean 'optimizations'?",
            id="key",
        ),
        pytest.param(
            "frameworks: {pytorch: {enabled: 3}}", "MLO122", "3", "true or false", id="type within a section"
        ),
        pytest.param(
            "frameworks: {pytorch: {rules: [fre]}}", "MLO170", "fre", "Did you mean 'free'?", id="near rule"
        ),
        pytest.param(
            "frameworks: {pytorch: {rules: [quite_another]}}",
            "MLO240",
            "quite_another",
            "no rule",
            id="far rule",
        ),
        pytest.param(
            "frameworks: {pytorch: {templates: [none_such]}}",
            "MLO240",
            "none_such",
            "no template",
            id="template",
        ),
        pytest.param(
            "environments: {p: {overrides: {fre: {priority: 3}}}}", "MLO170", "3", "'free'", id="override"
        ),
        pytest.param(
            "environments: {p: {overrides: {free: {priority: -3}}}}", "MLO123", "-3", "greater", id="range"
        ),
        pytest.param(
            "environments: {p: {debgu: true}}",
            "MLO120",
            "debgu",
            "Did you mean 'debug'?",
            id="environment key",
        ),
        pytest.param(
            "environments: {p: {optimization_level: basic}}",
            "MLO203",
            "optimization_level",
            "no effect",
            id="a wish of the ancestor",
        ),
        pytest.param("plugins: [a]", "MLO203", "plugins", "cannot load code", id="plugins"),
        pytest.param(
            "settings: {adaptive_learning: true}", "MLO203", "adaptive", "mlopt learn", id="setting"
        ),
        pytest.param("strategies: {a: {settngs: {}}}", "MLO120", "settngs", "'settings'", id="strategy key"),
    ],
)
def test_each_problem_is_found_and_placed(sections: str, code: str, at: str, says: str) -> None:
    text = text_with(sections, "free")
    found = findings(text)
    assert [each.code for each in found] == [code], [str(each) for each in found]
    assert says in f"{found[0].message}. {found[0].do}"
    assert found[0].mark is not None
    assert text.splitlines()[found[0].mark.line - 1][found[0].mark.column - 1 :].startswith(at)


@pytest.mark.parametrize(
    ("facts", "fits"),
    [
        ({"system.gpu_count": 8, "system.available_memory": 65 << 30}, ("gpu_cluster",)),
        ({"system.gpu_count": 8, "system.available_memory": 64 << 30}, ()),
        ({"system.gpu_count": 0}, ("cpu_only",)),
        ({"system.gpu_count": 0, "system.available_memory": 1 << 30}, ("cpu_only", "edge")),
        ({}, ()),
    ],
)
def test_the_machine_is_found_out_by_the_engine_and_unknown_fits_nothing(
    facts: dict[str, int], fits: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text_with(PROFILES, "big", "small", "both", "free"))
    recipe = recipes.resolve(LayerRequest(recipe=str(path), hardware=("auto",), facts=facts))
    assert recipe.together.selection.hardware == fits
    assert [each.code for each in recipe.warnings if each.code == "MLO245"] == ["MLO245"] * (not fits)


def test_the_hardware_cannot_be_found_out_without_facts() -> None:
    with pytest.raises(RecipeError, match="without facts"):
        recipes.resolve(LayerRequest(recipe="lru", hardware=("auto",)))
