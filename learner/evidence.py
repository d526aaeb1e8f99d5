"""How much of the training epochs each rung of the search replays, and what a candidate costs there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from joblib import Parallel, delayed

from learner.cost import Cost
from learner.epochs import count_epochs, first_epochs, sample_files
from learner.judge import SOURCE, World, judge_baseline, judge_recipe
from learner.runs import Run
from traces.workload import Workload

#: Accesses that one simulation of a rung replays at most; larger jobs are sampled by files. The last rung is
#: for finalists: what depends on time (entries that expire) or on counts shows in full size only.
RUNG_ACCESSES = (30_000, 60_000, 200_000, 2_000_000)
FINAL_RUNG = len(RUNG_ACCESSES) - 1
#: The first rung sees one epoch that fills the cache and one that uses it.
FIRST_RUNG_EPOCHS = 3


@dataclass(frozen=True)
class Part:
    """A part of a run and the world scaled to it.

    Attributes
    ----------
    workload : Workload
        The part.
    world : World
        With the budget in proportion.
    rate : float
        Share of the run's files, 0 to 1.
    """

    workload: Workload
    world: World
    rate: float


class Evidence:
    """Scores recipes on the training epochs, on more of them at each rung.

    Parameters
    ----------
    runs : sequence of Run
        The runs.
    world : World
        Where they run.
    seed : int
        Chooses sampled files.
    jobs : int
        Simulations at once while the baselines are made.
    """

    def __init__(self, runs: Sequence[Run], world: World, *, seed: int, jobs: int) -> None:
        self.world = world
        self.rungs = [[_part(run, world, rung, seed) for run in runs] for rung in range(len(RUNG_ACCESSES))]
        flat = [(rung, part) for rung, parts in enumerate(self.rungs) for part in parts]
        outcomes = Parallel(n_jobs=jobs, prefer="threads")(
            delayed(judge_baseline)(part.world, part.workload, SOURCE, seeds=self._seeds(rung))
            for rung, part in flat
        )
        self._source: list[list[Cost]] = [[] for _ in self.rungs]
        for (rung, _), outcome in zip(flat, outcomes, strict=True):
            self._source[rung].append(Cost.of(outcome))

    def _seeds(self, rung: int) -> tuple[int, ...]:
        return self.world.seeds if rung > 0 else self.world.seeds[:1]

    def source_cost(self, rung: int) -> Cost:
        """Average the runs' epochs with the source as it is, scaled to the whole runs.

        Parameters
        ----------
        rung : int
            How much evidence.

        Returns
        -------
        Cost
            In seconds.
        """
        pairs = zip(self._source[rung], self.rungs[rung], strict=True)
        return Cost.mean([Cost(cost.first / part.rate, cost.steady / part.rate) for cost, part in pairs])

    def cost(self, document: Mapping[str, Any], rung: int) -> Cost:
        """Compute a recipe's epochs as a share of the source's, the mean over runs.

        Parameters
        ----------
        document : mapping
            The recipe.
        rung : int
            How much evidence.

        Returns
        -------
        Cost
            Shares [1].
        """
        shares = []
        for part, source in zip(self.rungs[rung], self._source[rung], strict=True):
            outcome = judge_recipe(part.world, part.workload, document, seeds=self._seeds(rung))
            shares.append(Cost.of(outcome).relative_to(source))
        return Cost.mean(shares)


def _part(run: Run, world: World, rung: int, seed: int) -> Part:
    workload = run.training
    if rung == 0 and count_epochs(workload) > FIRST_RUNG_EPOCHS:
        workload = first_epochs(workload, FIRST_RUNG_EPOCHS)
    limit = RUNG_ACCESSES[rung]
    if len(workload.op) <= limit:
        return Part(workload, world, 1.0)
    whole_bytes = workload.working_set_bytes
    sample = sample_files(workload, limit / len(workload.op), seed)
    rate = sample.working_set_bytes / whole_bytes
    scaled = replace(world, memory_bytes=max(int(world.memory_bytes * rate), 1 << 20), time_rate=rate)
    return Part(sample, scaled, rate)
