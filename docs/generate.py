"""Write ``docs/reference/`` from the engine's registry; ``--check`` fails when a page is stale."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from mlopt_cli.main import COMMANDS, build_app
from mlopt_engine import registry
from recipes.actions import ACTIONS
from recipes.actions.base import ActionType, Parameter
from recipes.codes import CODES, Code
from recipes.glossary import lookup
from recipes.settings import settings_page
from recipes.vocabulary import CONDITION_TYPES

REFERENCE = Path(__file__).parent / "reference"
Entry = dict[str, Any]
#: Columns of a command's help, whatever the terminal that remakes the page.
WIDTH = 100


def table(heads: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """Lay out rows as a table of Markdown."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        cells = " | ".join(cell.replace("|", r"\|") for cell in row)
        yield f"| {cells} |"


def in_recipes(parameter: Parameter, value: Any) -> str:
    """Write a value of the plan as recipes write it."""
    if value is None:
        return ""
    if parameter.kind in ("size", "rate"):
        units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        text = next((f"{value // size}{unit}" for unit, size in units if value % size == 0), str(value))
        return f"{text}/s" if parameter.kind == "rate" else text
    return str(value).lower() if isinstance(value, bool) else str(value)


def takes(parameter: Parameter) -> str:
    """Say what a parameter takes, with its range."""
    if parameter.kind not in ("size", "rate"):
        return parameter.takes
    low, high = (in_recipes(parameter, bound) for bound in (parameter.min, parameter.max))
    return f"a {parameter.kind} from {low} to {high}"


def action(entry: ActionType) -> Iterator[str]:
    """Describe one action."""
    yield from (f"## {entry.name}", "", entry.summary, "")
    if entry.not_enforced is None:
        yield from (f"**Enforced.** {entry.effect}", "")
    else:
        yield from (f"**Not enforced yet**: {entry.not_enforced}.", "")
    listed = entry.listed.values()
    rows = ((f"`{p.name}`", takes(p), in_recipes(p, p.default), p.summary) for p in listed)
    yield from table(("parameter", "takes", "default", "says"), rows)
    yield ""
    for parameter in listed if entry.not_enforced is None else ():
        for value, why in parameter.without_effect.items():
            said = "" if value == "*" else f": {value}"
            yield f"- `{parameter.name}{said}` has no effect yet: {why}."
    for parameter in listed:
        for value, why in parameter.refused.items():
            yield f"- `{parameter.name}: {value}` is an error: {why}."
    if entry.advisory:
        names = (f"`{name}` ({why})" for name, why in entry.advisory.items())
        yield f"- Known without effect: {'; '.join(names)}."
    yield ""


def actions() -> Iterator[str]:
    """Describe every action."""
    yield "What a rule can ask for its files. A parameter that no rule sets has the default; of several rules"
    yield "the strongest that sets it decides. `mlopt test-rules` shows the outcome for each file."
    yield ""
    for entry in ACTIONS.values():
        yield from action(entry)


def replaceable(kind: str) -> Iterator[str]:
    """Describe cache policies or prefetchers."""
    for entry in registry()[kind]:
        yield from (f"## {entry['name']}", "", entry["summary"], "")
        yield f"- Needs to see: {entry['needs']}."
        if entry["parameters"]:
            yield f"- Parameters: {', '.join(f'`{name}`' for name in entry['parameters'])}."
        if entry.get("ranks_files"):
            yield "- Ranks by time, size, kind and use of the file, which it is told with each read."
        if entry["simulation_only"]:
            yield "- In simulations only: it needs the future."
        yield from (f"- Source: {entry['source']}", "")


def policies() -> Iterator[str]:
    """Describe every cache policy."""
    yield "Which block leaves first: `policy` of the action `cache`. Blocks of a policy that needs to see"
    yield "misses only live in the kernel, where reads are silent; of one that needs reads, with the daemon."
    yield ""
    yield from replaceable("policies")


def prefetchers() -> Iterator[str]:
    """Describe every prefetcher."""
    yield "Which block is worth fetching before it is asked for: `mode` of the action `prefetch`."
    yield ""
    yield from replaceable("prefetchers")


def operators() -> Iterator[str]:
    """Describe every operator."""
    yield "How a condition compares its fact with its value."
    yield ""
    rows = (
        (f"`{entry['name']}`", words(entry["compares"]), words(entry["value"]), entry["summary"])
        for entry in registry()["operators"]
    )
    yield from table(("operator", "compares", "value", "says"), rows)
    yield ""


