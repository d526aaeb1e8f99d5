"""Judges a learned recipe on what it has not seen, beside what the user has without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from joblib import Parallel, delayed

from learner.judge import PAGE_CACHE, SOURCE, World, judge_baseline, judge_recipe
from learner.runs import Run
from mlopt_engine.errors import RefusedError
from simulator import Outcome
from simulator.scenario import Baseline
from traces.workload import Workload

#: A recipe must save at least this share of the epoch, or a mount is not worth its trouble.
WORTHWHILE_RATIO = 0.01
#: And this share under each seed.
SEED_RATIO = WORTHWHILE_RATIO / 2
#: And be at most this much slower than any alternative: what medians over seeds are stable to.
TIE_RATIO = 0.01


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
    by_seed_s : tuple of float
        The same for each seed, the mean over runs [s].
    saved_ratio : float
        Share of the source's epoch time that it saves, negative when it costs [1].
    source_bytes : int
        Fetched from the source in the held-out epochs, all runs together [bytes].
    detail : tuple of dict
        The simulator's row for each run.
    """

    name: str
    epoch_s: float
    by_run_s: tuple[float, ...]
    by_seed_s: tuple[float, ...]
    saved_ratio: float
    source_bytes: int
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

    def without(self, name: str) -> Verdict:
        """Leave out a row.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        Verdict
            The other rows.
        """
        return replace(self, rows=tuple(row for row in self.rows if row.name != name))


TUNED = "tuned"
#: The same recipe for a source whose files never change; shown where it matters, never a rival.
UNCHANGING = "tuned, immutable"
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
        The runs; each is judged on its own last epoch, or on the last quarter of its only one.
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
    parts = Parallel(n_jobs=jobs, prefer="threads")(
        delayed(_held_out)(world, run, name, candidates.get(name)) for name, run in tasks
    )
    found = {name: [part for (n, _), part in zip(tasks, parts, strict=True) if n == name] for name in names}
    source_s = _mean([part.epoch_s for part in found["source"]])
    rows = []
    for name in names:
        times = tuple(part.epoch_s for part in found[name])
        rows.append(
            Row(
                name=name,
                epoch_s=_mean(times),
                by_run_s=times,
                by_seed_s=tuple(
                    _mean(of_runs) for of_runs in zip(*(part.by_seed_s for part in found[name]), strict=True)
                ),
                saved_ratio=1.0 - _mean(times) / source_s if source_s > 0 else 0.0,
                source_bytes=sum(part.source_bytes for part in found[name]),
                detail=tuple(part.row for part in found[name]),
            )
        )
    tuned = found[TUNED]
    bounds = {name: _mean([part.bounds[name] for part in tuned]) for name in tuned[0].bounds}
    return Verdict(tuple(rows), bounds)


def holdout_seconds(
    world: World, runs: Sequence[Run], documents: Mapping[str, Mapping[str, Any]], *, jobs: int = 1
) -> dict[str, float]:
    """Simulate the held-out part under several recipes.

    Parameters
    ----------
    world : World
        Where the job runs.
    runs : sequence of Run
        The runs.
    documents : mapping of str to mapping
        Recipes by name.
    jobs : int
        Simulations at once.

    Returns
    -------
    dict of str to float
        The mean over runs, by name [s].
    """
    tasks = [(name, run) for name in documents for run in runs]
    parts = Parallel(n_jobs=jobs, prefer="threads")(
        delayed(_held_out)(world, run, name, documents[name]) for name, run in tasks
    )
    return {
        name: _mean([part.epoch_s for (n, _), part in zip(tasks, parts, strict=True) if n == name])
        for name in documents
    }


@dataclass(frozen=True)
class _Part:
    """The held-out part of one run under one alternative."""

    epoch_s: float
    by_seed_s: list[float]
    source_bytes: int
    bounds: dict[str, float]
    row: dict[str, Any]


