"""Each thing that can be wrong with a recipe is found, named and placed; nothing else is."""

import pytest

import recipes
from recipes import RecipeError

CONDITION = "{type: file_context, property: path, operator: glob, value: '**'}"
ACTION = "{type: cache, parameters: {policy: pinned}}"


def recipe_text(condition: str = CONDITION, action: str = ACTION, rule: str = "", top: str = "") -> str:
    return f"""version: "1"
name: t
{top}
rules:
  - id: a
    {rule}
    conditions: [{condition}]
    actions: [{action}]
"""


def findings(text: str) -> list[recipes.Finding]:
    try:
        return list(recipes.loads(text, "t.yaml").warnings)
    except RecipeError as error:
        return list(error.findings)


def check(text: str, code: str, at: str, says: str) -> None:
    """One finding, placed at the text `at`, whose message or remedy contains `says`."""
    found = findings(text)
    assert [finding.code for finding in found] == [code], [str(finding) for finding in found]
    assert says in f"{found[0].message}. {found[0].do}"
    assert found[0].mark is not None
    line = text.splitlines()[found[0].mark.line - 1]
    assert line[found[0].mark.column - 1 :].startswith(at)


def test_a_good_recipe_has_no_findings() -> None:
    assert findings(recipe_text()) == []


@pytest.mark.parametrize(
    ("text", "code", "at", "says"),
    [
        pytest.param(
            recipe_text(top="settngs: {}"), "MLO120", "settngs", "Did you mean 'settings'?", id="top key"
        ),
        pytest.param(recipe_text(rule="prioritty: 3"), "MLO120", "prioritty", "'priority'", id="rule key"),
        pytest.param(
            recipe_text("{type: file_context, property: path, valeu: a, value: b}"),
            "MLO120",
            "valeu",
            "'value'",
            id="condition key",
        ),
        pytest.param(
            recipe_text(action="{type: cache, parameters: {polcy: lru}}"),
            "MLO120",
            "polcy",
            "'policy'",
            id="parameter",
        ),
        pytest.param(
            recipe_text("{type: file_context, property: path}"),
            "MLO121",
            "{type",
            "Add 'value:'",
            id="no value",
        ),
        pytest.param(
            recipe_text(rule="priority: high"),
            "MLO122",
            "high",
            "expected a whole number",
            id="text for a number",
        ),
        pytest.param(
            recipe_text(rule="priority: true"),
            "MLO122",
            "true",
            "expected a whole number",
            id="truth value for a number",
        ),
        pytest.param(
            recipe_text(rule="match: most"),
            "MLO123",
            "most",
            "'weighted', 'all' or 'any'",
            id="unknown match",
        ),
        pytest.param(
            recipe_text(rule="priority: -1"),
            "MLO123",
            "-1",
            "greater than or equal to 0",
            id="negative priority",
        ),
        pytest.param(
            recipe_text(top="settings: {confidence_threshold: 9}"),
            "MLO123",
            "9",
            "less than or equal to 1",
            id="threshold",
        ),
        pytest.param(
            recipe_text(top="settings: {max_concurrent_rules: 1000000}"),
            "MLO123",
            "1000000",
            "1000",
            id="absurd maximum",
        ),
        pytest.param(
            recipe_text(top="settings: {staleness: soon}"), "MLO124", "soon", "60s", id="no duration"
        ),
        pytest.param(
            recipe_text(top="settings: {block_size: 64KX}"), "MLO124", "64KX", "64MiB", id="no size"
        ),
        pytest.param(
            recipe_text(top="settings: {block_size: 5000}"),
            "MLO123",
            "5000",
            "power of two",
            id="odd block size",
        ),
        pytest.param(
            recipe_text("{type: file_contex, property: path, value: a}"),
            "MLO130",
            "file_contex",
            "'file_context'",
            id="condition type",
        ),
        pytest.param(
            recipe_text("{type: file_context, property: sise, value: 1}"),
            "MLO131",
            "sise",
            "'size'",
            id="property",
        ),
        pytest.param(
            recipe_text("{type: file_context, property: path, operator: equal, value: a}"),
            "MLO132",
            "equal",
            "'equals'",
            id="operator",
        ),
        pytest.param(
            recipe_text("{type: file_context, property: path, operator: less_than, value: 1}"),
            "MLO133",
            "less_than",
            "which is a text",
            id="operator of numbers on a text",
        ),
        pytest.param(
            recipe_text("{type: file_context, property: path, operator: matches, value: 'a(b'}"),
            "MLO134",
            "'a(b'",
            "unclosed group",
            id="regex",
        ),
        pytest.param(
            recipe_text("{type: file_context, property: path, operator: matches, value: '(\\w{99}){99}'}"),
            "MLO134",
            "'(",
            "size limit",
            id="regex that would take too much memory",
        ),
        pytest.param(
            recipe_text("{type: file_context, property: path, operator: glob, value: 'a[b'}"),
            "MLO135",
            "'a[b'",
            "unclosed character class",
            id="glob",
        ),
        pytest.param(
            recipe_text("{type: file_context, property: path, operator: equals, value: [a]}"),
            "MLO136",
            "[a]",
            "Use 'in'",
            id="list for one value",
        ),
        pytest.param(
            recipe_text("{type: file_context, property: extension, operator: in, value: jpg}"),
            "MLO136",
            "jpg",
            "Write a list",
            id="one value for a list",
        ),
        pytest.param(
            recipe_text("{type: file_context, property: name, value: 7}"),
            "MLO136",
            "7",
            "Quote",
            id="number for a text",
        ),
        pytest.param(
            recipe_text("{type: file_context, property: size, value: big}"),
            "MLO124",
            "big",
            "64MiB",
            id="word for a size",
        ),
        pytest.param(
            recipe_text("{type: file_context, property: type, value: datset}"),
            "MLO137",
            "datset",
            "'dataset'",
            id="file type",
        ),
        pytest.param(
            recipe_text("{type: file_context, property: size, operator: between, value: [1]}"),
            "MLO136",
            "[1]",
            "two numbers",
            id="half a range",
        ),
        pytest.param(recipe_text(""), "MLO141", "id", "'**'", id="no conditions"),
        pytest.param(
            recipe_text("{type: file_context, property: path, value: a, weight: 0}"),
            "MLO142",
            "[{",
            "all weights are 0",
            id="no weight",
        ),
        pytest.param(recipe_text(action=""), "MLO143", "id", "actions", id="no action"),
        pytest.param(
            recipe_text(action=f"{ACTION}, {ACTION}"),
            "MLO144",
            "{type",
            "second 'cache'",
            id="an action twice",
        ),
        pytest.param(
            recipe_text(action="{type: prefech}"), "MLO150", "prefech", "'prefetch'", id="misspelt action"
        ),
        pytest.param(
            recipe_text(action="{type: cache, parameters: {policy: lur}}"),
            "MLO151",
            "lur",
            "lru",
            id="unknown policy",
        ),
        pytest.param(
            recipe_text(action="{type: cache, parameters: {policy: belady}}"),
            "MLO152",
            "belady",
            "simulations only",
            id="policy of the simulation",
        ),
        pytest.param(
            recipe_text(action="{type: cache, parameters: {policy: lru, pin: true}}"),
            "MLO154",
            "true",
            "contradicts",
            id="pin against policy",
        ),
        pytest.param(
            recipe_text(action="{type: cache, parameters: {share: 1.5}}"),
            "MLO123",
            "1.5",
            "less than or equal to 1",
            id="share above 1",
        ),
        pytest.param(
            recipe_text(action="{type: prefetch, parameters: {mode: all}}"),
            "MLO123",
            "all",
            "'epoch_set'",
            id="unknown mode",
        ),
        pytest.param(
            recipe_text(action="{type: compress}"),
            "MLO201",
            "compress",
            "no disk tier",
            id="canonical action to come",
        ),
        pytest.param(
            recipe_text(action="{type: coordinate, parameters: {scope: cluster}}"),
            "MLO202",
            "cluster",
            "scope is the node",
            id="value to come",
        ),
        pytest.param(
            recipe_text(action="{type: coordinate, parameters: {single_flight: false}}"),
            "MLO155",
            "false",
            "never fetches one block twice",
            id="value that nothing can honour",
        ),
        pytest.param(
            recipe_text(action="{type: prioritize, parameters: {limit_bytes_per_s: 60MB}}"),
            "MLO124",
            "60MB",
            "60MB/s",
            id="a size for a rate",
        ),
        pytest.param(
            recipe_text(action="{type: stream, parameters: {streams: 0}}"),
            "MLO123",
            "0",
            "greater than or equal to 1",
            id="below the engine's range",
        ),
        pytest.param(
            recipe_text(action="{type: coordinate, parameters: {skope: node}}"),
            "MLO120",
            "skope",
            "'scope'",
            id="parameter of an action without remarks",
        ),
        pytest.param(
            recipe_text(action="{type: checkpoint_optimization, parameters: {compression: zstd}}"),
            "MLO201",
            "checkpoint_optimization",
            "'compress' is not enforced yet",
            id="action of the ancestor",
        ),
        pytest.param(
            recipe_text(action="{type: teleport}"), "MLO201", "teleport", "no effect", id="foreign action"
        ),
        pytest.param(
            recipe_text(action="{type: prefetch, parameters: {cuda_streams: 8}}"),
            "MLO202",
            "8",
            "GPU",
            id="parameter of the ancestor",
        ),
        pytest.param(
            recipe_text(action="{type: cache, parameters: {tier: disk}}"),
            "MLO202",
            "disk",
            "memory tier is used",
            id="tier to come",
        ),
        pytest.param(
            recipe_text(top="settings: {adaptive_learning: true}"),
            "MLO203",
            "adaptive_learning",
            "'mlopt learn' learns",
            id="setting of the ancestor",
        ),
        pytest.param(
            recipe_text(top="templates: [{id: x}]"),
            "MLO243",
            "{id: x}",
            "selected by nothing",
            id="template that nothing selects",
        ),
        pytest.param(
            recipe_text("{type: access_pattern, property: pattern, operator: not_equals, value: Batch}"),
            "MLO204",
            "Batch",
            "never found",
            id="pattern of the ancestor",
        ),
        pytest.param(
            recipe_text(rule="match: all\n    threshold: 0.3"),
            "MLO207",
            "threshold",
            "no effect",
            id="threshold without weights",
        ),
        pytest.param(
            recipe_text(action="{type: cache, target: fiel}"), "MLO209", "fiel", "'file'", id="target"
        ),
    ],
)
def test_each_problem_is_found_and_placed(text: str, code: str, at: str, says: str) -> None:
    check(text, code, at, says)


