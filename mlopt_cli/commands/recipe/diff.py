"""``mlopt recipe diff``: what changed between two recipes, in meaning, and what it does to a recorded job."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli.output import Report, emit, progress
from mlopt_cli.sizes import format_size, parse_size
from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from mlopt_cli.workflows.changed_recipe import Effect, Shift
    from recipes import Recipe
    from recipes.difference import Change, Difference

#: Without --memory, as in `mlopt learn`: enough for a difference.
DEFAULT_MEMORY = ("0.5",)


@dataclass(frozen=True)
class _Job:
    """What was said of the recorded job."""

    trace: Path
    memory: tuple[str, ...]
    storage: str
    source: Path | None


def command(
    old: Annotated[str, typer.Argument(metavar="OLD", help="File, or name of a shipped recipe.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="File, or name of a shipped recipe.")],
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="TRACE", help="Say what the change would do to this recorded job."),
    ] = None,
    memory: Annotated[
        list[str] | None,
        typer.Option(
            "--memory", metavar="SIZE", help="Budget: 10GiB, 512M, or 0.5 of the working set. [default: 0.5]"
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage", metavar="NAME|FILE|fit", help="nvme, nfs, s3, hdd; a file of 'mlopt probe'."
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--source", metavar="DIR", help="Count all files there, also those the job did not read."
        ),
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 1 when they differ.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Say what changed between two recipes: rules by id, settings, key by key.

    \b
    mlopt recipe diff old.yaml new.yaml
    mlopt recipe diff default tuned.yaml --exit-code
    mlopt recipe diff old.yaml new.yaml --trace run.duckdb --memory 10GiB

    Layout, comments and spellings (8MiB or 8388608) make no difference; defaults count as what they are. With
    a trace: which files are treated otherwise, and the epoch under both, in simulation over five seeds.

    Parameters
    ----------
    old, new : str
        Files, or names of recipes that ship.
    trace : Path, optional
        A recorded job.
    memory : list of str, optional
        Budgets.
    storage : str, optional
        Name, file, or ``fit`` for what the trace shows, which is the default.
    source : Path, optional
        Whose files are counted.
    exit_code : bool
        Answer by the exit code, too.
    as_json : bool
        Machine-readable.

    Returns
    -------
    int
        0; 1 with ``--exit-code`` when they differ.

    Raises
    ------
    InvalidInputError
        When a recipe, size, storage or directory cannot be used, or an option needs ``--trace``.
    RefusedError
        When the trace holds no read.
    TraceUnreadableError
        When the trace cannot be read.
    """
    from recipes import load
    from recipes.difference import compare

    job = _job(trace, memory, storage, source)
    pair = load(old), load(new)
    difference = compare(*pair)
    report = Report(
        "recipe",
        {"verb": "diff", "old": old, "new": new, "exit_code": exit_code},
        {"verb": "diff", "differ": not difference.is_empty} | asdict(difference),
    )
    moved, found = _effect(job, pair, difference, report) if job else ([], [])

    def render(console: Console) -> None:
        for line in _lines(difference):
            console.print(line, markup=False, soft_wrap=True)
        if job:
            _render_effect(console, moved, found, report)

    emit(report, as_json=as_json, render=render)
    return int(exit_code and not difference.is_empty)


def _job(
    trace: Path | None, memory: list[str] | None, storage: str | None, source: Path | None
) -> _Job | None:
    for flag, value in (("--memory", memory), ("--storage", storage), ("--source", source)):
        if value and trace is None:
            raise InvalidInputError(
                "is about a recorded job, and none is given",
                where=flag,
                value=", ".join(value) if isinstance(value, list) else str(value),
                do="Add --trace TRACE",
                code="usage",
            )
    if trace is None:
        return None
    if source is not None and not source.is_dir():
        raise InvalidInputError(
            "is no directory", where="--source", value=str(source), do="Name the job's data", code="path"
        )
    return _Job(trace, tuple(memory or DEFAULT_MEMORY), storage or "fit", source)


