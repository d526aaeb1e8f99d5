"""``mlopt mount``: show a source through a cache that follows a recipe."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlopt_cli.layer_options import LayerOptions, with_layers
from mlopt_cli.output import Report, emit, stderr_console
from mlopt_cli.sizes import format_size, parse_size

if TYPE_CHECKING:
    from rich.console import Console

    from runtime.session import Mount

#: Where a recipe that asks for metrics has them served, unless --http says otherwise.
ANY_PORT = "127.0.0.1:0"


@with_layers
def command(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The directory with the data.")],
    mountpoint: Annotated[Path, typer.Argument(metavar="MOUNTPOINT", help="An existing directory.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            "-r", "--recipe", metavar="RECIPE", help="File, or name of a shipped recipe. [default: default]"
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option("--memory", metavar="SIZE", help="Hard budget. [default: 1/4 of the free memory]"),
    ] = None,
    staleness: Annotated[
        float | None,
        typer.Option("--staleness", metavar="S", help="A source change shows within S seconds."),
    ] = None,
    deadline: Annotated[
        float, typer.Option("--deadline", metavar="S", help="Each operation is answered within S seconds.")
    ] = 60.0,
    allow_other: Annotated[
        bool, typer.Option("--allow-other", help="Let other users in; permissions are checked.")
    ] = False,
    http: Annotated[
        str | None, typer.Option("--http", metavar="ADDR", help="Serve metrics, as 127.0.0.1:9100.")
    ] = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay; Ctrl-C unmounts.")] = False,
    journal: Annotated[
        Path | None,
        typer.Option("--journal", metavar="FILE", help="Write every event and its effects to FILE."),
    ] = None,
    fact: Annotated[
        list[str] | None,
        typer.Option("--fact", metavar="KEY=VALUE", help="A fact above what is measured; repeatable."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option("--storage", metavar="NAME|FILE", help="Tells bandwidth and IOPS: a probe file."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    *,
    layers: LayerOptions,
) -> int:
    """Mount SOURCE read-only at MOUNTPOINT, cached as a recipe says.

    \b
    mlopt mount /slow/data /mnt/fast -r tuned.yaml --memory 8GiB
    mlopt mount /slow/data /mnt/fast --http 127.0.0.1:9100
    mlopt umount /mnt/fast

    Returns when the mount answers. A change of the source shows within the staleness: 60 s unless the
    recipe or --staleness says otherwise. Facts of the machine and of the processes that read are measured
    every 30 s; 'mlopt status --json' shows them.
    """
    import recipes
    from mlopt_cli.workflows.given_facts import facts_of_storage, parse_facts
    from runtime import memory as memory_here
    from runtime import session

    budget = memory_here.default_budget_bytes() if memory is None else parse_size(memory, flag="--memory")
    facts = facts_of_storage(storage) | parse_facts(fact or [])
    resolved = layers.resolve(recipe, source, facts)
    plan = recipes.compile_plan(resolved, memory_bytes=budget)
    if http is None and resolved.settings.metrics_collection:
        http = ANY_PORT
    options = session.MountOptions(
        staleness_s=staleness,
        deadline_s=deadline,
        allow_other=allow_other,
        http=http,
        journal=journal.absolute() if journal else None,
        facts=facts,
    )
    budget = plan.memory_bytes
    with _held(foreground) as hold:
        handle = hold(session.mount(source, mountpoint, plan.json, options))
        report = Report(
            "mount",
            {
                "source": str(source),
                "mountpoint": str(mountpoint),
                "recipe": recipe or "default",
                "memory_bytes": budget,
            }
            | {"layers": layers.to_dict()},
            {
                "mountpoint": str(handle.mountpoint),
                "pid": handle.pid,
                "memory_bytes": budget,
                "plan_sha256": plan.sha256,
                "http": handle.status().get("http"),
            },
            [dict(warning) for warning in plan.warnings],
        )
        for note in handle.notes:
            report.warn("mountpoint-not-empty", note)

        def render(console: Console) -> None:
            chosen = "" if memory else " (chosen; --memory SIZE sets it)"
            console.print(
                f"{source} is mounted at {handle.mountpoint}, memory {format_size(budget)}{chosen}",
                soft_wrap=True,
            )
            if report.result["http"]:
                console.print(f"metrics: http://{report.result['http']}/ml/metrics")
            console.print(
                "Ctrl-C unmounts" if foreground else f"next: mlopt umount {handle.mountpoint}",
                style="dim",
                soft_wrap=True,
            )

        emit(report, as_json=as_json, render=render)
        if foreground:
            session.wait(handle)
    return 0


@contextmanager
def _held(foreground: bool) -> Iterator[Callable[[Mount], Mount]]:
    """Unmount, when in the foreground, at Ctrl-C, SIGTERM and a terminal that closes, from the mount on."""
    from mlopt_engine.errors import RefusedError

    mounted: list[Mount] = []

    def hold(mount: Mount) -> Mount:
        mounted.append(mount)
        return mount

    if foreground:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _leave)
    try:
        yield hold
    except (KeyboardInterrupt, SystemExit):
        for handle in mounted if foreground else ():
            try:
                handle.umount()
            except RefusedError as error:
                stderr_console().print(f"{error.what}: unmounted lazily, open files stay readable")
                handle.umount(lazy=True)
        raise  # the table of exit codes holds for a mount too: interrupted is 130


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
