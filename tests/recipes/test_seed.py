"""The YAML blocks of the ancestor's README load as they stand, and its own rules score as it published."""

import json
from pathlib import Path

import pytest
import yaml

import recipes
from mlopt_engine import Rules
from recipes import RecipeError
from recipes.actions import ACTIONS

DATA = Path(__file__).parent.parent / "data"
BLOCKS = sorted((DATA / "seed_blocks").glob("*.yaml"))
GRAMMAR = "07_rule_structure"
UPSTREAM = sorted((DATA / "upstream").glob("*.yaml"))
LIBRARY = Path(recipes.__file__).parent / "library" / "rules" / "ancestor.yaml"


def test_there_are_thirteen_blocks() -> None:
    assert len(BLOCKS) == 13


@pytest.mark.parametrize(
    "block", [each for each in BLOCKS if each.stem != GRAMMAR], ids=lambda path: path.stem
)
def test_each_block_loads_as_it_is_printed(block: Path) -> None:
    recipe = recipes.load(str(block))
    assert [warning for warning in recipe.warnings if warning.severity == "error"] == []
    plan = json.loads(recipes.compile_plan(recipe, memory_bytes=1 << 30).json)
    written = yaml.safe_load(block.read_text())
    # What frameworks and profiles name comes from the library, with the conditions that it belongs there.
    sections = [*written.get("frameworks", {}).values(), *written.get("hardware_profiles", {}).values()]
    named = [rule for each in sections for rule in [*each.get("rules", []), *each.get("optimizations", [])]]
    assert [rule["id"] for rule in plan["rules"]] == [rule["id"] for rule in written.get("rules", [])] + named
    belonging = [rule for rule in plan["rules"] if rule["id"] in named]
    assert all(rule["conditions"][-1]["required"] for rule in belonging)
    json.loads(Rules(json.dumps(plan)).decide(b"a/model.pth", 2 << 30))


def test_the_grammar_sketch_is_refused_where_it_is_no_recipe() -> None:
    with pytest.raises(RecipeError) as refusal:
        recipes.load(str(DATA / "seed_blocks" / f"{GRAMMAR}.yaml"))
    (error,) = [finding for finding in refusal.value.findings if finding.severity == "error"]
    assert "weight" in error.message
    assert "0.0-1.0" in error.message
    assert error.mark is not None
    assert error.line_text[error.mark.column - 1 :].startswith("0.0-1.0")


def test_the_seeds_pytorch_rule_keeps_and_fetches_ahead() -> None:
    recipe = recipes.load(str(DATA / "seed_blocks" / "12_migration.yaml"))
    decision = json.loads(Rules(plan_of(recipe)).decide(b"models/a.pth", 10 << 20))
    assert decision["cache"] is not None
    assert decision["prefetch"]["window_bytes"] == 65536
    assert json.loads(Rules(plan_of(recipe)).decide(b"models/a.csv", 10 << 20))["cache"] is None


def plan_of(recipe: recipes.Recipe) -> str:
    return recipes.compile_plan(recipe, memory_bytes=1 << 30).json


@pytest.mark.parametrize("file", UPSTREAM, ids=lambda path: path.stem)
def test_upstreams_files_load_and_every_action_becomes_something(file: Path) -> None:
    recipe = recipes.load(str(file))
    written = yaml.safe_load(file.read_text())["rules"]
    assert [rule["id"] for rule in recipe.rules] == [rule["id"] for rule in written]
    said = " ".join(warning.message for warning in recipe.warnings)
    for rule, source in zip(recipe.rules, written, strict=True):
        for action in source["actions"]:
            assert rule["actions"] or f"'{action['type']}'" in said, rule["id"]
        assert {action["type"] for action in rule["actions"]} <= set(ACTIONS)


# Score when only the named property of the file holds; sizes are small, nobody knows of a job.
SCORES = [
    ("defaults", "large_model_streaming", b"m.pth", 0.9 / 1.9),
    ("custom_ml_optimization", "large_model_chunked_loading", b"m.pth", 1.0 / 1.9),
    ("defaults", "tfrecord_streaming_optimization", b"a.tfrecord", 1.0 / 1.9),
    ("defaults", "dataset_batch_optimize", b"a.csv", 0.9 / (0.9 + 0.8)),
    ("defaults", "pytorch_model_caching", b"a.pt", 1.0 / 1.8),
    ("defaults", "tensorflow_savedmodel_caching", b"m/variables/x", 1.0 / 1.8),
    ("defaults", "ml_file_type_optimization", b"a/checkpoint.bin", 1.0),
    ("pytorch_optimized", "pytorch_checkpoint_handling", b"checkpoint-1.pth", 1.0 / 1.9),
]


@pytest.mark.parametrize(("file", "rule", "path", "score"), SCORES, ids=[each[1] for each in SCORES])
def test_scores_by_what_a_file_alone_tells(file: str, rule: str, path: bytes, score: float) -> None:
    recipe = recipes.load(str(DATA / "upstream" / f"{file}.yaml"))
    explained = json.loads(Rules(plan_of(recipe)).explain(path, 1000))
    (found,) = [each for each in explained["rules"] if each["id"] == rule]
    assert found["score"] == score
    threshold = recipe.settings.confidence_threshold
    assert found["fires"] == (score > threshold or score == 1.0)


def test_every_rule_that_the_seed_names_ships() -> None:
    shipped = {rule["id"] for rule in yaml.safe_load(LIBRARY.read_text())["rules"]}
    named: set[str] = set()
    for block in BLOCKS:
        document = yaml.safe_load(block.read_text())
        for template in document.get("templates", []):
            named |= set(template["rules"])
        for framework in document.get("frameworks", {}).values():
            named |= set(framework["rules"])
        for profile in document.get("hardware_profiles", {}).values():
            named |= set(profile["optimizations"])
    assert len(named) > 10
    assert named <= shipped


def test_the_rules_that_ship_say_what_they_do_and_only_what_no_file_system_can_do_is_advisory() -> None:
    recipe = recipes.load(str(LIBRARY))
    assert all(rule.description for rule in recipe.model.rules)
    empty = {rule["id"] for rule in recipe.rules if not rule["actions"]}
    assert empty == {"gpu_memory_pooling", "experiment_tracking"}
