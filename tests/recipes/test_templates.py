"""Templates: parameters with types, references in actions, and what a selection means."""

import pytest

import recipes
from recipes import LayerRequest, RecipeError

HEAD = 'version: "1"\nname: t\n'
EVERYTHING = "[{type: file_context, property: path, operator: glob, value: '**'}]"


def recipe_text(parameters: str, action: str, more: str = "") -> str:
    return f"""{HEAD}templates:
  - id: train
    rules: [fetch]
    parameters: {parameters}
rules:
  - id: fetch
    conditions: {EVERYTHING}
    actions: [{action}]
  - id: other
    conditions: [{{type: file_context, property: size, operator: less_than, value: 1MiB}}]
    actions: [{{type: cache, parameters: {{policy: lru}}}}]
{more}"""


PREFETCH = "{{type: prefetch, parameters: {{{}}}}}"
TEXT = recipe_text(
    "{files: 4, window: 8MiB}", PREFETCH.format("files: '${files}', window_bytes: '${window}'")
)


def findings(text: str, **selection: str) -> list[recipes.Finding]:
    try:
        recipe = recipes.loads(text, "t.yaml")
        if selection:
            recipe = recipes.apply_template(recipe, "train", **selection)
    except RecipeError as error:
        return list(error.findings)
    return list(recipe.warnings)


def test_a_selected_template_brings_its_rules_only_with_parameters_in_their_types() -> None:
    recipe = recipes.apply_template(recipes.loads(TEXT), "train")
    assert [rule["id"] for rule in recipe.rules] == ["fetch"]
    assert recipe.rules[0]["actions"][0]["parameters"] == {"files": 4, "window_bytes": 8 << 20}
    other = recipes.apply_template(recipes.loads(TEXT), "train", files=9)
    assert other.rules[0]["actions"][0]["parameters"]["files"] == 9
    assert other.document["rules"][0]["actions"][0]["parameters"]["files"] == 9