def _held_out(world: World, run: Run, name: str, document: Mapping[str, Any] | None) -> _Part:
    """Replay a run to its end; of a job that reads its data once, what lies behind the training counts."""

    def judge(workload: Workload) -> Outcome:
        if document is None:
            return judge_baseline(world, workload, BASELINES[name], seeds=world.seeds)
        return judge_recipe(world, workload, document, seeds=world.seeds, with_bounds=name == TUNED)

    whole = judge(run.whole)
    bounds = {bound: float(found["epoch_s"][-1]) for bound, found in whole.bounds.items()}
    seconds, fetched = float(whole.epoch_s[-1]), int(whole.source_bytes[-1])
    by_seed = [epochs[-1] for epochs in whole.epoch_s_by_seed]
    if run.once and run.training is not run.whole:
        early = judge(run.training)
        seconds = max(seconds - float(early.epoch_s[-1]), 0.0)
        by_seed = [
            max(all_s - epochs[-1], 0.0) for all_s, epochs in zip(by_seed, early.epoch_s_by_seed, strict=True)
        ]
        fetched = max(fetched - int(early.source_bytes[-1]), 0)
        bounds = {
            bound: max(all_s - float(early.bounds[bound]["epoch_s"][-1]), 0.0)
            for bound, all_s in bounds.items()
        }
    return _Part(seconds, by_seed, fetched, bounds, whole.row())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def refuse_if_it_loses(verdict: Verdict, world: World, *, once: bool) -> None:
    """Stop when the tuned recipe is not worth writing.

    Parameters
    ----------
    verdict : Verdict
        The hold-out's table.
    world : World
        Where the job runs.
    once : bool
        Whether the job reads its data once.

    Raises
    ------
    RefusedError
        When it saves less than 1 % against the source as it is, or next to nothing under some seed, or
        another alternative is faster.
    """
    tuned, source = verdict.row(TUNED), verdict.row("source")
    # What is drawn for the job under a seed is the same in both rows: a gain that one seed lacks is chance.
    is_chance = any(
        ours >= theirs * (1 - SEED_RATIO)
        for ours, theirs in zip(tuned.by_seed_s, source.by_seed_s, strict=True)
    )
    is_little = tuned.saved_ratio < WORTHWHILE_RATIO
    if is_little or is_chance:
        raise RefusedError(
            f"{nothing_helps(once)} (hold-out: {source.epoch_s:.2f} s as it is, "
            f"{tuned.epoch_s:.2f} s with the best recipe"
            + (")" if is_little else ", which saves nothing under some seeds)"),
            do=what_else(verdict, world, once=once),
            code="no-gain",
        )
    for rival in verdict.rows:
        slower = any(
            ours > theirs * (1 + TIE_RATIO)
            for ours, theirs in zip(tuned.by_run_s, rival.by_run_s, strict=True)
        )
        if rival.name not in (TUNED, UNCHANGING) and slower:
            raise RefusedError(
                f"the learned recipe loses on the hold-out: {tuned.epoch_s:.3f} s against "
                f"{rival.epoch_s:.3f} s with {_describe(rival.name)}",
                do=_advice(rival.name),
                code="loses-on-holdout",
            )


def nothing_helps(once: bool) -> str:
    """Say that no recipe helps.

    Parameters
    ----------
    once : bool
        Whether the job reads its data once.

    Returns
    -------
    str
        Without a full stop.
    """
    if once:
        return "no cache can help: the job reads its data once, and reading ahead saves nothing either"
    return "no recipe helps: nothing that this memory could hold makes the job's epochs shorter"


def what_else(verdict: Verdict | None, world: World, *, once: bool) -> str:
    """Say what the user can do when no recipe helps.

    Parameters
    ----------
    verdict : Verdict or None
        The hold-out's table, if it came to that.
    world : World
        Where the job runs.
    once : bool
        Whether the job reads its data once.

    Returns
    -------
    str
        Without a full stop at the end.
    """
    advice = ["Use the source as it is"]
    if world.storage.keeps_page_cache and not once:
        advice.append("it was taken to keep in the kernel's page cache whatever was read once")
    if once:
        advice.append("if the job has more epochs than were recorded, add --assume-epochs N")
    rows = {row.name: row for row in verdict.rows} if verdict else {}
    if UNCHANGING in rows and rows[UNCHANGING].saved_ratio >= WORTHWHILE_RATIO:
        advice.append(
            "or, if no file changes while mounted, learn from a base recipe (-r) with 'settings: "
            f"{{staleness: immutable}}': about {rows[UNCHANGING].epoch_s:.2f} s"
        )
    return "; ".join(advice)


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
