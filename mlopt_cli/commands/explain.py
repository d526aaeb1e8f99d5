"""``mlopt explain``: what a word of the recipe language, a code or a rule means."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopt_cli.layer_options import LayerOptions, with_layers
from mlopt_cli.output import Report, emit
from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from recipes import Recipe
    from recipes.glossary import Entry


@with_layers
def command(
    word: Annotated[
        str | None,
        typer.Argument(metavar="WORD|FILE", help="What to explain. [default: list the topics]"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "-r", "--recipe", metavar="RECIPE", help="File, or name of a shipped recipe: its rules."
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--source", metavar="DIR", help="What rules see a FILE's path relative to."),
    ] = None,
    fact: Annotated[
        list[str] | None,
        typer.Option(
            "--fact", metavar="KEY=VALUE", help="What if, for a FILE; 'mlopt explain facts' lists them."
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
    mlopt explain ./data/train/1.jpg -r tuned.yaml --source ./data

    Without a word: the topics. With a topic, such as 'actions' or 'codes': the list. One word can mean
    several things; all are shown. A path is explained as a file: what it is, what each rule made of it, and
    what a mount would do with it.

    Parameters
    ----------
    word : str, optional
        What to explain.
    recipe : str, optional
        Whose rules and templates are meant; those of the library if omitted, for a file those of ``default``.
    source : Path, optional
        The directory that rules see a file's path relative to.
    fact : list of str, optional
        What is known of job and machine, for a file.
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
    found: list[Entry] = []
    topics = {kind: [entry.name for entry in entries(kind, chosen)] for kind in KINDS if word in (None, kind)}
    told = None
    if word in KINDS:
        found = entries(word, chosen)
    elif word is not None:
        found = [] if "/" in word else lookup(word, chosen)
        told = None if found else _file(word, chosen, source, fact or [])
        if not found and told is None:
            raise _unknown(word, chosen)
    if told is None and (source or fact):
        raise InvalidInputError("--source and --fact are for a file", where=word or "WORD", do="Name a file")
    report = Report(
        "explain",
        {"word": word, "recipe": recipe, "layers": layers.to_dict()}
        | {"source": str(source) if source else None, "facts": fact or []},
        {"topics": topics, "entries": [asdict(entry) for entry in found], "file": told},
    )

    def render(console: Console) -> None:
        if word is None:
            _render_topics(console, topics)
        elif told is not None:
            for sentence in told["sentences"]:
                console.print(sentence, markup=False, soft_wrap=True)
        elif topics:
            _render_list(console, found)
        else:
            for entry in found:
                _render_entry(console, entry)

    emit(report, as_json=as_json, render=render)
    return 0


def _file(name: str, recipe: Recipe | None, source: Path | None, facts: list[str]) -> dict[str, Any] | None:
    """Explain a file, if the word names one."""
    from mlopt_cli.workflows.explain_file import explain_file
    from mlopt_cli.workflows.given_facts import facts_here, parse_facts
    from recipes import load

    path = Path(name)
    if path.is_dir():
        raise InvalidInputError(
            "is a directory", where=name, do=f"See 'mlopt test-rules {name}'", code="path"
        )
    if not (path.exists() or path.is_symlink()):
        if "/" in name:
            raise InvalidInputError("no such file", where=name, do="Name a file or a word", code="path")
        return None
    known = facts_here() | parse_facts(facts)
    entry = explain_file(path, recipe or load("default"), source=source, facts=known)
    return {key: entry[key] for key in ("path", "kind", "size", "sentences")}


def _unknown(word: str, recipe: Any) -> InvalidInputError:
    from mlopt_cli.main import COMMANDS
    from recipes.glossary import KINDS, nearest_word

    meant = nearest_word(word, recipe)
    if word in {command.name for command in COMMANDS}:
        return InvalidInputError(
            "is a command, not a word of recipes",
            where=word,
            do=f"Run: mlopt {word} --help",
            code="unknown-word",
        )
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
