"""Judges a learned recipe on what it has not seen, beside what the user has without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joblib import Parallel, delayed

from learner.judge import PAGE_CACHE, SOURCE, World, judge_baseline, judge_recipe
from learner.runs import Run
from mlopt_engine.errors import RefusedError
from simulator import Outcome
from simulator.scenario import Baseline

#: A recipe must save at least this share of the epoch, or a mount is not worth its trouble.
WORTHWHILE_RATIO = 0.01
#: And be at most this much slower than any alternative: the resolution of the simulator's seeds.
TIE_RATIO = 0.005


@dataclass(frozen=True)
class Row:
    """One alternative on the hold-out.

    Attributes
    ----------
    name : str
        ``source``, ``page cache``, the base recipe's name, or ``tuned``.
    epoch_s : float
        Time of the held-out epoch, the mean over runs [s].
    by_run_s : tuple of float
        The same for each run [s].
    saved_ratio : float
        Share of the source's epoch time that it saves, negative when it costs [1].
    source_bytes : int or None
        Bytes fetched from the source in the held-out epochs, all runs together [bytes].
    detail : tuple of dict
        The simulator's row for each run.
    """

    name: str
    epoch_s: float
    by_run_s: tuple[float, ...]
    saved_ratio: float
    source_bytes: int | None
    detail: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Verdict:
    """The hold-out's table.

    Attributes
    ----------
    rows : tuple of Row
        The alternatives, ``tuned`` last.
    bounds : dict of str to float
        Bounds of the held-out epoch as far as they are known, the mean over runs [s].
    """

    rows: tuple[Row, ...]
    bounds: dict[str, float]

    def row(self, name: str) -> Row:
        """Find a row.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        Row
            The row.
        """
        return next(row for row in self.rows if row.name == name)


TUNED = "tuned"
#: Rows without a recipe, by the names that people read.
BASELINES: dict[str, Baseline] = {"source": SOURCE, "page cache": PAGE_CACHE}


def judge_holdout(
    world: World,
    runs: Sequence[Run],
    candidates: Mapping[str, Mapping[str, Any]],
    *,
    jobs: int = 1,
) -> Verdict:
    """Simulate the held-out part of each run under every alternative.

    Parameters
    ----------
    world : World
        Where the job runs.
    runs : sequence of Run
        The runs; each is judged on its own last epoch.
    candidates : mapping of str to mapping
        Recipes by name, `TUNED` among them.
    jobs : int
        Simulations at once.

    Returns
    -------
    Verdict
        The table.
    """
    names = [*BASELINES, *candidates]
    tasks = [(name, run) for name in names for run in runs]

    def outcome(name: str, run: Run) -> Outcome:
        if name not in BASELINES:
            return judge_recipe(
                world, run.judged, candidates[name], seeds=world.seeds, with_bounds=name == TUNED
            )
        return judge_baseline(world, run.judged, BASELINES[name], seeds=world.seeds)

    outcomes = Parallel(n_jobs=jobs, prefer="threads")(delayed(outcome)(name, run) for name, run in tasks)
    found = {name: [o for (n, _), o in zip(tasks, outcomes, strict=True) if n == name] for name in names}
    source_s = _mean([float(o.epoch_s[-1]) for o in found["source"]])
    rows = []
    for name in names:
        times = tuple(float(o.epoch_s[-1]) for o in found[name])
        fetched = [o.source_bytes[-1] for o in found[name]]
        rows.append(
            Row(
                name=name,
                epoch_s=_mean(times),
                by_run_s=times,
                saved_ratio=1.0 - _mean(times) / source_s if source_s > 0 else 0.0,
                source_bytes=None if None in fetched else int(sum(fetched)),
                detail=tuple(o.row() for o in found[name]),
            )
        )
    return Verdict(tuple(rows), _bounds(found[TUNED]))


def _bounds(outcomes: Sequence[Outcome]) -> dict[str, float]:
    return {
        name: _mean([float(outcome.bounds[name]["epoch_s"][-1]) for outcome in outcomes])
        for name in outcomes[0].bounds
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def refuse_if_it_loses(verdict: Verdict, *, once: bool) -> None:
    """Stop when the tuned recipe is not worth writing.

    Parameters
    ----------
    verdict : Verdict
        The hold-out's table.
    once : bool
        Whether the job reads its data once.

    Raises
    ------
    RefusedError
        When it saves less than 1 % against the source as it is, or another alternative is faster.
    """
    tuned, source = verdict.row(TUNED), verdict.row("source")
    if tuned.saved_ratio < WORTHWHILE_RATIO:
        what = (
            "no cache can help: the job reads its data once, and reading ahead saves nothing either"
            if once
            else "no recipe helps: the job does not wait for this storage"
        )
        raise RefusedError(
            f"{what} (hold-out: {source.epoch_s:.2f} s as it is, {tuned.epoch_s:.2f} s with the recipe)",
            do="Use the source as it is"
            + ("; if the job has more epochs than were recorded, add --assume-epochs N" if once else ""),
            code="no-gain",
        )
    for rival in verdict.rows:
        slower = any(
            ours > theirs * (1 + TIE_RATIO)
            for ours, theirs in zip(tuned.by_run_s, rival.by_run_s, strict=True)
        )
        if rival.name != TUNED and slower:
            raise RefusedError(
                f"the learned recipe loses on the hold-out: {tuned.epoch_s:.2f} s against "
                f"{rival.epoch_s:.2f} s with {_describe(rival.name)}",
                do=_advice(rival.name),
                code="loses-on-holdout",
            )


def _describe(name: str) -> str:
    known = {
        "source": "the source as it is",
        "page cache": "the page cache of equal budget",
    }
    return known.get(name, f"the recipe '{name}'")


def _advice(name: str) -> str:
    if name == "source":
        return "Use the source as it is"
    if name == "page cache":
        return "Let the kernel's page cache have this memory, or give --memory another size"
    return f"Use '{name}' as it is"
