"""``mlopt run``: a command with the mount laid over its data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlopt_cli.layer_options import LayerOptions, with_layers
from mlopt_cli.output import print_warning, stderr_console
from mlopt_cli.sizes import format_size, parse_size


@with_layers
def command(
    words: Annotated[list[str], typer.Argument(metavar="CMD...", help="The command, after --.")],
    source: Annotated[
        Path, typer.Option("--source", metavar="DIR", help="The directory that the command reads.")
    ],
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
    fact: Annotated[
        list[str] | None,
        typer.Option("--fact", metavar="KEY=VALUE", help="A fact above what is measured; repeatable."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option("--storage", metavar="NAME|FILE", help="Tells bandwidth and IOPS: a probe file."),
    ] = None,
    stats: Annotated[
        Path | None, typer.Option("--stats", metavar="FILE", help="Write what the mount did, as JSON.")
    ] = None,
    *,
    layers: LayerOptions,
) -> int:
    """Run CMD with the mount laid over DIR, for it alone.

    \b
    mlopt run --source /slow/data -r tuned.yaml -- python train.py

    The command sees its data under the same path; nobody else sees the mount. Its exit code is returned:
    125 when mlopt itself failed, 126 or 127 when CMD could not be run, 128+N when signal N ended it.
    """
    import recipes
    from mlopt_cli.workflows.given_facts import facts_of_command, facts_of_storage, parse_facts
    from runtime import launcher, session
    from runtime import memory as memory_here

    budget = parse_size(memory, flag="--memory") if memory else memory_here.default_budget_bytes()
    facts = facts_of_storage(storage) | parse_facts(fact or [])
    resolved = layers.resolve(recipe, source, facts_of_command(words) | facts)
    plan = recipes.compile_plan(resolved, memory_bytes=budget)
    if resolved.settings.metrics_collection and stats is None:
        text = "metrics_collection: this mount serves no page; --stats FILE writes what it did"
        stderr_console().print(f"[yellow]warning[/yellow] {text}")
    for warning in plan.warnings:
        print_warning(warning)
    if memory is None:
        stderr_console().print(f"memory {format_size(plan.memory_bytes)}; --memory SIZE sets it", style="dim")
    options = launcher.RunOptions(
        mount=session.MountOptions(facts=facts),
        stats_file=stats.absolute() if stats else None,
    )
    return launcher.run(source, plan.json, words, options)
