"""Finds the best of many candidates by successive halving: all on little evidence, the leaders on more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from joblib import Parallel, delayed

#: Share of the candidates that goes on to the next rung.
SURVIVORS = 1 / 3

Candidate = TypeVar("Candidate")


@dataclass(frozen=True)
class Scored(Generic[Candidate]):
    """A candidate and what it costs.

    Attributes
    ----------
    candidate : object
        The candidate.
    score : float
        Lower is better.
    index : int
        Its place in the grid, which breaks ties: simpler candidates come first.
    rung : int
        The rung that gave the score, from 0.
    """

    candidate: Candidate
    score: float
    index: int
    rung: int


def successive_halving(
    candidates: Sequence[Candidate],
    score: Callable[[Candidate, int], float],
    *,
    rungs: int,
    jobs: int = 1,
    tolerance: float = 0.0,
) -> list[Scored[Candidate]]:
    """Score candidates on rising rungs, keeping the best third each time.

    Deterministic: candidates keep their order, ties go to the earlier one. Scoring runs in threads, which
    suits a scorer that leaves the interpreter lock; `joblib.parallel_config` moves it elsewhere.

    Parameters
    ----------
    candidates : sequence
        The grid, simpler ones first.
    score : callable
        Cost of a candidate at a rung; must not depend on the other calls.
    rungs : int
        How many rungs there are; the last one has the most evidence.
    jobs : int
        Candidates scored at once.
    tolerance : float
        At the end, the earliest candidate within this share of the best one wins.

    Returns
    -------
    list of Scored
        The candidates of the last rung, the winner first.

    References
    ----------
    .. [1] Jamieson, Talwalkar, Non-stochastic best arm identification and hyperparameter optimization,
       AISTATS 2016.
    """
    alive = list(enumerate(candidates))
    ranked: list[Scored[Candidate]] = []
    for rung in range(rungs):
        scores = Parallel(n_jobs=jobs, prefer="threads")(
            delayed(score)(candidate, rung) for _, candidate in alive
        )
        ranked = sorted(
            (Scored(c, float(s), index, rung) for (index, c), s in zip(alive, scores, strict=True)),
            key=lambda scored: (scored.score, scored.index),
        )
        keep = max(round(len(ranked) * SURVIVORS), min(2, len(ranked)))
        if rung < rungs - 1:
            kept = sorted(ranked[:keep], key=lambda scored: scored.index)
            alive = [(scored.index, scored.candidate) for scored in kept]
    limit = ranked[0].score * (1 + tolerance)
    winner = min((s for s in ranked if s.score <= limit), key=lambda scored: scored.index)
    return [winner, *(scored for scored in ranked if scored is not winner)]
