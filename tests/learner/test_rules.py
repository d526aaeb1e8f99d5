"""Learned rules as the engine sees them: a rule fires on its class and on nothing else."""

import os
from dataclasses import replace

import numpy as np
import pytest

from learner.classes import classify
from learner.conditions import verdicts, weigh_rules
from learner.features import file_features
from learner.reasons import describe_class
from learner.rules import LearnedRule, conditions, recipe_document, weigh
from learner.treatments import Treatment
from learner.weights import RuleWeights
from mlopt_engine import Rules
from recipes import compile_plan, dump, loads


def treated(job) -> tuple:
    table = file_features([job])
    return table, [Treatment(found, "pinned", 0.1) for found in classify(table)]


def by_all_conditions(treatments):
    rules = [
        LearnedRule(t, tuple(conditions(t.target)), RuleWeights((1.0,) * len(conditions(t.target)), 1.0, ""))
        for t in treatments
    ]
    return recipe_document(rules, name="test", description="")


def fired(document, table) -> list[set[int]]:
    """Rows on which each rule of a recipe fires."""
    engine = Rules(compile_plan(loads(dump(document, ""), "test"), memory_bytes=1 << 30).json)
    import json

    rows: list[set[int]] = [set() for _ in document["rules"]]
    for row, (path, size) in enumerate(zip(table["path"], table["size"], strict=True)):
        for rule in json.loads(engine.explain(os.fsencode(path), int(size)))["rules"]:
            if rule["fires"]:
                rows[rule["rule"]].add(row)
    return rows


JOBS = {
    "the demo": lambda group: [
        group("index.json", 1, 40_000, "same"),
        group("archive/corpus.bin", 1, 80 << 20, "same", epochs=(0,)),
        group("train/{1}/{0:04}.png", 60, 100_000),
        group("val/{:04}.png", 40, 100_000, "same"),
    ],
    "files at the top and below": lambda group: [
        group("{}.npy", 20, 5000),
        group("once/{}.npy", 20, 5000, epochs=(0,)),
    ],
    "names that globs would misread": lambda group: [
        group("a[1]*?/x{}.bin", 20, 5000),
        group("a1/x{}.bin", 20, 5000, epochs=(0,)),
    ],
    "two sizes below one directory": lambda group: [
        group("d/s{}.bin", 20, 5000),
        group("d/l{}.bin", 2, 80 << 20, "same", epochs=(1,)),
    ],
    "names without extension": lambda group: [
        group("d/f{}", 20, 5000),
        group("d/g{}.txt", 20, 5000, epochs=(0,)),
    ],
}


@pytest.mark.parametrize("kind", JOBS)
def test_all_conditions_together_fit_the_class_alone(kind: str, make_job, group) -> None:
    table, treatments = treated(make_job(JOBS[kind](group), epochs=3))
    rows = fired(by_all_conditions(treatments), table)
    assert len(treatments) >= 2
    for treatment, found in zip(treatments, rows, strict=True):
        assert found == set(treatment.target.members)


@pytest.mark.parametrize("kind", JOBS)
def test_learned_weights_and_thresholds_fit_the_class_alone(kind: str, make_job, group) -> None:
    table, treatments = treated(make_job(JOBS[kind](group), epochs=3))
    gains = [np.isin(np.arange(len(table)), t.target.members) for t in treatments]
    everything = np.ones(len(table), dtype=bool)
    weights = weigh_rules(by_all_conditions(treatments), table, gains, everything, seed=0)
    document = recipe_document(
        [weigh(t, w) for t, w in zip(treatments, weights, strict=True)], name="test", description=""
    )
    for treatment, found in zip(treatments, fired(document, table), strict=True):
        assert found == set(treatment.target.members)
    assert all(0 < c["weight"] <= 1 for rule in document["rules"] for c in rule["conditions"])


def test_a_directory_that_is_no_utf8_still_matches(make_job, group) -> None:
    job = make_job([group("d/f{}.x", 20, 5000), group("e/f{}.x", 20, 5000, epochs=(0,))], epochs=3)
    paths = [path.replace(b"d/", b"d\xff/") for path in job.files.path]
    job = replace(job, files=replace(job.files, path=paths))
    table, treatments = treated(job)
    rows = fired(by_all_conditions(treatments), table)
    assert rows == [set(t.target.members) for t in treatments]


def test_verdicts_follow_the_order_of_the_conditions(make_job, group) -> None:
    table, treatments = treated(make_job(JOBS["the demo"](group), epochs=3))
    document = by_all_conditions(treatments)
    for rule, truth in zip(document["rules"], verdicts(document, table, np.arange(len(table))), strict=True):
        for column, condition in enumerate(rule["conditions"]):
            if condition["property"] == "extension":
                assert (truth[:, column] == (table["extension"] == condition["value"])).all()


def test_base_rules_follow_with_lower_priority(make_job, group) -> None:
    _, treatments = treated(make_job(JOBS["the demo"](group), epochs=3))
    base = {"rules": [{"id": "mine", "priority": 90, "conditions": [], "actions": []}]}
    rules = [weigh(t, RuleWeights((1.0,) * len(conditions(t.target)), 1.0, "")) for t in treatments]
    document = recipe_document(rules, name="n", description="", base=base)
    assert document["rules"][-1]["id"] == "mine"
    assert all(rule["priority"] > 90 for rule in document["rules"][:-1])


def test_classes_are_described_in_words(demo_job) -> None:
    described = {found.name: describe_class(found) for found in classify(file_features([demo_job]))}
    assert described["train-png"] == (
        "300 .png files below train/ (28.6 MiB), read in each epoch in shuffled order"
    )
    assert described["archive-bin"] == "1 .bin file in archive/ (80.0 MiB), read once from front to back"
