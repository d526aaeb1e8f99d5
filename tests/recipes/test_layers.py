"""Layers around a recipe: what covers what, where it came from, and that nothing is skipped in silence."""

from pathlib import Path

import pytest

import recipes
from recipes import LayerRequest, RecipeError

# The layout that the ancestor's README shows.
FILES = {
    "default/base_rules.yaml": """\
version: "1"
name: base rules
settings: {confidence_threshold: 0.6, debug: false}
rules:
  - id: keep
    priority: 10
    conditions: [{type: file_context, property: size, operator: less_than, value: 8MiB}]
    actions: [{type: cache, parameters: {policy: lru}}]
  - id: fetch
    conditions: [{type: file_context, property: type, value: dataset}]
    actions: [{type: prefetch, parameters: {mode: sequential, window_bytes: "${window}"}}]
""",
    "default/base_templates.yaml": """\
version: "1"
name: base templates
templates:
  - {id: training, rules: [keep, fetch], parameters: {window: 16MiB}}
""",
    "frameworks/pytorch.yaml": """\
version: "1"
name: pytorch
rules:
  - id: models
    conditions: [{type: file_context, property: extension, value: [pt, pth]}]
    actions: [{type: cache, parameters: {policy: pinned}}]
""",
    "frameworks/tensorflow.yaml": 'version: "1"\nname: tensorflow\nrules: []\n',
    "environments/production.yaml": """\
version: "1"
name: production
settings: {debug: true, max_concurrent_rules: 7}
rules:
  - id: keep
    priority: 20
    conditions: [{type: file_context, property: size, operator: less_than, value: 16MiB}]
    actions: [{type: cache, parameters: {policy: fifo}}]
""",
    "custom/my_optimization.yaml": 'version: "1"\nname: mine\nsettings: {max_concurrent_rules: 3}\n',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def refused(request: LayerRequest) -> list[recipes.Finding]:
    with pytest.raises(RecipeError) as caught:
        recipes.resolve(request)
    return [finding for finding in caught.value.findings if finding.severity == "error"]


def test_the_layout_of_the_ancestor_resolves_weakest_first(folder: Path) -> None:
    recipe = recipes.resolve(
        LayerRequest(config_dir=folder, frameworks=("pytorch",), environment="production")
    )
    assert recipe.name == "mine"
    assert recipe.settings.confidence_threshold == 0.6  # default
    assert recipe.settings.debug is True  # environment over default
    assert recipe.settings.max_concurrent_rules == 3  # custom over environment
    assert [rule["id"] for rule in recipe.rules if not rule["id"].startswith("pytorch_")] == [
        "keep",
        "models",
    ]
    assert recipe.rules[0]["priority"] == 20
    assert recipe.rules[0]["origin"] == {"layer": "environment", "file": "production.yaml", "line": 5}
    assert [rule["order"] for rule in recipe.rules] == list(range(len(recipe.rules)))
    assert {rule["id"]: rule["origin"]["layer"] for rule in recipe.rules}["models"] == "framework"


def test_a_replaced_rule_keeps_a_note_of_what_it_replaced(folder: Path) -> None:
    recipe = recipes.resolve(LayerRequest(config_dir=folder, environment="production"))
    origins = {key: [str(origin) for origin in origins] for key, _, origins in recipe.origins()}
    assert origins["rules.keep"] == [
        f"environment ({folder}/environments/production.yaml:5)",
        f"built-in ({folder}/default/base_rules.yaml:5)",
    ]
    assert origins["settings.max_concurrent_rules"] == [
        f"custom ({folder}/custom/my_optimization.yaml:3)",
        f"environment ({folder}/environments/production.yaml:3)",
    ]
    assert origins["settings.staleness"] == ["default"]


def test_flags_are_the_strongest_layer(folder: Path) -> None:
    sets = ("max_concurrent_rules=2", "settings.debug=false", "window=32MiB")
    request = LayerRequest(config_dir=folder, environment="production", templates=("training",), sets=sets)
    recipe = recipes.resolve(request)
    assert (recipe.settings.max_concurrent_rules, recipe.settings.debug) == (2, False)
    origins = {key: (value, str(each[0])) for key, value, each in recipe.origins()}
    assert origins["settings.debug"] == (False, "flags (--set:2)")
    assert origins["parameters.window"] == ("32MiB", "flags (--set:3)")
    assert recipe.rules[1]["actions"][0]["parameters"]["window_bytes"] == 32 << 20


@pytest.mark.parametrize(
    ("flag", "code", "column"),
    [
        pytest.param("debug=3", "MLO122", 7, id="wrong type"),
        pytest.param("settings.debg=true", "MLO120", 1, id="unknown setting"),
        pytest.param("debug=yes", "MLO111", 7, id="YAML 1.1 trap"),
        pytest.param("debug", "MLO178", 1, id="no value"),
        pytest.param("=3", "MLO178", 1, id="no key"),
        pytest.param("debug=[", "MLO103", 7, id="no YAML"),
        pytest.param("nodes=3", "MLO172", 1, id="no such parameter"),
    ],
)
def test_a_flag_that_cannot_be_used_is_shown_where_it_is_wrong(
    folder: Path, flag: str, code: str, column: int
) -> None:
    found = refused(LayerRequest(config_dir=folder, sets=("seed=1", flag)))
    assert [(each.code, each.file) for each in found] == [(code, "--set")]
    assert found[0].mark is not None
    assert (found[0].mark.line, found[0].mark.column) == (2, column)
    assert found[0].line_text == flag


def test_one_key_cannot_be_set_twice(folder: Path) -> None:
    found = refused(LayerRequest(config_dir=folder, sets=("debug=true", "settings.debug=false")))
    assert [each.code for each in found] == ["MLO178"]


def test_a_broken_file_is_an_error_also_where_it_is_not_selected(folder: Path) -> None:
    (folder / "frameworks/tensorflow.yaml").write_text("rules:\n  - id: a\n    priorty: 3\n")
    (folder / "environments/staging.yml").write_text("a: [")
    found = refused(LayerRequest(config_dir=folder, frameworks=("pytorch",)))
    assert {(each.code, each.where) for each in found} >= {
        ("MLO120", f"{folder}/frameworks/tensorflow.yaml:3:5"),
        ("MLO103", f"{folder}/environments/staging.yml:1:4"),
    }


def test_errors_of_several_layers_are_reported_at_once(folder: Path) -> None:
    (folder / "custom/my_optimization.yaml").write_text("setings: {}\n")
    (folder / "default/base_rules.yaml").write_text("settings: {debug: 7}\n")
    files = {each.file for each in refused(LayerRequest(config_dir=folder))}
    assert files >= {f"{folder}/custom/my_optimization.yaml", f"{folder}/default/base_rules.yaml"}


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        pytest.param({"environment": "prodction"}, "Did you mean 'production'?", id="environment"),
        pytest.param({"frameworks": ("pytoch",)}, "Did you mean 'pytorch'?", id="framework"),
        pytest.param({"templates": ("trainig",)}, "Did you mean 'training'?", id="template"),
        pytest.param({"hardware": ("gpu",)}, "no hardware profile 'gpu'", id="hardware"),
    ],
)
def test_an_unknown_selection_is_an_error(folder: Path, request_: dict[str, str], says: str) -> None:
    found = refused(LayerRequest(config_dir=folder, **request_))  # type: ignore[arg-type]
    assert [each.code for each in found] == ["MLO171"]
    assert says in f"{found[0]}"


