"""``mlopt emulate``: a slow storage in front of a directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlopt_cli import output
from mlopt_cli.rates import parse_duration, parse_rate

if TYPE_CHECKING:
    from rich.console import Console


def command(
    source: Annotated[Path, typer.Argument(help="Directory with the data.", metavar="SOURCE")],
    mountpoint: Annotated[
        Path, typer.Argument(help="Where it appears, slow and read-only.", metavar="MOUNTPOINT")
    ],
    latency: Annotated[str, typer.Option(help="Median latency of each paying operation.")] = "5ms",
    bandwidth: Annotated[str, typer.Option(help="Shared by all readers, or 'unlimited'.")] = "60MB/s",
    concurrency: Annotated[int, typer.Option(help="Requests served at once.")] = 16,
    jitter: Annotated[
        float, typer.Option(help="Spread of the latency: standard deviation of its logarithm.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="Seed of the latencies.")] = 0,
    keep_cache: Annotated[
        bool,
        typer.Option("--keep-cache", help="Keep pages from one open to the next while a file is unchanged."),
    ] = False,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Serve in this process until Ctrl-C.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Show a directory as a slow storage.

    \b
    mlopt emulate /data /mnt/slow --latency 5ms --bandwidth 60MB/s --concurrency 16
    mlopt emulate /data /mnt/slow --latency 500us --bandwidth unlimited --foreground
    mlopt umount /mnt/slow

    Lookup, getattr, open, readlink and each 1,000 entries of a listing pay one latency. Each READ (up to
    1 MiB) pays one latency and its bytes' time on the shared link. All of these need a slot. Closing, statfs
    and what the kernel answers itself are free: names and attributes for 60 s, a file's pages while it is
    open, or longer with --keep-cache.
    """
    from runtime import emulator

    spec = emulator.EmulatorSpec(
        latency_ns=parse_duration(latency, flag="--latency"),
        bandwidth=parse_rate(bandwidth, flag="--bandwidth"),
        concurrency=concurrency,
        jitter=jitter,
        seed=seed,
        keep_cache=keep_cache,
    )

    def announce() -> None:
        status = emulator.status(mountpoint)
        report = output.Report(
            "emulate",
            inputs={"source": str(source), "mountpoint": str(mountpoint)},
            result={key: status[key] for key in ("source", "mountpoint", "pid", "specification", "costs")},
        )
        if not_empty:
            report.warn("mountpoint-not-empty", f"What {mountpoint} holds is hidden until the unmount")
        output.emit(report, as_json=as_json, render=render)

    def render(console: Console) -> None:
        console.print(f"{source} appears slow at {mountpoint}", soft_wrap=True)
        console.print(
            f"latency {latency} (spread {jitter:g}), bandwidth {bandwidth}, {concurrency} requests at once",
            soft_wrap=True,
        )
        for cost in emulator.COSTS:
            console.print(f"  {cost}", soft_wrap=True)
        console.print(f"next: mlopt status {mountpoint}   mlopt umount {mountpoint}", soft_wrap=True)

    not_empty = mountpoint.is_dir() and any(True for _ in mountpoint.iterdir())
    if foreground:
        return emulator.serve(source, mountpoint, spec, announce)
    emulator.start(source, mountpoint, spec)
    announce()
    return 0
