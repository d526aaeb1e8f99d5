"""The greedy knapsack over classes."""

import pytest

from learner.labels import Item, allocate


def linear(values: dict[str, float], base: float = 100.0):
    """Epoch time when each byte of a class saves a fixed time."""

    def measure(held) -> float:
        return base - sum(values[name] * size for name, size in held.items())

    return measure


def test_budget_goes_to_the_best_class_first_and_the_rest_to_the_next() -> None:
    found = allocate([Item("slow", 60), Item("fast", 40)], 70, linear({"slow": 0.5, "fast": 1.0}))
    assert found.bytes == {"fast": 40, "slow": 30}
    assert found.epoch_s == pytest.approx(100 - 40 - 15)
    assert found.first_gain["fast"].saved_s / found.first_gain["fast"].bytes == pytest.approx(1.0)


def test_a_class_without_gain_gets_nothing() -> None:
    found = allocate([Item("once", 50), Item("hot", 10)], 100, linear({"once": 0.0, "hot": 1.0}))
    assert found.bytes == {"hot": 10}


def test_falling_gains_move_the_budget_to_the_other_class() -> None:
    # a is worth 1 per byte for its first 20 bytes only
    def measure(held) -> float:
        return 100 - min(held.get("a", 0), 20) - 0.4 * held.get("b", 0)

    found = allocate([Item("a", 100), Item("b", 100)], 60, measure)
    assert found.bytes == {"a": 20, "b": 40}


def test_nothing_gains_when_storage_is_not_what_the_job_waits_for() -> None:
    found = allocate([Item("a", 100)], 60, lambda _: 10.0)
    assert found.bytes == {}
    assert found.epoch_s == found.baseline_s == 10.0
