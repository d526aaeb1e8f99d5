"""What ships against what was searched."""

import pytest

from learner.contest import STEPS, TIE, Contest, Entrant, best_of
from learner.contest import _steps as steps
from learner.evidence import Evidence
from learner.judge import World
from learner.offers import offers, template_offer
from learner.runs import make_run
from recipes.schema import ParameterModel
from simulator.fuse_costs import FuseCosts
from simulator.storage import StorageModel

SLOW = StorageModel("slow", 5e6, 0.2, 5e6, 60e6, 60e6, 16, request_bytes=1 << 17)


def entrant(name: str, training: float = 0.5) -> Entrant:
    return Entrant(name, "template", {}, training)


def test_the_fastest_on_the_holdout_wins_and_ties_go_to_the_first() -> None:
    entrants = [entrant("searched"), entrant("template a"), entrant("template b")]
    near = {"searched": 1.0 + TIE / 2, "template a": 1.0, "template b": 1.2}
    assert best_of(entrants, near).name == "searched"
    assert best_of(entrants, near | {"template a": 0.9}).name == "template a"


@pytest.mark.parametrize(
    ("shape", "value", "expected"),
    [
        ({"type": "number", "min": 0, "max": 1}, 0.9, [0.7, 0.8, 1.0]),
        ({"type": "int", "min": 1, "max": 256}, 1, [2]),
        ({"type": "int", "min": 1, "max": 256}, 32, [16, 64]),
        ({"type": "text"}, "a", []),
    ],
)
def test_parameters_stay_in_their_ranges(shape: dict, value: object, expected: list) -> None:
    assert list(steps(ParameterModel.model_validate(shape), value)) == expected


def test_offers_meet_in_training_and_a_near_template_is_tuned(make_job, group) -> None:
    job = make_job([group("train/{:04}.png", 150, 100_000)], epochs=4, workers=4)
    run = make_run(job, name="a", sha256="0" * 64)
    world = World(SLOW, FuseCosts.default(), cpus=2, memory_bytes=8_000_000, seeds=(1, 2))
    asked: list[int] = []
    contest = Contest(Evidence([run], world, seed=0, jobs=1), 1, lambda: asked.append(1))
    plain = contest.evidence.cost(template_offer("training", {}, {}).document, 3).score
    found = contest.meet([entrant("searched", plain)], list(offers([run], {}, "default")))
    assert found[0].name == "searched"
    by_name = {each.name: each for each in found}
    assert len(by_name) == len(found)
    training = by_name["template training"]
    assert training.training <= plain * 1.01
    assert training.is_finalist
    assert not by_name["recipe lru"].is_finalist
    assert len(found) < len(asked) < len(found) * (STEPS + 2) * 3
