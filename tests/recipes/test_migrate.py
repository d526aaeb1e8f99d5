"""A migrated recipe says the same in canonical words: same rules, same scores, same treatment."""

import json
from pathlib import Path

import pytest

import recipes
from mlopt_cli.main import main
from mlopt_engine import Rules
from recipes.ancestor import CANONICAL
from recipes.ancestor.migrate import migrate
from recipes.source import Source

DATA = Path(__file__).parent.parent / "data"
OLD = [
    *(path for path in sorted((DATA / "seed_blocks").glob("*.yaml")) if "07_" not in path.name),
    *sorted((DATA / "upstream").glob("*.yaml")),
]
FILES = [
    *((b"m/a.pth", 10 << 20), (b"m/a.pth", 2 << 30), (b"d/a.csv", 10), (b"d/a.tfrecord", 1 << 20)),
    *((b"checkpoint.pt", 5), (b"x/variables/v", 2 << 20), (b"a.h5", 1), (b"readme.txt", 100)),
]
MIXED = """rules:
  - id: a
    conditions: [{type: file_context, property: type, value: model}]
    actions: [{type: scale_up}]
  - id: b
    conditions: [{type: file_pattern, property: name_pattern, operator: matches, value: variables/}]
    actions: [{type: cache, parameters: {framework: jax, eviction_policy: LRU}}]
templates: [{id: t, rules: [a, b]}]
"""


def decisions(recipe: recipes.Recipe) -> list[object]:
    rules = Rules(recipes.compile_plan(recipe, memory_bytes=1 << 30).json)
    found = []
    for path, size in FILES:
        explained = json.loads(rules.explain(path, size))
        scores = [(rule["id"], rule["score"], rule["fires"]) for rule in explained["rules"]]
        decision = {key: explained["decision"].get(key) for key in CANONICAL}
        found.append((scores, decision))
    return found


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.stem)
def test_it_decides_as_before_and_is_written_out(old: Path) -> None:
    before = recipes.load(str(old))
    text = migrate(Source.read(old, str(old))).text
    after = recipes.loads(text, "new.yaml")
    assert decisions(after) == decisions(before)
    assert {finding.code for finding in after.warnings} <= {finding.code for finding in before.warnings}
    assert not {finding.code for finding in after.warnings} & {"MLO210", "MLO250"}
    for rule in after.document.get("rules", []):
        assert {"id", "name", "conditions", "actions"} <= rule.keys()
        for condition in rule["conditions"]:
            assert condition.keys() >= {"type", "property", "operator", "value", "weight"}
            assert condition["type"] not in ("file_pattern", "workload_type")
        for action in rule["actions"]:
            assert action["type"] in CANONICAL
            assert action.keys() == {"type", "target", "parameters"}


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.stem)
def test_migrating_again_changes_nothing(old: Path) -> None:
    once = migrate(Source.read(old, str(old))).text
    twice = migrate(Source.of_text(once, str(old))).text
    plain = [
        [line for line in text.splitlines() if not line.strip().startswith("#")] for text in (once, twice)
    ]
    assert plain[0] == plain[1]


def test_what_has_no_effect_is_a_comment_above_its_rule_and_a_rule_of_nothing_else_is_left_out() -> None:
    text = migrate(Source.of_text(MIXED, "old.yaml")).text
    assert "# action 'scale_up' has no effect" in text
    assert "# rule 'a' is left out" in text
    assert "# cache.framework has no effect" in text
    recipe = recipes.loads(text)
    assert [rule["id"] for rule in recipe.rules] == ["b"]
    assert recipe.document["templates"][0]["rules"] == ["b"]
    assert recipe.document["rules"][0]["conditions"][0]["property"] == "path"
    assert recipe.document["rules"][0]["actions"][0]["parameters"] == {"policy": "lru"}


def test_the_command_writes_as_a_whole_and_never_over_the_old_recipe(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text((DATA / "seed_blocks" / "12_migration.yaml").read_text())
    assert main(["recipe", "migrate", str(old), "-o", str(new)]) == 0
    assert "note: cache.strategy has no effect" in capfd.readouterr().out
    assert main(["validate", str(new), "--strict"]) == 0
    assert main(["recipe", "migrate", str(old)]) == 0
    assert new.read_text() in capfd.readouterr().out
    assert main(["recipe", "migrate", str(old), "-o", str(old)]) == 2
    assert main(["recipe", "migrate", str(old), "-o", str(tmp_path / "none" / "new.yaml")]) == 2
    bad = str(DATA / "seed_blocks" / "07_rule_structure.yaml")
    assert main(["recipe", "migrate", bad, "-o", str(tmp_path / "never.yaml")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.yaml", "old.yaml"]
