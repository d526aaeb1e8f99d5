"""``mlopt demo``: the whole loop on a real training job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli import output
from mlopt_cli.sizes import format_size

if TYPE_CHECKING:
    from rich.console import Console

    from mlopt_cli.workflows.demo import DemoResult

#: Where things go when nobody says so.
DEFAULT_FOLDER = Path("demo-output")


def command(
    keep: Annotated[
        Path, typer.Option("--keep", metavar="DIR", help="Where data, trace, recipe and picture go.")
    ] = DEFAULT_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Watch the whole loop: record, predict, learn, run under the recipe, compare.

    \b
    mlopt demo
    mlopt demo --keep /tmp/demo --json

    A real training job (scikit-learn, four worker processes, shuffled epochs) reads 2,000 images from an
    emulated slow storage. It takes about three minutes and needs 1 GiB of disk. Without /dev/fuse it leaves
    out the mounts and says so.
    """
    from mlopt_cli.workflows import demo

    stderr = output.stderr_console()
    with output.progress() as bar:
        task = bar.add_task("starting", total=1.0)
        options = demo.DemoOptions(
            folder=keep,
            say=lambda text: (bar.console if stderr.is_terminal else stderr).print(
                text, style="bold" if text.startswith("$") else None, markup=False, soft_wrap=True
            ),
            advance=lambda text, share: bar.update(task, description=text, completed=share),
        )
        result = demo.run(options)
    report = output.Report("demo", {"keep": str(keep)}, result_dict(result))
    for note in result.notes:
        report.warn("demo-left-out", note)
    output.emit(report, as_json=as_json, render=lambda console: _render(console, result))
    return 0


def result_dict(result: DemoResult) -> dict[str, Any]:
    """Shape what the demo found for JSON.

    Parameters
    ----------
    result : DemoResult
        The figures.

    Returns
    -------
    dict
        As published.
    """
    return {
        "memory_bytes": result.memory_bytes,
        "rows": result.rows,
        "picture": str(result.picture) if result.picture else None,
        "recipe": str(result.recipe) if result.recipe else None,
        "same_result": result.same_result,
        "seconds_s": result.seconds,
    }


def _render(console: Console, result: DemoResult) -> None:
    from rich.table import Table

    memory = format_size(result.memory_bytes)
    table = Table(title=f"predicted | measured, per epoch after the first; memory {memory}")
    table.add_column("")
    for heading in ("epoch [s]", "error", "spread", "of source", "hit ratio", "from source [MiB]"):
        table.add_column(heading, justify="right")
    sources = [row["measured"] or row["predicted"] for row in result.rows if row["name"] == "source"]
    for row in result.rows:
        best = row["measured"] or row["predicted"]
        table.add_row(
            row["name"],
            _pair(row, "epoch_s", "{:.2f}"),
            "" if row["error_ratio"] is None else f"{row['error_ratio']:+.0%}",
            "" if row["spread_ratio"] is None else f"{row['spread_ratio']:.0%}",
            f"{best['epoch_s'] / sources[0]['epoch_s']:.2f}" if sources else "",
            _pair(row, "hit_ratio", "{:.2f}"),
            _pair(row, "source_bytes", "{:.0f}", 2**20),
        )
    console.print(table)
    if result.same_result:
        console.print("All rows ended with the same model, from the same bytes.")
    folder = result.picture.parent if result.picture else DEFAULT_FOLDER
    console.print(f"picture: {result.picture}    whole demo: {result.seconds:.0f} s", soft_wrap=True)
    recipe = result.recipe or "default"
    console.print(
        "next, on your own job:\n"
        "  mlopt record -o run.duckdb --source DATA -- python train.py\n"
        "  mlopt simulate run.duckdb\n"
        "  mlopt learn run.duckdb -o tuned.yaml\n"
        "  mlopt run --source DATA -r tuned.yaml -- python train.py\n"
        f"or look closer: mlopt test-rules {folder / 'data'} -r {recipe}\n"
        f"                mlopt report {folder / 'run.duckdb'}",
        soft_wrap=True,
        highlight=False,
    )


def _pair(row: dict[str, Any], key: str, form: str, unit: float = 1.0) -> str:
    values = [form.format(row[side][key] / unit) if row[side] else "-" for side in ("predicted", "measured")]
    return " | ".join(values)
