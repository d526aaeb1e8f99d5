"""Successive halving."""

from learner.search import successive_halving


def test_the_best_candidate_wins_and_few_reach_the_last_rung() -> None:
    calls: list[tuple[int, int]] = []

    def score(candidate: int, rung: int) -> float:
        calls.append((candidate, rung))
        return abs(candidate - 17) + 1.0

    ranked = successive_halving(range(30), score, rungs=3)
    assert ranked[0].candidate == 17
    assert [sum(rung == r for _, rung in calls) for r in range(3)] == [30, 10, 3]


def test_the_simpler_candidate_wins_within_the_tolerance() -> None:
    ranked = successive_halving([10.0, 9.99, 5.0], lambda c, _: 1 + c / 1e6, rungs=1, tolerance=0.01)
    assert ranked[0].candidate == 10.0


def test_threads_and_one_thread_agree() -> None:
    score = lambda candidate, rung: (candidate * 7919) % 101 + rung  # noqa: E731
    alone = successive_halving(range(40), score, rungs=2)
    together = successive_halving(range(40), score, rungs=2, jobs=2)
    assert [s.candidate for s in alone] == [s.candidate for s in together]
