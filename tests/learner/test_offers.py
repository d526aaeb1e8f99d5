"""What ships, as candidates."""

import json

import pytest

import recipes
from learner.offers import declared, frameworks_of, offers, template_offer
from learner.runs import make_run
from recipes.named import named


def runs_of(make_job, group, name: str):
    job = make_job([group(name, 8, 3 << 20)], epochs=3)
    return [make_run(job, name="a", sha256="0" * 64)]


def plan_of(document: dict) -> dict:
    text = recipes.dump(document, "")
    return json.loads(recipes.compile_plan(recipes.loads(text), memory_bytes=64 << 20).json)


def test_all_that_ships_is_offered_once_and_compiles(make_job, group) -> None:
    found = list(offers(runs_of(make_job, group, "shard-{:04}.tar"), {"staleness": "immutable"}, "default"))
    names = [offer.name for offer in found]
    assert len(names) == len(set(names))
    assert {f"template {name}" for name in named().entries("templates")} <= set(names)
    assert {"framework webdataset", "recipe lru", "recipe stream-once"} <= set(names)
    assert "recipe default" not in names
    for offer in found:
        plan = plan_of({"name": "x", **offer.document})
        assert plan["rules"]
        assert plan["staleness_ns"] == (1 << 64) - 1  # the settings to build on hold for all


def test_rules_of_a_framework_say_where_they_come_from(make_job, group) -> None:
    found = {o.name: o for o in offers(runs_of(make_job, group, "shard-{:04}.tar"), {}, "default")}
    rules = found["framework webdataset"].document["rules"]
    assert {rule["metadata"]["origin"] for rule in rules} == {"framework webdataset"}


@pytest.mark.parametrize(
    ("name", "framework"),
    [("shard-{:04}.tar", "webdataset"), ("train-{:05}-of-00008.tfrecord", "tensorflow"), ("{}.xyz", None)],
)
def test_names_tell_the_framework(name: str, framework: str | None, make_job, group) -> None:
    found = frameworks_of(runs_of(make_job, group, name))
    assert found[:1] == ([framework] if framework else [])


def test_parameters_of_a_template_reach_the_plan() -> None:
    def shares(offer) -> set[float]:
        rules = plan_of(offer.document)["rules"]
        return {action["parameters"].get("share") for rule in rules for action in rule["actions"]}

    assert declared("training")["keep"].default == 0.5
    assert 0.65 in shares(template_offer("training", {}, {"keep": 0.65}))
    assert 0.65 not in shares(template_offer("training", {}, {}))