def test_what_is_no_layer_is_named(folder: Path) -> None:
    (folder / "framework").mkdir()
    (folder / "frameworks/notes.txt").write_text("x")
    (folder / "frameworks/pytorch.json").write_text("{}")
    (folder / ".git").mkdir()
    found = refused(LayerRequest(config_dir=folder))
    assert {(each.code, each.file) for each in found} == {
        ("MLO177", f"{folder}/framework"),
        ("MLO177", f"{folder}/frameworks/pytorch.yaml"),
    }
    (folder / "framework").rmdir()
    (folder / "frameworks/pytorch.json").unlink()
    recipe = recipes.resolve(LayerRequest(config_dir=folder))
    assert [each.file for each in recipe.warnings if each.code == "MLO246"] == [
        f"{folder}/frameworks/notes.txt"
    ]


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    assert [each.code for each in refused(LayerRequest(config_dir=tmp_path / "none"))] == ["MLO177"]


def test_a_recipe_alone_means_what_it_says(tmp_path: Path) -> None:
    plain = recipes.resolve(LayerRequest(recipe="lru"))
    assert plain.rules == recipes.load("lru").rules
    assert plain.document == recipes.load("lru").document
    assert [
        rule["id"] for rule in recipes.resolve(LayerRequest(recipe="lru", config_dir=tmp_path)).rules
    ] == ["lru-everything"]
    # without a recipe, the shipped default is the built-in layer of a folder that brings none
    assert recipes.resolve(LayerRequest(config_dir=tmp_path)).rules == recipes.load("default").rules


