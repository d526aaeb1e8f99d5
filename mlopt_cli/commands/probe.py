"""``mlopt probe``: measure a storage, or what FUSE itself costs here."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from mlopt_cli.output import Report, emit, progress
from mlopt_cli.sizes import format_size
from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from simulator.fuse_probe import FuseProbe
    from simulator.probe import ProbeResult


Measured = TypeVar("Measured")
FUSE_WORDS = {
    "lookup_us": "finding a name (LOOKUP)",
    "open_us": "an open and its close (OPEN)",
    "read_us": "a READ without its bytes",
    "read_us_per_mib": "the bytes of a READ, each MiB",
    "fill_us": "a push into the page cache without its bytes",
    "fill_us_per_mib": "the bytes of a push, each MiB",
    "serve_us": "a READ from the daemon, beyond the answer",
    "drop_us": "dropping the pages of a block",
    "silent_us": "opening what is held, above native",
    "silent_us_per_mib": "reading what is held, above native, each MiB",
}


def command(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Files on the storage; they are only read.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", metavar="FILE", help="Write the model for 'simulate --storage FILE'."),
    ] = None,
    fuse: Annotated[
        bool, typer.Option("--fuse", help="Measure FUSE's own cost and keep it for predictions.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Measure a storage in about ten seconds.

    \b
    mlopt probe /data
    mlopt probe /data -o storage.json && mlopt simulate run.duckdb --storage storage.json
    mlopt probe --fuse

    Existing files are read past the page cache in four sizes, by 1 to 64 readers. Measure while nothing else
    uses the storage: what others take is not seen apart.
    """
    if directory is None and not fuse:
        raise InvalidInputError("nothing to measure", where="DIR", do="Name a directory, or give --fuse")
    if out is not None and directory is None:
        raise InvalidInputError("there is no model to write", where="-o", do="Name a directory to measure")
    from mlopt_cli.workflows.probe import check_target, probe_directory, save_model

    if out is not None:
        check_target(out)
    inputs = {
        "directory": str(directory) if directory else None,
        "fuse": fuse,
        "out": str(out) if out else None,
    }
    report = Report("probe", inputs, {"storage": None, "fuse": None})
    measured = None
    if directory is not None:
        measured = _with_bar("measuring the storage", partial(probe_directory, directory))
        if out is not None:
            save_model(measured, out)
        for words in measured.warnings:
            report.warn("probe", words)
    costs, kept = None, None
    if fuse:
        from simulator.fuse_probe import probe_fuse

        costs = _with_bar("measuring FUSE", probe_fuse)
        kept = costs.costs.save()
    report.result = {
        "storage": _storage_result(measured) if measured else None,
        "fuse": (asdict(costs) | {"file": str(kept)}) if costs else None,
    }

    def render(console: Console) -> None:
        if measured is not None:
            _render_storage(console, measured)
            if out is not None:
                console.print(f"next: mlopt simulate TRACE --storage {out}", soft_wrap=True)
        if costs is not None:
            _render_fuse(console, costs)
            console.print(f"kept for predictions on this machine in {kept}", soft_wrap=True)

    emit(report, as_json=as_json, render=render)
    return 0


def _with_bar(words: str, measure: Callable[[Callable[[float], None]], Measured]) -> Measured:
    with progress() as bar:
        task = bar.add_task(words, total=1.0)
        return measure(lambda share: bar.update(task, completed=share))


def _storage_result(measured: ProbeResult) -> dict[str, object]:
    return {
        "model": asdict(measured.model),
        "intervals": {name: list(interval) for name, interval in measured.intervals.items()},
        "points": [asdict(point) for point in measured.points],
        "files": measured.files,
        "is_direct": measured.is_direct,
    }


def _render_storage(console: Console, measured: ProbeResult) -> None:
    from rich.table import Table

    model, intervals = measured.model, measured.intervals
    points = Table("read", "readers", "reads", "p10 [ms]", "median [ms]", "p99 [ms]", "MB/s")
    for point in measured.points:
        points.add_row(
            format_size(point.bytes),
            str(point.readers),
            str(point.requests),
            *(f"{value / 1e6:.2f}" for value in (point.p10_ns, point.median_ns, point.p99_ns)),
            f"{point.bytes_per_s / 1e6:.1f}",
        )
    console.print(points)

    def line(name: str, value: str, key: str, scale: float) -> tuple[str, str, str]:
        if key not in intervals:
            return name, value, ""
        low, high = (each / scale for each in intervals[key])
        return name, value, f"{low:.3g} - {high:.3g}"

    table = Table("storage", "measured", "90 % interval")
    rows = [
        line("latency", f"{model.latency_ns / 1e6:.2f} ms", "latency_ns", 1e6),
        ("spread of its logarithm", f"{model.latency_sigma:.2f}", ""),
        line("open", f"{model.metadata_latency_ns / 1e6:.2f} ms", "metadata_latency_ns", 1e6),
        ("bandwidth, shared", f"{model.bandwidth / 1e6:.1f} MB/s", ""),
        line("bandwidth of one stream", f"{model.stream_bandwidth / 1e6:.1f} MB/s", "stream_bandwidth", 1e6),
        ("requests at once", str(model.concurrency), ""),
        ("largest request", format_size(model.request_bytes), ""),
        ("pages stay from open to open", "yes" if model.keeps_page_cache else "no", ""),
        (
            "CPU of the daemon",
            f"{model.request_cpu_ns / 1e3:.0f} us + {model.mib_cpu_ns / 1e3:.0f} us/MiB",
            "",
        ),
        (
            "CPU of the reader",
            f"{model.client_request_cpu_ns / 1e3:.0f} us + {model.client_mib_cpu_ns / 1e3:.0f} us/MiB",
            "",
        ),
    ]
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _render_fuse(console: Console, measured: FuseProbe) -> None:
    from rich.table import Table

    table = Table("FUSE on this machine", "us of CPU")
    values = measured.costs.to_dict()
    for name, words in FUSE_WORDS.items():
        table.add_row(words, f"{values[name]:.1f}")
    table.add_row("reader's share of a message", f"{measured.costs.client_share:.2f}")
    console.print(table)
