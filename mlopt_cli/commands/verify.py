"""``mlopt verify``: what was predicted, and what it is in truth."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli.layer_options import LayerOptions, with_layers
from mlopt_cli.output import Report, emit, progress
from mlopt_cli.sizes import format_size, parse_size
from mlopt_engine.errors import InvalidInputError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from simulator.storage import StorageModel
    from traces.workload import Workload

FIT, PROBE = "fit", "probe"
DEFAULT_SHARE = "0.5"
MIB = 1 << 20


@with_layers
def command(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace that 'mlopt record' wrote.")],
    source: Annotated[
        Path, typer.Option("--source", metavar="DIR", help="Where the recorded files are now.")
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- CMD...", help="Run this instead of a replay.", show_default=False),
    ] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            "-r", "--recipe", metavar="RECIPE", help="File, or name of a shipped recipe. [default: default]"
        ),
    ] = None,
    memory: Annotated[
        str, typer.Option("--memory", metavar="SIZE", help="Budget: 10GiB, 512M, or 0.5 of the working set.")
    ] = DEFAULT_SHARE,
    storage: Annotated[
        str,
        typer.Option("--storage", metavar="NAME|FILE|fit|probe", help="What to predict with."),
    ] = PROBE,
    repeat: Annotated[int, typer.Option("--repeat", min=2, max=100, help="Runs of each row.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    *,
    layers: LayerOptions,
) -> int:
    """Predict, then mount and measure, and print both.

    \b
    mlopt verify run.duckdb --source /slow/data
    mlopt verify run.duckdb --source /slow/data -r tuned.yaml -r lru --memory 10GiB
    mlopt verify run.duckdb --source /slow/data -r tuned.yaml -- python train.py

    Replays the recorded reads (or runs CMD) on the source as it is and behind a fresh mount under each
    recipe, twice or more. The spread of the runs is the noise floor: an error below it says nothing. Times
    are seconds per epoch after the first; with CMD of the whole run.
    """
    import recipes
    from mlopt_cli.workflows import demo, verify
    from runtime.session import check_budget
    from simulator.fuse_costs import FuseCosts
    from simulator.scenario import Scenario
    from simulator.sweep import sweep
    from traces.analysis import workload as workload_of
    from traces.store import Trace

    if words and shutil.which(words[0]) is None:
        raise InvalidInputError("the command cannot be run: there is no such program", where="CMD",
                                value=words[0], do="Name a program after --")  # fmt: skip
    loaded = {name or "default": layers.resolve(name, source) for name in tuple(recipe or ()) or (None,)}
    with Trace.open(trace) as opened:
        job = workload_of(opened)
    if not job.working_set_bytes:
        raise RefusedError("the trace holds no read of a file below a source", where=str(trace),
                           do="Record with --source DIR", code="no-reads")  # fmt: skip
    verify.check_files(job, source)
    size = parse_size(memory, flag="--memory", working_set_bytes=job.working_set_bytes)
    report = Report("verify", {"trace": str(trace), "source": str(source), "recipes": list(loaded),
                               "memory_bytes": size, "storage": storage, "repeat": repeat,
                               "command": words or [], "layers": layers.to_dict()})  # fmt: skip
    plans = {}
    for name, each in loaded.items():
        plan = recipes.compile_plan(each, memory_bytes=size)
        plans[name] = plan.json
        if demo.can_mount():
            check_budget(plan.json)
        for warning in plan.warnings:
            report.warn(warning["code"], warning["message"])
    with progress() as bar:
        task = bar.add_task("measuring the storage", total=1.0)
        model = _storage(storage, source, job, report)
        base = Scenario(
            workload=job, plan_json=None, baseline="source", storage=model, fuse=FuseCosts.load_or_default(),
            memory_bytes=0, cpus=len(os.sched_getaffinity(0)), replays=not words,
        )  # fmt: skip
        bar.update(task, description="predicting")
        predicted = list(sweep(base, {name: partial(_same, text) for name, text in plans.items()}, [size]))
        epoch_bytes = verify.epoch_bytes(job)
        spec = verify.VerifySpec(
            trace, source, size, plans, model.keeps_page_cache, repeat, words or [], sum(epoch_bytes),
            lambda name, share: bar.update(task, description=f"measuring {name}", completed=share),
        )  # fmt: skip
        if demo.can_mount():
            found = verify.measure(spec)
        else:
            found = verify.Verified(
                notes=[("no-fuse", "without /dev/fuse nothing is mounted: the rows are predicted only")]
            )
    for text in dict.fromkeys(text for row in predicted for text in row.outcome.assumptions):
        report.warn("assumed", text)
    for code, message in found.notes:
        report.warn(code, message)
    rows = [
        verify.row_dict(row, found.runs.get(row.recipe, []), epoch_bytes, is_command=bool(words))
        for row in predicted
    ]
    report.result = {"rows": rows, "compares": "total" if words else "steady epoch"}
    emit(report, as_json=as_json, render=lambda console: _render(console, rows, is_command=bool(words)))
    return 0


def _same(plan_json: str, _memory_bytes: int) -> str:
    return plan_json


def _storage(name: str, source: Path, job: Workload, report: Report) -> StorageModel:
    from mlopt_cli.workflows.probe import probe_directory
    from simulator.fit import fit
    from simulator.storage import StorageModel, named, names

    if name == PROBE:
        probed = probe_directory(source)
        for warning in probed.warnings:
            report.warn("storage-probe", warning)
        return probed.model
    if name == FIT:
        found = fit(job)
        for warning in found.warnings:
            report.warn("storage-fit", warning)
        return found.model
    if name not in names() and Path(name).is_file():
        return StorageModel.from_file(Path(name))
    try:
        return named(name)
    except InvalidInputError as error:
        raise InvalidInputError(
            error.what, where="--storage", value=name, do=f"Write {', '.join(names())}, fit, probe or a file"
        ) from error


def _render(console: Console, rows: list[dict[str, Any]], *, is_command: bool) -> None:
    from rich.table import Table

    what = "of the whole run" if is_command else "per epoch after the first"
    console.print(f"predicted | measured, {what}")
    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in ("recipe", "memory", "seconds", "error", "spread", "hits", "source MiB"):
        table.add_column(name, justify="left" if name == "recipe" else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["recipe"],
            format_size(row["memory_bytes"]) if row["memory_bytes"] else "",
            _pair(row, lambda side: f"{side['seconds_s']:.2f}"),
            "" if row["error_ratio"] is None else f"{row['error_ratio']:+.0%}",
            "" if row["spread_ratio"] is None else f"{row['spread_ratio']:.0%}",
            _pair(row, lambda side: "-" if side["hit_ratio"] is None else f"{side['hit_ratio']:.0%}"),
            _pair(row, _source_mib),
        )
    console.print(table)


def _pair(row: dict[str, Any], write: Callable[[dict[str, Any]], str]) -> str:
    return " | ".join("-" if row[side] is None else write(row[side]) for side in ("predicted", "measured"))


def _source_mib(side: dict[str, Any]) -> str:
    served = side["source_bytes"]
    if not served:
        return "-"
    steady = served[1:] or served
    return f"{sum(steady) / len(steady) / MIB:.1f}"
