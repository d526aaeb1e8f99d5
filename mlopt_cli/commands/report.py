"""`mlopt report`: describe a trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli.output import Report, emit
from mlopt_cli.sizes import format_size

if TYPE_CHECKING:
    from rich.console import Console

_CLASSES_SHOWN = 6
_ROWS_SHOWN = 8


def command(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace that 'mlopt record' wrote.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Describe a trace: files, bytes, epochs, classes, workers, consumer, latency, waits.

    \b
    mlopt report run.duckdb
    mlopt report run.duckdb --json

    What a killed recorder left is completed first.
    """
    from traces.analysis.summary import summarize
    from traces.store import Trace

    with Trace.open(trace) as opened:
        summary = summarize(opened)
    report = Report("report", {"trace": str(trace)}, summary.facts)
    for code, message in summary.warnings:
        report.warn(code, message)
    emit(report, as_json=as_json, render=lambda console: _render(console, summary.facts, trace))
    return 0


def _render(console: Console, facts: dict[str, Any], trace: Path) -> None:
    from rich.text import Text

    run = facts["run"]
    words = " ".join(run["argv"])[:80]
    seconds = (run["dur_ns"] or 0) / 1e9
    console.print(Text(str(trace), style="bold").append(f": {words}", style="not bold"), soft_wrap=True)
    console.print(
        f"ran       {seconds:.1f} s on {run['ncpu']} CPUs, exit code {run['exit_code']}, "
        f"{run['calls']} calls traced"
    )
    console.print(f"source    {', '.join(facts['sources']) or 'none found'}", soft_wrap=True)
    reuse = f", each byte {facts['reuse']:.1f} times" if facts["reuse"] else ""
    console.print(
        f"read      {format_size(facts['read_bytes'])} in {facts['reads']} reads of {facts['files']} files"
        f"{reuse}; "
        f"working set {format_size(facts['working_set_bytes'])}"
    )
    inside = facts["order_inside_files"]
    console.print(
        f"order     {'shuffled' if facts['shuffled'] else 'the same each time'}; inside files "
        f"{inside['sequential']:.0%} sequential, {inside['strided']:.0%} strided, "
        f"{inside['random']:.0%} random"
    )
    _table(console, facts["epochs"], "epoch", {
        "s": lambda e: f"{e['duration_s']:.2f}", "reads": lambda e: str(e["reads"]),
        "bytes": lambda e: format_size(e["read_bytes"]),
        "exposed wait": lambda e: f"{e['exposed_wait_s']:.2f} s",
    })  # fmt: skip
    _table(console, facts["classes"][:_CLASSES_SHOWN], "class", {
        "files": lambda c: str(c["files"]), "size": lambda c: format_size(c["bytes"]),
        "read": lambda c: format_size(c["read_bytes"]), "": lambda c: f"{c['directory']}/**{c['extension']}",
    })  # fmt: skip
    _table(console, facts["workers"], "worker", {
        "reads": lambda w: str(w["reads"]), "CPU/read": lambda w: f"{w['cpu_ms_per_read']:.2f} ms",
        "think/read": lambda w: f"{w['think_ms_per_read']:.2f} ms",
        "in calls": lambda w: f"{w['in_calls_s']:.2f} s",
    })  # fmt: skip
    consumer = facts["consumer"]
    if consumer:
        console.print(
            f"consumer  takes {consumer['batches']} batches of {consumer['batch_files']} files from "
            f"{consumer['fetchers']} workers; {consumer['cpu_ms_per_batch']:.1f} ms CPU and "
            f"{consumer['wait_ms_per_batch']:.1f} ms wait each"
        )
    for name, latency in facts["storage"].items():
        console.print(
            f"{name:<9} {latency['p10_ms']:.2f} / {latency['p50_ms']:.2f} / {latency['p99_ms']:.2f} ms "
            "(10th, 50th, 99th percentile, tracer included)"
        )
    console.print(f"CPU times from: {run['cpu_times_from']}")
    console.print(f"next: mlopt simulate {trace}", soft_wrap=True)


def _table(console: Console, rows: list[dict[str, Any]], title: str, columns: dict[str, Any]) -> None:
    from rich.table import Table

    if not rows:
        return
    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column(title, justify="right", style="dim")
    for name in columns:
        table.add_column(name, justify="right" if name else "left")
    for number, row in enumerate(rows[:_ROWS_SHOWN]):
        table.add_row(str(number), *(shape(row) for shape in columns.values()))
    console.print(table)
    if len(rows) > _ROWS_SHOWN:
        console.print(f"... and {len(rows) - _ROWS_SHOWN} more")