def test_a_rule_that_only_asks_for_what_is_never_found_can_never_fire() -> None:
    found = findings(recipe_text("{type: access_pattern, property: pattern, value: epoch}"))
    assert [finding.code for finding in found] == ["MLO204", "MLO208"]


def test_a_name_that_is_not_enforced_is_warned_of_once() -> None:
    text = recipe_text(action="{type: compress}, {type: teleport}")
    small = "{type: file_context, property: size, operator: less_than, value: 1MiB}"
    text += f"  - id: b\n    priority: 5\n    conditions: [{small}]\n    actions: [{{type: compress}}]\n"
    assert [finding.code for finding in findings(text)] == ["MLO201", "MLO201"]


def test_null_rule_and_duplicate_ids_are_found_beside_problems_of_other_rules() -> None:
    text = recipe_text("{type: file_context, property: sise, value: 1}")
    text += f"  -\n  - id: a\n    conditions: [{CONDITION}]\n    actions: [{ACTION}]\n"
    assert sorted(finding.code for finding in findings(text)) == ["MLO122", "MLO131", "MLO140"]


def test_errors_come_in_the_order_of_the_file_and_before_warnings() -> None:
    found = findings("rules:\n  - id: a\n    actions: [{type: teleport}]\nsetings: {}\n")
    assert [finding.code for finding in found] == ["MLO141", "MLO120", "MLO210", "MLO210", "MLO201"]


def test_fragments_and_lenient_defaults_load() -> None:
    text = """rules:
  - name: smart
    conditions:
      - {type: file_pattern, property: extension, value: [.pth, PT]}
      - {type: file_context, property: size, operator: greater_than, value: 1GiB, weight: 0.9}
    actions: [{type: cache}]
"""
    recipe = recipes.loads(text)
    assert [warning.code for warning in recipe.warnings] == ["MLO210", "MLO210"]
    rule = recipe.rules[0]
    assert (rule["id"], rule["priority"], rule["match"]) == ("smart", 0, "weighted")
    first, second = rule["conditions"]
    assert (first["fact"], first["op"], first["weight"]) == ("file.extension", "in", 1.0)
    assert (second["value"], second["weight"]) == (1 << 30, 0.9)


def test_a_name_pattern_that_names_a_folder_is_about_the_path() -> None:
    pattern = (
        "{type: file_pattern, property: name_pattern, operator: matches, value: 'saved_model.pb|variables/'}"
    )
    condition = recipes.loads(recipe_text(pattern)).rules[0]["conditions"][0]
    assert condition["fact"] == "file.path"