def test_the_named_recipe_covers_the_custom_folder(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text('version: "1"\nname: train\nsettings: {max_concurrent_rules: 9}\n')
    recipe = recipes.resolve(LayerRequest(recipe=str(path), config_dir=folder))
    assert (recipe.name, recipe.settings.max_concurrent_rules) == ("train", 9)


def test_a_resolved_document_reads_back_to_the_same_plan(folder: Path) -> None:
    request = LayerRequest(config_dir=folder, templates=("training",), sets=("window=4MiB",))
    recipe = recipes.resolve(request)
    again = recipes.loads(recipes.dump(recipe.document, ""))

    def essence(rules: tuple[dict[str, object], ...]) -> list[dict[str, object]]:
        return [{key: value for key, value in rule.items() if key != "origin"} for rule in rules]

    assert essence(again.rules) == essence(recipe.rules)
    assert again.settings == recipe.settings


def test_resolving_twice_gives_the_same_plan(folder: Path) -> None:
    request = LayerRequest(config_dir=folder, environment="production", frameworks=("pytorch",))
    plans = {recipes.compile_plan(recipes.resolve(request), memory_bytes=1 << 30).json for _ in range(2)}
    assert len(plans) == 1


def test_the_framework_is_found_in_the_data(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04" + b"\0" * 26 + b"archive/data.pkl")
    (tmp_path / "other.pth").write_bytes(b"PK\x03\x04" + b"\0" * 26 + b"archive/data.pkl")
    recipe = recipes.resolve(LayerRequest(recipe="lru", frameworks=("auto",), tree=tmp_path))
    assert recipe.together.selection.frameworks == ("pytorch",)
    assert "pytorch_model_caching" in [rule["id"] for rule in recipe.rules]
    (tmp_path / "model.pt").unlink()
    (tmp_path / "other.pth").unlink()
    recipe = recipes.resolve(LayerRequest(recipe="lru", frameworks=("auto",), tree=tmp_path))
    assert [rule["id"] for rule in recipe.rules] == ["lru-everything"]
    assert [each.code for each in recipe.warnings] == ["MLO245"]
    assert [each.code for each in refused(LayerRequest(frameworks=("auto",)))] == ["MLO171"]


def test_hints_of_the_framework_that_was_found_become_rules_with_their_origin(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"train-{number}.tfrecord").write_bytes(bytes(100))
    recipe = recipes.resolve(LayerRequest(recipe="lru", frameworks=("auto",), tree=tmp_path))
    origins = {rule["id"]: rule["origin"] for rule in recipe.rules}
    hints = {name: origin for name, origin in origins.items() if "-hint-" in name}
    assert hints, origins
    assert {(each["layer"], each["file"]) for each in hints.values()} == {
        ("framework", "plugin tensorflow (hints)")
    }
