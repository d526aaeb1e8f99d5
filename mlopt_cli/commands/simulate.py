"""``mlopt simulate``: what recipes would make of a recorded job."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlopt_cli.layer_options import LayerOptions, with_layers
from mlopt_cli.output import Report, emit, progress
from mlopt_cli.sizes import format_size, parse_size

if TYPE_CHECKING:
    from rich.console import Console

    from simulator.storage import StorageModel
    from simulator.sweep import Row
    from traces.workload import Workload

# Without --memory: these shares of the working set, which show where more memory gives nothing.
DEFAULT_SHARES = ("0.1", "0.25", "0.5", "0.75", "1.0")
MIB = 1 << 20


@with_layers
def command(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace that 'mlopt record' wrote.")],
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            "-r", "--recipe", metavar="RECIPE", help="File, or name of a shipped recipe. [default: default]"
        ),
    ] = None,
    memory: Annotated[
        list[str] | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="Budget: 10GiB, 512M, or 0.5 of the working set. [default: 0.1 0.25 0.5 0.75 1.0]",
        ),
    ] = None,
    storage: Annotated[
        str,
        typer.Option(
            "--storage", metavar="NAME|FILE|fit", help="nvme, nfs, s3, hdd; a file of 'mlopt probe'."
        ),
    ] = "fit",
    cpus: Annotated[
        int | None, typer.Option("--cpus", min=1, max=4096, help="Cores. [default: those of this machine]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    *,
    layers: LayerOptions,
) -> int:
    """Predict epoch time, hits and source bytes of a recorded job.

    \b
    mlopt simulate run.duckdb
    mlopt simulate run.duckdb -r tuned.yaml -r lru --memory 10GiB --storage nfs
    mlopt simulate run.duckdb --storage storage.json --json

    Plays the job in virtual time under each recipe and memory size, beside the source as it is and the Linux
    page cache. Five seeds; times are medians.

    Parameters
    ----------
    trace : Path
        The trace.
    recipe : list of str, optional
        Files, or names of recipes that ship.
    memory : list of str, optional
        Budgets.
    storage : str
        Name, file, or ``fit`` for what the trace shows.
    cpus : int, optional
        Cores of the machine that the job will run on.
    as_json : bool
        Machine-readable.

    Returns
    -------
    int
        0.

    Raises
    ------
    InvalidInputError
        When a recipe, size or storage cannot be used.
    RefusedError
        When the trace holds no read.
    TraceUnreadableError
        When the trace cannot be read.
    """
    from mlopt_cli.workflows.simulation_inputs import (
        compiled,
        fitted_storage,
        job_of,
        named_storage,
        source_of,
    )
    from simulator.fuse_costs import FuseCosts
    from simulator.report import sentence
    from simulator.scenario import Scenario
    from simulator.sweep import sweep

    model = named_storage(storage)
    job = job_of(trace)
    known = (model.facts() if model else {}) | job.facts
    names = tuple(recipe or ()) or (None,)
    loaded = {name or layers.label: layers.resolve(name, source_of(job), known) for name in names}
    report = Report(
        "simulate",
        {"trace": str(trace), "recipes": list(loaded), "storage": storage} | {"layers": layers.to_dict()},
    )
    model = model or fitted_storage(job, report)
    sizes = [
        parse_size(text, flag="--memory", working_set_bytes=job.working_set_bytes)
        for text in (memory or DEFAULT_SHARES)
    ]
    cores = cpus or len(os.sched_getaffinity(0))
    report.inputs = {**report.inputs, "memory_bytes": sizes, "cpus": cores}
    compilers = {name: partial(compiled, recipe=each, report=report) for name, each in loaded.items()}
    base = Scenario(
        workload=job, plan_json=None, baseline="source", storage=model, fuse=FuseCosts.load_or_default(),
        memory_bytes=0, cpus=cores,
    )  # fmt: skip
    rows: list[Row] = []
    with progress() as bar:
        task = bar.add_task("simulating", total=1 + len(set(sizes)) * (1 + len(compilers)))
        for row in sweep(base, compilers, sizes):
            rows.append(row)
            bar.advance(task)
    _warn(report, rows, job)
    words = sentence(rows, format_size)
    report.result = {
        "rows": [row.to_dict() for row in rows],
        "working_set_bytes": job.working_set_bytes,
        "recorded_epoch_s": [float(seconds) for seconds in job.epoch_seconds],
        "cpus": cores,
        "sentence": words,
    }
    emit(report, as_json=as_json, render=lambda console: _render(console, rows, job, words, trace, model))
    return 0


def _warn(report: Report, rows: list[Row], job: Workload) -> None:
    for words in dict.fromkeys(words for row in rows for words in row.outcome.assumptions):
        report.warn("assumed", words)
    if len(job.epoch_seconds) < 2:
        report.warn("one-epoch", "the trace holds one epoch: nothing is read again, no cache can help")
    failed = sum(row.outcome.failed_reads for row in rows)
    if failed:
        report.warn("failed-reads", f"{failed} simulated reads failed: budget or deadline too small")


def _render(
    console: Console, rows: list[Row], job: Workload, words: str, trace: Path, model: StorageModel
) -> None:
    from rich.table import Table

    steady = "epoch" if len(job.epoch_seconds) < 2 else "epoch after the first"
    recorded = [float(seconds) for seconds in job.epoch_seconds[1:]] or [float(s) for s in job.epoch_seconds]
    console.print(
        f"{trace}: {len(job.epoch_seconds)} epochs, working set {format_size(job.working_set_bytes)}, "
        f"recorded {sum(recorded) / max(1, len(recorded)):.2f} s per {steady}"
    )
    console.print(
        f"storage '{model.name}' ({model.origin}): {model.latency_ns / 1e6:.2f} ms, "
        f"{model.bandwidth / 1e6:.0f} MB/s, {model.concurrency} at once"
    )
    console.print(f"times are seconds per {steady}, medians of the seeds; source MiB per epoch")
    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in ("recipe", "memory", "time", "±", "saved", "held", "ahead", "source MiB", "Belady"):
        table.add_column(name, justify="left" if name == "recipe" else "right", no_wrap=True)
    for row in rows:
        outcome = row.outcome
        fetched = outcome.source_bytes[1:] or outcome.source_bytes
        belady = outcome.bounds["belady"]["epoch_s"]
        table.add_row(
            row.recipe,
            "" if not outcome.memory_bytes else format_size(outcome.memory_bytes),
            f"{outcome.steady_epoch_s:.2f}",
            f"{max(outcome.epoch_s_spread) / 2:.2f}",
            "" if row.recipe == "source" else f"{row.saved_ratio:.0%}",
            f"{outcome.resident_ratio:.2f}",
            f"{outcome.prefetched_ratio:.2f}",
            f"{sum(fetched) / len(fetched) / MIB:.1f}",
            f"{sum(belady[1:] or belady) / len(belady[1:] or belady):.2f}",
        )
    console.print(table)
    bounds = rows[0].outcome.bounds
    console.print(
        "bounds    "
        + ", ".join(
            f"{name} {sum(times[1:] or times) / len(times[1:] or times):.2f} s"
            for name, times in (
                ("everything cached", bounds["infinite"]["epoch_s"]),
                ("no I/O at all", bounds["no_io"]["epoch_s"]),
            )
        )
    )
    console.print(words, style="bold")
    console.print(f"next: mlopt learn {trace} -o tuned.yaml", soft_wrap=True)
