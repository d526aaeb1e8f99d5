"""What a learned recipe says of itself: description, assumptions, and the comment on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from learner import emit
from learner.holdout import TUNED, UNCHANGING, Verdict
from learner.reasons import describe_class, size_text
from learner.tried import Tried, header_lines
from learner.tune import Tuned

if TYPE_CHECKING:
    from learner.contest import Entrant
    from learner.learn import Request

HINT = "If no file changes while mounted, set 'staleness: immutable' in the recipe's settings."


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


def describe_job(request: Request) -> str:
    """Say what job a recipe is for.

    Parameters
    ----------
    request : Request
        What is learned from.

    Returns
    -------
    str
        One sentence.
    """
    epochs = ", ".join(str(run.epochs) for run in request.runs)
    memory = size_text(request.world.memory_bytes)
    if request.runs[0].once:
        return f"For a job that reads its data once, with {memory} of memory."
    if request.runs[0].is_single:
        return f"For a job without epochs that reads data again, with {memory} of memory."
    return f"For a job recorded over {epochs} epochs, with {memory} of memory."


def header(
    request: Request, tuned: Tuned, winner: Entrant, verdict: Verdict, tried: Sequence[Tried]
) -> list[str]:
    """Write the comment on top of a recipe.

    Parameters
    ----------
    request : Request
        What it was learned from.
    tuned : Tuned
        What the search found.
    winner : Entrant
        What is written.
    verdict : Verdict
        The hold-out's table.
    tried : sequence of Tried
        What else was tried.

    Returns
    -------
    list of str
        Lines.
    """
    assumptions = assumed(request)
    world, storage = request.world, request.world.storage
    row, source = verdict.row(TUNED), verdict.row("source")
    working_set = max(run.whole.working_set_bytes for run in request.runs)
    run = request.runs[0]
    judged = run.judged if run.is_single else f"held-out {run.judged}"
    lines = ["", "From:"]
    lines += [f"  trace sha256 {run.sha256}, {run.recorded_epochs} recorded epochs" for run in request.runs]
    lines += [
        f"  seed {request.seed}, {emit.versions()}",
        f"  storage '{storage.name}' ({storage.origin}): {storage.latency_ns / 1e6:.2f} ms, "
        f"{storage.bandwidth / 1e6:.0f} MB/s, {storage.concurrency} at once; {world.cpus} CPUs",
        f"  origin: {winner.name}; {tuned.candidates} candidates searched",
        f"  memory budget {world.memory_bytes} bytes ({size_text(world.memory_bytes)})",
    ]
    if request.build_on_base:
        lines.append(f"  base '{request.base_name}': {tuned.base_kept or 'it holds no rules'}")
    if assumptions:
        lines += ["", "Assumed:", *(f"  {sentence}" for sentence in _without_names(request, assumptions))]
    lines += [
        "",
        "Expects:",
        f"  working set {size_text(working_set)}; {judged} {row.epoch_s:.3f} s, "
        f"{row.saved_ratio:.1%} less than the source as it is ({source.epoch_s:.3f} s)",
    ]
    for other in verdict.rows:
        if other.name not in (TUNED, "source"):
            lines.append(f"  {other.name}: {other.epoch_s:.3f} s")
    if any(other.name == UNCHANGING for other in verdict.rows):
        lines.append(f"  {HINT}")
    if tuned.blocks and winner.offer is None:
        lines.append(f"  {tuned.blocks}")
    if rejected := header_lines(tried):
        lines += ["", "Tried and not written:", *rejected]
    lines += ["", "Files:", *(f"  {target.name}: {describe_class(target)}" for target in tuned.classes), ""]
    return lines


def _without_names(request: Request, sentences: Sequence[str]) -> list[str]:
    """Name traces by their hash: a copy of a trace under another name gives the same recipe."""
    out = []
    for sentence in sentences:
        run = next(run for run in request.runs if sentence.startswith(f"{run.name}: "))
        out.append(f"trace {run.sha256[:8]}: {sentence.removeprefix(f'{run.name}: ')}")
    return out
