"""mlopt learn: a recipe from traces, judged on an epoch that it has not seen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli import output
from mlopt_cli.layer_options import LayerOptions, with_layers
from mlopt_cli.sizes import format_size, parse_size
from mlopt_engine.errors import InvalidInputError, RefusedError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from learner.learn import Learned, Request
    from learner.runs import Run
    from simulator.storage import StorageModel

#: Without --memory: enough for a difference, and no claim on a whole machine.
DEFAULT_MEMORY_SHARE = 0.5
#: Of --storage: take it from the durations in the trace.
FIT = "fit"
#: Simulated runs with other random numbers; their median counts.
SIMULATION_SEEDS = 3
#: Lines of the table of what was tried; all are in the JSON.
SHOWN = 8


@with_layers
def command(
    traces: Annotated[list[Path], typer.Argument(metavar="TRACE...", help="What `mlopt record` wrote.")],
    out: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.yaml", help="The recipe to write.")],
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", "-r", metavar="BASE", help="Build on this recipe, weighing its rules anew."),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Budget: 10GiB, 10G, or 0.5 of the working set (the default)."),
    ] = None,
    storage: Annotated[
        str,
        typer.Option(metavar="NAME|FILE|fit", help="The source: a name, `mlopt probe -o FILE`, or fitted."),
    ] = FIT,
    assume_epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Epochs of the job, where fewer were recorded; 1: it reads data once."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="For samples and assumed epochs.", min=0)] = 0,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", help="Simulations at once; default: one per CPU.", min=1)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    *,
    layers: LayerOptions,
) -> int:
    """Learn the recipe that fits a recorded job, and judge it on an epoch that it has not seen.

    \b
    mlopt learn run.duckdb -o tuned.yaml --memory 10GiB
    mlopt learn run.duckdb -o tuned.yaml --memory 0.5 --storage nfs
    mlopt learn monday.duckdb tuesday.duckdb -o tuned.yaml -r mine.yaml

    Parameters are searched on all epochs but the last, in simulation; the last one judges the recipe against
    the source as it is, a page cache of the same size and the default recipe. What loses is not written
    (exit code 1).

    Parameters
    ----------
    traces : list of Path
        The traces.
    out : Path
        Where the recipe goes; overwritten only if `mlopt learn` wrote it.
    recipe : str, optional
        A recipe to build on.
    memory : str, optional
        Budget.
    storage : str
        The source's model.
    assume_epochs : int, optional
        Epochs that the job has in truth.
    seed : int
        For samples and assumed epochs.
    jobs : int, optional
        Simulations at once.
    as_json : bool
        Print JSON.

    Returns
    -------
    int
        Exit code.
    """
    from learner import emit

    emit.check_target(out)
    inputs = {
        "traces": [str(path) for path in traces],
        "out": str(out),
        "base": recipe,
        "memory": memory,
        "storage": storage,
        "assume_epochs": assume_epochs,
        "seed": seed,
    }
    report = output.Report("learn", inputs | {"layers": layers.to_dict()})
    request = _request(
        traces,
        recipe,
        memory,
        storage,
        assume_epochs,
        seed,
        jobs,
        report,
        layers,
    )
    # scikit-learn takes a second to import: not before all input is known to be good
    from learner.learn import learn, write

    with output.progress() as bar:
        task = bar.add_task("learning", total=None)

        def progress(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        try:
            learned = learn(request, progress)
        except RefusedError as refusal:
            bar.stop()
            if refusal.details and not as_json:
                output.stderr_console().print(_tried_table(refusal.details["tried"]))
            raise
    write(learned, out)
    report.result = _result(learned, request, out)
    output.emit(report, as_json=as_json, render=lambda console: _render(console, learned, request, out))
    return 0


def _request(
    traces: list[Path],
    recipe: str | None,
    memory: str | None,
    storage: str,
    assume_epochs: int | None,
    seed: int,
    jobs: int | None,
    report: output.Report,
    layers: LayerOptions,
) -> Request:
    """Read traces, recipe and storage; settle the budget."""
    from learner.judge import World
    from learner.runs import working_set_bytes
    from recipes.settings import learner_jobs
    from simulator.fuse_costs import FuseCosts

    base = layers.resolve(recipe)
    runs = tuple(_run(path, assume_epochs, seed, report) for path in traces)
    if len({run.sha256 for run in runs}) < len(runs):
        raise InvalidInputError(
            "the same trace is given twice", where=", ".join(map(str, traces)), do="Name each trace once"
        )
    working_set = working_set_bytes(runs)
    memory_bytes = parse_size(
        memory or str(DEFAULT_MEMORY_SHARE), flag="--memory", working_set_bytes=working_set
    )
    world = World(
        storage=_storage(storage, runs, report),
        fuse=FuseCosts.load_or_default(),
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=memory_bytes,
        seeds=tuple(range(seed, seed + SIMULATION_SEEDS)),
    )
    from learner.learn import Request

    return Request(
        runs=runs,
        world=world,
        base_name=base.name,
        base=base.effective,
        build_on_base=recipe is not None or layers != LayerOptions(),
        seed=seed,
        jobs=learner_jobs(base.settings, len(os.sched_getaffinity(0)), jobs),
    )


def _run(path: Path, assume_epochs: int | None, seed: int, report: output.Report) -> Run:
    from learner.runs import make_run
    from traces.analysis import workload
    from traces.store import Trace

    with Trace.open(path) as trace:
        for note in trace.notes:
            report.warn("trace-completed", note)
        return make_run(
            workload(trace), name=path.name, sha256=trace.sha256, assumed_epochs=assume_epochs, seed=seed
        )


def _storage(text: str, runs: tuple[Run, ...], report: output.Report) -> StorageModel:
    from mlopt_cli.workflows.simulation_inputs import fitted_storage, named_storage

    # the run with most accesses says most about the storage
    most = max(runs, key=lambda run: len(run.recorded.op))
    return named_storage(text) or fitted_storage(most.recorded, report)


def _result(learned: Learned, request: Request, out: Path) -> dict[str, Any]:
    verdict, tuned = learned.verdict, learned.tuned
    return {
        "out": str(out),
        "recipe": learned.document["name"],
        "memory_bytes": request.world.memory_bytes,
        "working_set_bytes": max(run.whole.working_set_bytes for run in request.runs),
        "storage": request.world.storage.name,
        "runs": [
            {
                "trace": run.name,
                "sha256": run.sha256,
                "recorded_epochs": run.recorded_epochs,
                "assumed_epochs": run.assumed_epochs,
                "reads_once": run.once,
            }
            for run in request.runs
        ],
        "assumed": list(learned.assumptions),
        "classes": [
            {
                "name": found.name,
                "directory": found.directory,
                "extensions": list(found.extensions),
                "size_min_bytes": found.size_min,
                "size_max_bytes": found.size_max,
                "files": found.n_files,
                "bytes": found.bytes,
                "reused": found.behaviour.reused,
                "order": found.behaviour.order,
                "reads_per_epoch": found.reads_per_epoch,
                "epoch_share_ratio": found.epoch_share,
                "sequential_ratio": found.sequential_ratio,
                "wait_ratio": found.wait_share,
                "rule": next((r["id"] for r in learned.rules if r["id"] == found.name), None),
            }
            for found in tuned.classes
        ],
        "origin": learned.origin,
        "rules": list(learned.rules),
        "tried": [each.to_dict() for each in learned.tried],
        "holdout": [
            {
                "recipe": row.name,
                "epoch_s": row.epoch_s,
                "by_run_s": list(row.by_run_s),
                "saved_ratio": row.saved_ratio,
                "source_bytes": row.source_bytes,
                "rows": list(row.detail),
            }
            for row in verdict.rows
        ],
        "bounds_s": verdict.bounds,
        "candidates": tuned.candidates,
        "base": tuned.base_kept or None,
    }


def _render(console: Console, learned: Learned, request: Request, out: Path) -> None:
    from rich.table import Table
    from rich.text import Text

    from learner.contest import SEARCHED
    from learner.header import HINT
    from learner.holdout import UNCHANGING

    judged = request.runs[0].judged
    unit = {"epoch": "epoch", "whole job": "job"}.get(judged, "part")
    held_out = "" if request.runs[0].is_single else "held-out "
    table = Table(title=f"On the {held_out}{judged}, memory {format_size(request.world.memory_bytes)}")
    for heading, justify in (
        ("", "left"),
        (f"{unit} s", "right"),
        ("saved", "right"),
        ("from source", "right"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for row in learned.verdict.rows:
        saved, fetched = f"{row.saved_ratio:.0%}", format_size(row.source_bytes)
        table.add_row(row.name, f"{row.epoch_s:.2f}", saved, fetched)
    for name, seconds in learned.verdict.bounds.items():
        table.add_row(f"bound: {name.replace('_', ' ')}", f"{seconds:.2f}", "", "", style="dim")
    console.print(table)
    console.print(_tried_table([each.to_dict() for each in learned.tried]))
    if not learned.origin.startswith(SEARCHED):
        console.print(f"{learned.origin} is fastest; the recipe selects it")
    for rule in learned.rules:
        console.print(
            Text(rule["id"], style="bold").append(f": {rule.get('description', '')}", style="not bold")
        )
    if learned.tuned.blocks and learned.origin.startswith(SEARCHED):
        console.print(learned.tuned.blocks)
    for sentence in learned.assumptions:
        console.print(Text("assumed", style="yellow").append(f" {sentence}", style="default"))
    if any(row.name == UNCHANGING for row in learned.verdict.rows):
        console.print(HINT)
    if learned.tuned.base_kept:
        console.print(f"base '{request.base_name}': {learned.tuned.base_kept}")
    console.print(f"wrote {out}")
    sources = request.runs[0].whole.sources
    where = sources[0] if sources else "DATA"
    console.print(f"next: mlopt test-rules {where} -r {out}", soft_wrap=True)


def _tried_table(tried: list[dict[str, Any]]) -> Table:
    """Draw what was tried, the fastest first; source, page cache and bounds stand elsewhere."""
    from rich.table import Table

    table = Table(title="Tried")
    for heading in ("candidate", "kind"):
        table.add_column(heading)
    for heading in ("training s", "held-out s"):
        table.add_column(heading, justify="right")
    table.add_column("")
    rows = [row for row in tried if row["kind"] not in ("baseline", "bound")]
    rows.sort(key=lambda row: (row["holdout_s"] is None, row["holdout_s"] or row["training_s"] or 0.0))
    for row in rows[:SHOWN]:
        times = ("" if row[key] is None else f"{row[key]:.2f}" for key in ("training_s", "holdout_s"))
        table.add_row(row["candidate"], row["kind"], *times, row["verdict"])
    if len(rows) > SHOWN:
        table.add_row(f"and {len(rows) - SHOWN} more: see --json", style="dim")
    return table
