"""What a job's epochs take, as one number to rank by: mostly the steady epochs, a little the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

#: A job of ten epochs spends about this share of them in the first.
FIRST_EPOCH_WEIGHT = 0.1
#: Part of the spread over seeds that counts as time: a recipe whose epochs depend on luck is not chosen.
RISK = 0.25


class EpochTimes(Protocol):
    """What `simulator.Outcome` has."""

    @property
    def epoch_s(self) -> list[float]:
        """Time of each epoch [s]."""

    @property
    def epoch_s_spread(self) -> list[float]:
        """Longest less shortest over the seeds, for each epoch [s]."""

    @property
    def steady_epoch_s(self) -> float:
        """Mean time of the epochs after the first [s]."""


@dataclass(frozen=True)
class Cost:
    """What a job's epochs take.

    Attributes
    ----------
    first : float
        The first epoch, which has no reuse [s, or a share of another cost].
    steady : float
        The mean of the epochs after it, or the first where there is one only, with a part of the spread over
        seeds [s, or a share].
    """

    first: float
    steady: float

    @property
    def score(self) -> float:
        """One number to rank by, lower is better."""
        return (1 - FIRST_EPOCH_WEIGHT) * self.steady + FIRST_EPOCH_WEIGHT * self.first

    def relative_to(self, other: Cost) -> Cost:
        """Divide by another cost.

        Parameters
        ----------
        other : Cost
            What counts as 1.

        Returns
        -------
        Cost
            Shares [1].
        """
        return Cost(self.first / max(other.first, 1e-9), self.steady / max(other.steady, 1e-9))

    @classmethod
    def of(cls, outcome: EpochTimes) -> Cost:
        """Take the cost from a simulation.

        Parameters
        ----------
        outcome : EpochTimes
            The simulation.

        Returns
        -------
        Cost
            In seconds.
        """
        spread = outcome.epoch_s_spread[1:] or outcome.epoch_s_spread
        luck = RISK * sum(spread) / len(spread)
        return cls(float(outcome.epoch_s[0]), float(outcome.steady_epoch_s) + luck)

    @classmethod
    def mean(cls, costs: Sequence[Cost]) -> Cost:
        """Average costs.

        Parameters
        ----------
        costs : sequence of Cost
            At least one.

        Returns
        -------
        Cost
            Their means.
        """
        n = len(costs)
        return cls(sum(cost.first for cost in costs) / n, sum(cost.steady for cost in costs) / n)
