"""The whole of `mlopt learn`: tune on the training epochs, judge on the hold-out, write what wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import recipes
from learner import emit
from learner.contest import BY_TREE, SEARCHED, Contest, Entrant, best_of
from learner.evidence import FINAL_RUNG
from learner.header import assumed, describe_job, header
from learner.holdout import (
    TUNED,
    UNCHANGING,
    Verdict,
    holdout_seconds,
    judge_holdout,
    nothing_helps,
    refuse_if_it_loses,
    what_else,
)
from learner.judge import World
from learner.offers import offers
from learner.runs import Run
from learner.trees import split
from learner.tried import Tried, contest_lines, search_lines, verdict_lines
from learner.tune import Progress, Tuned, Tuner
from mlopt_engine.errors import InvalidInputError, RefusedError

#: What files that never change must save of the epoch to be worth a line.
WORTH_SAYING = 0.02


@dataclass(frozen=True)
class Request:
    """What to learn from.

    Attributes
    ----------
    runs : tuple of Run
        The recorded runs; all read their data once, or none.
    world : World
        Where the job will run.
    base_name : str
        Name of the recipe to compare with.
    base : dict
        That recipe.
    build_on_base : bool
        Whether the base's rules may become part of the learned recipe.
    seed : int
        For samples and assumed epochs.
    jobs : int
        Simulations at once.
    """

    runs: tuple[Run, ...]
    world: World
    base_name: str
    base: dict[str, Any]
    build_on_base: bool
    seed: int
    jobs: int


@dataclass(frozen=True)
class Learned:
    """A recipe that won on the hold-out.

    Attributes
    ----------
    text : str
        The YAML.
    document : dict
        The same as plain values.
    tuned : Tuned
        How it came about.
    rules : tuple of dict
        The rules that apply, those of a template with its parameters in their places.
    origin : str
        ``searched``, or what ships and won.
    tuned : Tuned
        What the search found.
    verdict : Verdict
        The hold-out's table.
    tried : tuple of Tried
        Everything that was tried.
    assumptions : tuple of str
        What was assumed, for people.
    """

    text: str
    document: dict[str, Any]
    rules: tuple[dict[str, Any], ...]
    origin: str
    tuned: Tuned
    verdict: Verdict
    tried: tuple[Tried, ...]
    assumptions: tuple[str, ...]


def silent(stage: str, done: int, total: int) -> None:
    """Take note of nothing.

    Parameters
    ----------
    stage : str
        What is being done.
    done : int
        Simulations done.
    total : int
        Simulations expected.
    """
    del stage, done, total


def learn(request: Request, progress: Progress = silent) -> Learned:
    """Learn a recipe and judge it.

    Parameters
    ----------
    request : Request
        What to learn from.
    progress : Progress, optional
        Told of each simulation.

    Returns
    -------
    Learned
        To be written by `learner.emit.write`.

    Raises
    ------
    RefusedError
        When no recipe helps, or the best one loses on the hold-out.
    InvalidInputError
        When runs that read their data once are mixed with others.
    """
    once = {run.once for run in request.runs}
    if len(once) > 1:
        raise InvalidInputError(
            "some traces have several epochs and some read their data once",
            where=", ".join(run.name for run in request.runs),
            do="Learn from them apart, or give --assume-epochs N for all",
        )
    tuner = Tuner(request.runs, request.world, seed=request.seed, jobs=request.jobs, progress=progress)
    searched = _searched(request, tuner)
    entrants = _meet(request, tuner, searched)
    progress("judging on the hold-out", 1, 1)
    finalists = {each.name: each.document for each in entrants if each.is_finalist and each.training < 1.0}
    seconds = holdout_seconds(request.world, request.runs, finalists, jobs=request.jobs)
    winner = best_of(entrants, seconds) if seconds else None
    source_s = tuner.evidence.source_cost(FINAL_RUNG).score
    tuned = searched.get(winner.name if winner else SEARCHED, searched[SEARCHED])
    tried = [
        *contest_lines(entrants, seconds, winner, source_s),
        *search_lines(tuned.ranking, source_s),
    ]
    reads_once = True in once
    if winner is None:
        reason = nothing_helps(reads_once)
        raise _refused(
            RefusedError(reason, do=what_else(None, request.world, once=reads_once), code="no-gain"), tried
        )
    document = _named(winner, tuned)
    verdict = _judge(request, document)
    tried += verdict_lines(verdict, request.base_name, source_s)
    try:
        refuse_if_it_loses(verdict, request.world, once=reads_once)
    except RefusedError as refusal:
        raise _refused(refusal, tried) from None
    verdict = _without_small_print(verdict)
    text = emit.render(document, header(request, tuned, winner, verdict, tried))
    rules = tuple(recipes.loads(text).effective["rules"])
    return Learned(text, document, rules, winner.name, tuned, verdict, tuple(tried), tuple(assumed(request)))


def _searched(request: Request, tuner: Tuner) -> dict[str, Tuned]:
    """Search with plain classes, and where a tree tells files apart that they mix, with its classes too."""
    tuners = {SEARCHED: tuner}
    if classes := split(tuner.features, tuner.classes):
        tuners[BY_TREE] = tuner.with_classes(classes)
    return {
        name: each.learn(
            name=f"learned-{request.runs[0].sha256[:8]}",
            description=describe_job(request),
            base=request.base if request.build_on_base else None,
        )
        for name, each in tuners.items()
    }


def _meet(request: Request, tuner: Tuner, tuned: Mapping[str, Tuned]) -> list[Entrant]:
    """Let the searched recipes meet what ships; rules of a base that is built on are not to be lost."""
    searched = [
        Entrant(name, SEARCHED, each.document, tuner.evidence.cost(each.document, FINAL_RUNG).score)
        for name, each in tuned.items()
        if each.document["rules"]
    ]
    if request.build_on_base and request.base.get("rules"):
        return searched
    settings = request.base.get("settings", {}) if request.build_on_base else {}
    contest = Contest(tuner.evidence, request.jobs, lambda: tuner.tick("comparing with what ships"))
    return contest.meet(searched, list(offers(request.runs, settings, request.base_name)))


def _named(winner: Entrant, tuned: Tuned) -> dict[str, Any]:
    """Give what ships and won the learned recipe's name, and say where it comes from."""
    if winner.offer is None:
        return winner.document
    described = f"{tuned.document['description']} Of all that was tried, {winner.name} is fastest."
    named = {"name": tuned.document["name"], "description": described}
    return {**winner.document, **named, "metadata": {"origin": winner.name}}


def _refused(refusal: RefusedError, tried: Sequence[Tried]) -> RefusedError:
    refusal.details = {"tried": [each.to_dict() for each in tried]}
    return refusal


def _judge(request: Request, document: Mapping[str, Any]) -> Verdict:
    """Judge on the hold-out; say what files that never change would add, where that is worth a line."""
    unchanging = {**document, "settings": {**document.get("settings", {}), "staleness": "immutable"}}
    candidates: dict[str, Mapping[str, Any]] = {
        request.base_name: request.base,
        UNCHANGING: unchanging,
        TUNED: document,
    }
    return judge_holdout(request.world, request.runs, candidates, jobs=request.jobs)


def _without_small_print(verdict: Verdict) -> Verdict:
    gain = 1.0 - verdict.row(UNCHANGING).epoch_s / max(verdict.row(TUNED).epoch_s, 1e-9)
    return verdict if gain >= WORTH_SAYING else verdict.without(UNCHANGING)


def write(learned: Learned, path: Path) -> None:
    """Write a learned recipe.

    Parameters
    ----------
    learned : Learned
        The recipe.
    path : Path
        Where to; what `mlopt learn` did not write is never overwritten.
    """
    emit.write(path, learned.text)
