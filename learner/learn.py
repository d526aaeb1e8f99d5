"""The whole of `mlopt learn`: tune on the training epochs, judge on the hold-out, write what wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learner import emit
from learner.holdout import (
    TUNED,
    UNCHANGING,
    Verdict,
    judge_holdout,
    nothing_helps,
    refuse_if_it_loses,
    what_else,
)
from learner.judge import World
from learner.reasons import describe_class, size_text
from learner.runs import Run
from learner.tune import Progress, Tuned, Tuner
from mlopt_engine.errors import InvalidInputError, RefusedError

#: What files that never change must save of the epoch to be worth a line.
WORTH_SAYING = 0.02
HINT = "If no file changes while mounted, set 'staleness: immutable' in the recipe's settings."


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
    verdict : Verdict
        The hold-out's table.
    assumptions : tuple of str
        What was assumed, for people.
    """

    text: str
    document: dict[str, Any]
    tuned: Tuned
    verdict: Verdict
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
    identity = request.runs[0].sha256[:8]
    tuned = tuner.learn(
        name=f"learned-{identity}",
        description=_description(request),
        base=request.base if request.build_on_base else None,
    )
    reads_once = True in once
    if not tuned.document["rules"]:
        raise RefusedError(
            nothing_helps(reads_once), do=what_else(None, request.world, once=reads_once), code="no-gain"
        )
    progress("judging on the hold-out", 1, 1)
    verdict = _judge(request, tuned)
    refuse_if_it_loses(verdict, request.world, once=reads_once)
    verdict = _without_small_print(verdict)
    assumptions = tuple(assumed(request))
    text = emit.render(tuned.document, _header(request, tuned, verdict, assumptions))
    return Learned(text, tuned.document, tuned, verdict, assumptions)


def _judge(request: Request, tuned: Tuned) -> Verdict:
    """Judge on the hold-out; say what files that never change would add, where that is worth a line."""
    document = tuned.document
    unchanging = {**document, "settings": {**document["settings"], "staleness": "immutable"}}
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


def assumed(request: Request) -> list[str]:
    """Say what was assumed beyond the record.

    Parameters
    ----------
    request : Request
        What is learned from.

    Returns
    -------
    list of str
        Sentences.
    """
    said = []
    for run in request.runs:
        if run.assumed_epochs:
            order = "reshuffled as the record was" if run.whole.shuffled else "in the recorded order"
            said.append(
                f"{run.name}: {run.recorded_epochs} of {run.epochs} epochs were recorded, "
                f"{run.assumed_epochs} were made from them, {order}."
            )
        if run.once:
            said.append(
                f"{run.name}: the job reads its data once; learned from its earlier reads, judged on the "
                "later ones."
            )
        if run.is_single:
            said.append(
                f"{run.name}: the job has no epochs and reads data again; learned from all of it and judged "
                "on the same, as nothing could be held out."
            )
    return said


def _description(request: Request) -> str:
    epochs = ", ".join(str(run.epochs) for run in request.runs)
    memory = size_text(request.world.memory_bytes)
    if request.runs[0].once:
        return f"For a job that reads its data once, with {memory} of memory."
    if request.runs[0].is_single:
        return f"For a job without epochs that reads data again, with {memory} of memory."
    return f"For a job recorded over {epochs} epochs, with {memory} of memory."


def _header(request: Request, tuned: Tuned, verdict: Verdict, assumptions: Sequence[str]) -> list[str]:
    world, storage = request.world, request.world.storage
    row, source = verdict.row(TUNED), verdict.row("source")
    working_set = max(run.whole.working_set_bytes for run in request.runs)
    judged = request.runs[0].judged
    lines = ["", "From:"]
    lines += [f"  trace sha256 {run.sha256}, {run.recorded_epochs} recorded epochs" for run in request.runs]
    lines += [
        f"  seed {request.seed}, {emit.versions()}",
        f"  storage '{storage.name}' ({storage.origin}): {storage.latency_ns / 1e6:.2f} ms, "
        f"{storage.bandwidth / 1e6:.0f} MB/s, {storage.concurrency} at once; {world.cpus} CPUs",
        f"  {tuned.candidates} candidates, memory budget {world.memory_bytes} bytes "
        f"({size_text(world.memory_bytes)})",
    ]
    if request.build_on_base:
        lines.append(f"  base '{request.base_name}': {tuned.base_kept or 'it holds no rules'}")
    if assumptions:
        lines += ["", "Assumed:", *(f"  {sentence}" for sentence in _without_names(request, assumptions))]
    lines += [
        "",
        "Expects:",
        f"  working set {size_text(working_set)}; held-out {judged} {row.epoch_s:.3f} s, "
        f"{row.saved_ratio:.1%} less than the source as it is ({source.epoch_s:.3f} s)",
    ]
    for other in verdict.rows:
        if other.name not in (TUNED, "source"):
            lines.append(f"  {other.name}: {other.epoch_s:.3f} s")
    if any(other.name == UNCHANGING for other in verdict.rows):
        lines.append(f"  {HINT}")
    lines += ["", "Files:", *(f"  {target.name}: {describe_class(target)}" for target in tuned.classes), ""]
    return lines


def _without_names(request: Request, sentences: Sequence[str]) -> list[str]:
    """Name traces by their hash: a copy of a trace under another name gives the same recipe."""
    out = []
    for sentence in sentences:
        run = next(run for run in request.runs if sentence.startswith(f"{run.name}: "))
        out.append(f"trace {run.sha256[:8]}: {sentence.removeprefix(f'{run.name}: ')}")
    return out