def facts() -> Iterator[str]:
    """Describe every fact."""
    yield "What conditions can ask about. A fact that is not known makes its condition unknown, never false."
    yield ""
    rows = (
        (
            f"`{entry['name']}`",
            written_as(entry["name"]),
            words(entry["kind"]),
            words(entry["source"]),
            about(entry),
        )
        for entry in registry()["facts"]
    )
    yield from table(("fact", "in recipes", "kind", "source", "says"), rows)
    yield ""


def about(entry: Entry) -> str:
    """Give a fact's summary, and when it is measured anew where the engine says so."""
    return f"{entry['summary']} {entry['refresh']}".strip() if entry.get("refresh") else str(entry["summary"])


def written_as(fact: str) -> str:
    """Name the condition types and properties that mean a fact."""
    names = [
        f"`{kind}.{name}`"
        for kind, properties in CONDITION_TYPES.items()
        for name, meant in properties.items()
        if meant == fact
    ]
    return ", ".join(names)


def words(value: Any) -> str:
    """Join a list, or give a word as it is."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def findings() -> Iterator[str]:
    """Describe every finding code."""
    yield "What `mlopt validate` and every command that reads recipes can find. An error keeps a recipe from"
    yield "being used, a warning does not; `--strict` counts warnings too. `mlopt explain CODE` says the same"
    yield "in the terminal. Each example gives its finding: the tests run them."
    yield ""
    yield from table(
        ("code", "severity", "says"),
        ((f"[{code.name}](#{code.name.lower()})", code.severity, code.title) for code in CODES.values()),
    )
    yield ""
    for code in CODES.values():
        yield from finding(code)


def finding(code: Code) -> Iterator[str]:
    """Describe one code as ``mlopt explain`` does."""
    (entry,) = lookup(code.name)
    yield from (
        f"## {code.name}",
        "",
        f"**{entry.summary}** {code.meaning}",
        "",
        f"What to do: {code.do}",
        "",
    )
    if code.reported_by != "mlopt validate":
        yield from (f"Reported by `{code.reported_by}`.", "")
    if example := entry.details.get("example"):
        beside = [
            *(f"--set {flag}" for flag in code.flags),
            *(f"--framework {name}" for name in code.frameworks),
        ]
        said = f"`{code.file}`" + (f" with `{' '.join(beside)}`" if beside else "")
        language = "json" if code.file.endswith(".json") else "yaml"
        yield from (f"{said}:", "", f"```{language}", *example, "```", "")
    for name, text in code.layers:
        yield from (f"Beside it in `--config-dir`, `{name}`:", "", "```yaml", *text.splitlines(), "```", "")


def commands() -> Iterator[str]:
    """Show the help of every command."""
    yield "What `mlopt COMMAND --help` prints, for every command."
    yield ""
    rows = ((f"[`{command.name}`](#mlopt-{command.name})", command.summary) for command in COMMANDS)
    yield from table(("command", "does"), rows)
    yield ""
    for command in COMMANDS:
        yield from command_help((command.name,))
        for verb in getattr(importlib.import_module(command.module), "VERBS", {}):
            yield from command_help((command.name, verb))


def command_help(words: tuple[str, ...]) -> Iterator[str]:
    """Show the help of one command or verb."""
    group: Any = typer.main.get_command(build_app(words[0]))
    context = group.make_context("mlopt", [], resilient_parsing=True)
    for word in words:
        group = group.get_command(context, word)
        context = type(context)(group, info_name=word, parent=context, terminal_width=WIDTH)
    lines = (line.rstrip() for line in group.get_help(context).splitlines())
    yield from (f"{'#' * (1 + len(words))} mlopt {' '.join(words)}", "", "```text", *lines, "```", "")


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "actions": actions,
    "policies": policies,
    "prefetchers": prefetchers,
    "operators": operators,
    "facts": facts,
    "findings": findings,
    "commands": commands,
}


#: What pages are made from that are not the engine's.
SOURCES = {"findings": "the catalogue of codes (`recipes/codes`)", "commands": "the commands' own help"}


def page(name: str) -> str:
    """Make one page."""
    source = SOURCES.get(name, "the engine's registry")
    head = [f"# {name.capitalize()}", "", f"Made from {source} by `make docs`; do not edit.", ""]
    return "\n".join([*head, *PAGES[name]()]).rstrip("\n") + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or tell which are stale."""
    REFERENCE.mkdir(exist_ok=True)
    stale = []
    texts = {name: page(name) for name in PAGES} | {"settings": settings_page()}
    for name, text in texts.items():
        file = REFERENCE / f"{name}.md"
        if "--check" not in arguments:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            stale.append(file.name)
    if stale:
        sys.stderr.write(f"docs/reference: {', '.join(stale)} stale: run 'make docs'\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