def _effect(
    asked: _Job, pair: tuple[Recipe, Recipe], difference: Difference, report: Report
) -> tuple[list[Shift], list[Effect]]:
    """Ask what the change does to the job; the answer goes to the report, too."""
    from mlopt_cli.workflows.changed_recipe import effects, sentence, shift_rows, shifts
    from mlopt_cli.workflows.simulation_inputs import compiled, fitted_storage, job_of, named_storage
    from simulator.fuse_costs import FuseCosts
    from simulator.scenario import Scenario

    model = named_storage(asked.storage)
    job = job_of(asked.trace)
    sizes = [
        parse_size(text, flag="--memory", working_set_bytes=job.working_set_bytes) for text in asked.memory
    ]
    old, new = (partial(compiled, recipe=each, report=report) for each in pair)
    moved: list[Shift] = []
    found: list[Effect] = []
    if any(old(size) != new(size) for size in sizes):
        base = Scenario(
            workload=job, plan_json=None, baseline="source", storage=model or fitted_storage(job, report),
            fuse=FuseCosts.load_or_default(), memory_bytes=0, cpus=len(os.sched_getaffinity(0)),
        )  # fmt: skip
        with progress() as bar:
            task = bar.add_task("comparing", total=1 + 2 * len(set(sizes)))
            moved = shifts(job, (old(sizes[0]), new(sizes[0])), difference, asked.source)
            bar.advance(task)
            found = effects(base, (old, new), sizes, lambda: bar.advance(task))
    for words in dict.fromkeys(
        words for each in found for words in (*each.old.assumptions, *each.new.assumptions)
    ):
        report.warn("assumed", words)
    if len(job.epoch_seconds) < 2:
        report.warn("one-epoch", "the trace holds one epoch: nothing is read again, no cache can help")
    report.inputs = {
        **report.inputs,
        "trace": str(asked.trace),
        "memory_bytes": sizes,
        "storage": asked.storage,
        "source": str(asked.source) if asked.source else None,
    }
    report.result = {
        **report.result,
        "treatments": shift_rows(moved),
        "effects": [each.to_dict() for each in found],
        "sentence": sentence(moved, found, format_size),
    }
    return moved, found


def _render_effect(console: Console, moved: list[Shift], found: list[Effect], report: Report) -> None:
    from rich.table import Table

    files = Table("changed by", "files", "bytes", "bytes read", "from", "to", box=None, pad_edge=False)
    for shift in moved:
        files.add_row(
            shift.rule or "order or settings", f"{shift.files:,}", format_size(shift.bytes),
            format_size(shift.read_bytes), shift.before, shift.after,
        )  # fmt: skip
    times = Table("memory", "", "epoch s", "±", "held", "ahead", "source MiB", box=None, pad_edge=False)
    for effect in found:
        for name, outcome in (("OLD", effect.old), ("NEW", effect.new)):
            fetched = outcome.source_bytes[1:] or outcome.source_bytes
            times.add_row(
                format_size(effect.memory_bytes), name, f"{outcome.steady_epoch_s:.2f}",
                f"{max(outcome.epoch_s_spread) / 2:.2f}", f"{outcome.resident_ratio:.2f}",
                f"{outcome.prefetched_ratio:.2f}", f"{sum(fetched) / len(fetched) / (1 << 20):.1f}",
            )  # fmt: skip
    for table in (files, times):
        if table.rows:
            console.print()
            console.print(table)
    console.print()
    console.print(report.result["sentence"], style="bold", soft_wrap=True)


def _lines(difference: Difference) -> Iterator[str]:
    if difference.is_empty:
        yield "no difference in meaning"
    for identifier in difference.removed:
        yield f"- rule {identifier}"
    for identifier in difference.added:
        yield f"+ rule {identifier}"
    for identifier, changes in difference.changed.items():
        yield f"~ rule {identifier}"
        yield from (f"    {_line(change)}" for change in changes)
    if difference.is_reordered:
        yield "~ order of the rules"
    for title, changes in (("settings", difference.settings), ("recipe", difference.other)):
        if changes:
            yield f"~ {title}"
            yield from (f"    {_line(change)}" for change in changes)


def _line(change: Change) -> str:
    if change.kind == "added":
        return f"+ {change.key}: {_shown(change.key, change.new)}"
    if change.kind == "removed":
        return f"- {change.key}: {_shown(change.key, change.old)}"
    return f"{change.key}: {_shown(change.key, change.old)} -> {_shown(change.key, change.new)}"


def _shown(key: str, value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    last = key.rsplit(".", 1)[-1]
    if is_number and (last.endswith("_bytes") or last == "block_size" or ".size " in key):
        return format_size(value)
    if is_number and (last.endswith("_ns") or last == "staleness"):
        return "immutable" if value >= (1 << 64) - 1 else f"{value / 1e9:g}s"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