def test_settings_select_a_template(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "t.yaml"
    path.write_text(TEXT + "settings: {template: train}\n")
    assert [rule["id"] for rule in recipes.load(str(path)).rules] == ["fetch"]
    chosen = recipes.resolve(LayerRequest(recipe=str(path), sets=("files=7",)))
    assert chosen.rules[0]["actions"][0]["parameters"]["files"] == 7


def test_what_applies_can_be_written_without_its_template() -> None:
    recipe = recipes.loads(TEXT + "settings: {template: train}\n")
    assert "templates" in recipe.document
    again = recipes.loads(recipes.dump(recipe.effective, ""))
    assert again.rules[0]["actions"] == recipe.rules[0]["actions"]
    assert [rule["id"] for rule in again.rules] == ["fetch"]


def test_without_a_selection_rules_with_parameters_wait() -> None:
    recipe = recipes.loads(TEXT)
    assert [rule["id"] for rule in recipe.rules] == ["other"]
    assert {warning.code for warning in recipe.warnings} == {"MLO241", "MLO243"}


def test_a_reference_within_a_text_is_written_out() -> None:
    text = recipe_text("{number: 16}", PREFETCH.format('window_bytes: "${number}MiB"'))
    recipe = recipes.apply_template(recipes.loads(text), "train")
    assert recipe.rules[0]["actions"][0]["parameters"]["window_bytes"] == 16 << 20


def test_a_parameter_may_use_another() -> None:
    text = recipe_text("{number: 2, window: '${number}MiB'}", PREFETCH.format("window_bytes: '${window}'"))
    recipe = recipes.apply_template(recipes.loads(text), "train", number=3)
    assert recipe.rules[0]["actions"][0]["parameters"]["window_bytes"] == 3 << 20


def test_a_framework_sets_parameters_of_the_templates_that_it_selects() -> None:
    more = "frameworks:\n  pytorch: {templates: [train], parameters: {files: 6}}\n"
    recipe = recipes.loads(TEXT + more)
    assert [rule["id"] for rule in recipe.rules] == ["other"]


@pytest.mark.parametrize(
    ("text", "code", "at", "says"),
    [
        pytest.param(
            recipe_text("{files: 4}", PREFETCH.format("files: '${fils}'")),
            "MLO172",
            "'${fils}'",
            "Did you mean '${files}'?",
            id="unknown parameter",
        ),
        pytest.param(
            TEXT.replace(
                "{type: cache, parameters: {policy: lru}}", "{type: cache, parameters: {share: '${x}'}}"
            ),
            "MLO172",
            "'${x}'",
            "outside of a template",
            id="outside of a template",
        ),
        pytest.param(
            recipe_text("{a: '${b}', b: '${a}'}", PREFETCH.format("files: '${a}'")),
            "MLO174",
            "'${b}'",
            "a -> b -> a",
            id="circle",
        ),
        pytest.param(
            recipe_text("{files: {type: int, default: many}}", PREFETCH.format("files: '${files}'")),
            "MLO173",
            "many",
            "a whole number",
            id="default of another type",
        ),
        pytest.param(
            recipe_text("{files: {type: int, default: 4, max: 3}}", PREFETCH.format("files: '${files}'")),
            "MLO173",
            "4",
            "at most 3",
            id="default out of range",
        ),
        pytest.param(
            recipe_text("{mode: {type: text, default: a, choices: [b]}}", PREFETCH.format("mode: '${mode}'")),
            "MLO173",
            "a,",
            "one of b",
            id="no choice",
        ),
        pytest.param(
            recipe_text("{files: {type: itn, default: 4}}", PREFETCH.format("files: '${files}'")),
            "MLO173",
            "itn",
            "type",
            id="unknown type",
        ),
        pytest.param(
            TEXT.replace("rules: [fetch]", "rules: [fetsh]"),
            "MLO170",
            "fetsh",
            "Did you mean 'fetch'?",
            id="unknown rule",
        ),
        pytest.param(
            TEXT + "  - id: late\n    conditions: []\n".replace("late", "fetch"),
            "MLO140",
            "fetch",
            "taken",
            id="rule id twice",
        ),
    ],
)
def test_each_problem_is_found_and_placed(text: str, code: str, at: str, says: str) -> None:
    found = [each for each in findings(text) if each.code == code]
    assert found, [str(each) for each in findings(text)]
    assert says in f"{found[0].message}. {found[0].do}"
    assert found[0].mark is not None
    assert text.splitlines()[found[0].mark.line - 1][found[0].mark.column - 1 :].startswith(at)


def test_a_parameter_that_no_rule_uses_is_named_at_its_key() -> None:
    text = recipe_text("{files: 4, nodes: 8}", PREFETCH.format("files: '${files}'"))
    (found,) = [each for each in findings(text) if each.code == "MLO242"]
    assert "'nodes'" in found.message
    assert found.line_text[(found.mark.column if found.mark else 0) - 1 :].startswith("nodes")


def test_a_value_that_does_not_fit_its_parameter_is_refused() -> None:
    found = [each.code for each in findings(TEXT, files="many") if each.severity == "error"]
    assert "MLO173" in found


def test_a_template_id_that_comes_twice_is_an_error() -> None:
    text = TEXT.replace("rules:\n  - id: fetch", "  - {id: train}\nrules:\n  - id: fetch")
    assert "MLO176" in [each.code for each in findings(text)]


def test_applying_an_unknown_template_is_an_error() -> None:
    with pytest.raises(RecipeError, match="no template 'trian'"):
        recipes.apply_template(recipes.loads(TEXT), "trian")


def test_a_strategy_is_a_bundle_of_defaults() -> None:
    more = """settings: {default_strategy: careful, confidence_threshold: 0.9}
strategies:
  careful:
    settings: {confidence_threshold: 0.7, max_concurrent_rules: 2}
    templates: [train]
    parameters: {files: 3}
"""
    recipe = recipes.loads(TEXT + more)
    assert recipe.settings.confidence_threshold == 0.9  # what is written covers the strategy
    assert recipe.settings.max_concurrent_rules == 2
    assert [rule["id"] for rule in recipe.rules] == ["fetch"]
    assert recipe.rules[0]["actions"][0]["parameters"]["files"] == 3


def test_an_unknown_strategy_is_an_error() -> None:
    more = "settings: {default_strategy: carful}\nstrategies: {careful: {}}\n"
    found = [each for each in findings(TEXT + more) if each.code == "MLO171"]
    assert "Did you mean 'careful'?" in str(found[0])
