"""``mlopt explain``: what a word of the recipe language, a code or a rule means."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli.layer_options import LayerOptions, with_layers
from mlopt_cli.output import Report, emit
from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from recipes.glossary import Entry


@with_layers
def command(
    word: Annotated[
        str | None, typer.Argument(metavar="WORD", help="What to explain. [default: list the topics]")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "-r", "--recipe", metavar="RECIPE", help="File, or name of a shipped recipe: its rules."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    *,
    layers: LayerOptions,
) -> int:
    """Say what a code, rule, template, action, policy, setting, fact or operator means.

    \b
    mlopt explain MLO103
    mlopt explain cache
    mlopt explain train-images -r tuned.yaml
    mlopt explain facts

    Without a word: the topics. With a topic, such as 'actions' or 'codes': the list. One word can mean
    several things; all are shown.

    Parameters
    ----------
    word : str, optional
        What to explain.
    recipe : str, optional
        Whose rules and templates are meant; those of the library if omitted.
    as_json : bool
        Machine-readable.
    layers : LayerOptions
        The layers around the recipe.

    Returns
    -------
    int
        0.

    Raises
    ------
    InvalidInputError
        When nothing has that name, or the recipe cannot be used.
    """
    from recipes.glossary import KINDS, entries, lookup

    chosen = layers.resolve(recipe) if recipe or layers.to_dict() else None
    topics = {kind: [entry.name for entry in entries(kind, chosen)] for kind in [word] if kind in KINDS}
    found: list[Entry] = []
    if word is None:
        topics = {kind: [entry.name for entry in entries(kind, chosen)] for kind in KINDS}
    elif topics:
        found = entries(word, chosen)
    else:
        found = lookup(word, chosen)
        if not found:
            raise _unknown(word, chosen)
    report = Report(
        "explain",
        {"word": word, "recipe": recipe, "layers": layers.to_dict()},
        {"topics": topics, "entries": [asdict(entry) for entry in found]},
    )

    def render(console: Console) -> None:
        if word is None:
            _render_topics(console, topics)
        elif topics:
            _render_list(console, found)
        else:
            for entry in found:
                _render_entry(console, entry)

    emit(report, as_json=as_json, render=render)
    return 0


def _unknown(word: str, recipe: Any) -> InvalidInputError:
    from recipes.glossary import KINDS, nearest_word

    meant = nearest_word(word, recipe)
    do = (
        f"Did you mean '{meant}'?"
        if meant
        else f"Topics: {', '.join(KINDS)}; 'mlopt explain TOPIC' lists one"
    )
    return InvalidInputError(
        "nothing is called so", where="WORD", value=repr(word), do=do, code="unknown-word"
    )


def _render_topics(console: Console, topics: dict[str, list[str]]) -> None:
    for kind, names in topics.items():
        few = ", ".join(names[:6])
        more = f", ... ({len(names)})" if len(names) > 6 else ""
        console.print(f"{kind:12} {few}{more}", markup=False, soft_wrap=True)
    console.print(
        "\nnext: mlopt explain TOPIC lists a topic, mlopt explain WORD explains a word", markup=False
    )


def _render_list(console: Console, found: list[Entry]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for entry in found:
        table.add_row(entry.name, entry.summary)
    console.print(table, markup=False)


def _render_entry(console: Console, entry: Entry) -> None:
    console.print(f"{entry.name} ({entry.kind}): {entry.summary}", markup=False, soft_wrap=True)
    for title, detail in entry.details.items():
        if isinstance(detail, list) and all(" " not in each for each in detail):
            detail = ", ".join(detail)
        if isinstance(detail, str):
            console.print(f"  {title}: {detail}", markup=False, soft_wrap=True)
            continue
        console.print(f"  {title}:", markup=False)
        lines = [f"{key}: {value}" for key, value in detail.items()] if isinstance(detail, dict) else detail
        for line in lines:
            console.print(f"    {line}", markup=False, soft_wrap=True)
    console.print()
