"""Small steps downhill."""

from learner.refine import Limits, Setting, neighbours, refine
from learner.treatments import Choice

LIMITS = Limits(usable_bytes=100, needs={"images": 200, "checks": 20})
START = Setting(Choice(stage_ratio=0.5, depth=8), (("images", 100),))


def test_steps_stay_within_the_budget_and_leave_the_start() -> None:
    found = list(neighbours(START, LIMITS))
    assert START not in found
    assert all(sum(size for _, size in setting.held) <= 100 for setting in found)
    assert (("checks", 20), ("images", 80)) in [setting.held for setting in found]


def test_blocks_are_made_smaller_and_larger_within_reason() -> None:
    def blocks(size: int) -> set[int]:
        start = Setting(Choice(block_bytes=size << 10), START.held)
        return {setting.choice.block_bytes >> 10 for setting in neighbours(start, LIMITS)} - {size}

    assert blocks(256) == {128, 512}
    assert blocks(64) == {128}
    assert blocks(0) == set()


def test_a_class_held_whole_can_be_given_up() -> None:
    start = Setting(Choice(), (("checks", 20), ("images", 80)))
    held = [setting.held for setting in neighbours(start, LIMITS)]
    assert (("images", 100),) in held


def test_walk_ends_at_the_lowest_neighbour() -> None:
    # lowest at depth 4, a staged share of .7, and the checks held
    def cost(setting: Setting) -> float:
        held = dict(setting.held)
        return (
            10
            + abs(setting.choice.depth - 4)
            + 10 * abs(setting.choice.stage_ratio - 0.7)
            + (0 if held.get("checks") == 20 else 1)
        )

    found, lowest = refine(START, LIMITS, cost)
    assert (found.choice.depth, found.choice.stage_ratio) == (4, 0.7)
    assert dict(found.held)["checks"] == 20
    assert lowest == cost(found)


def test_nothing_changes_without_a_gain() -> None:
    assert refine(START, LIMITS, lambda _: 1.0) == (START, 1.0)
