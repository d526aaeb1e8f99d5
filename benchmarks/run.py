"""Run the benchmarks one after the other and make docs/benchmarks.md from what they kept.

A benchmark is a module of this directory with ``main()``; it keeps ``results/<module>.json`` with ``name``,
``figures`` and, where known, ``machine``, ``commit`` and ``date``. Each runs in a process of its own, so that
one's memory and threads do not slow the next, and one that fails does not stop the others.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.targets import judged

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
LIBRARY_PAGE = HERE.parent / "docs" / "guide" / "library.md"
#: The table of shipped recipes stands between these lines of the library's page.
LIBRARY_TABLE = ("<!-- made by python -m benchmarks.run -->\n", "<!-- end -->\n")
NO_BENCHMARKS = ("__init__", "run", "targets")
#: Ends of names, and what they mean.
UNITS = {
    "_m_lines_per_s": " [million lines/s]",
    "_m_lines_per_cpu_s": " [million lines/s of CPU]",
    "_per_s": " per second",
    "_bytes": " [bytes]",
    "_mib": " [MiB]",
    "_us": " [us]",
    "_s": " [s]",
}
HEADING = """# Benchmarks

Made by `python -m benchmarks.run` from `benchmarks/results/*.json`; do not edit. `make bench` measures again,
`python -m benchmarks.run --table` only remakes this page. The figures hold for the machine and commit that
stand at each section. What is measured and how stands at the head of `benchmarks/<name>.py`; targets are in
`benchmarks/targets.py`.
"""


def names() -> list[str]:
    """List the benchmarks by name."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NO_BENCHMARKS)


def cases(figures: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Go through what was measured: the name of each case and its own values."""
    own = {key: value for key, value in figures.items() if not _is_nested(value)}
    if own:
        yield ": ".join(path), own
    for key, value in figures.items():
        if isinstance(value, dict):
            yield from cases(value, (*path, words(str(key))))
        elif _is_nested(value):
            for position, item in enumerate(value):
                yield from cases(item, (*path, words(str(key)), str(position)))


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(item, dict) for item in value)
    )


def tables(figures: dict[str, Any]) -> list[list[tuple[str, dict[str, Any]]]]:
    """Put cases with the same kind of values into one table, in the order in which they come."""
    found: list[list[tuple[str, dict[str, Any]]]] = []
    for name, own in cases(figures):
        alike = [
            table
            for table in found
            if name and table[0][0] and 2 * len(own.keys() & table[0][1].keys()) > len(own)
        ]
        if alike:
            alike[0].append((name, own))
        else:
            found.append([(name, own)])
    return found


def words(name: str) -> str:
    """Write a key as words, its unit in brackets."""
    unit = next((unit for suffix, unit in UNITS.items() if name.endswith(suffix)), "")
    plain = name.removesuffix(next((suffix for suffix in UNITS if name.endswith(suffix)), ""))
    return plain.replace("_", " ") + unit


def cell(value: Any) -> str:
    """Write a value as a table shows it; what is not known is said so, never a zero."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (isinstance(value, float) and abs(value) >= 1000):
        return f"{value:,.0f}"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return ", ".join(cell(item) for item in value)
    return str(value).replace("|", "\\|").replace("\n", " ")


def machine(found: Any) -> str:
    """Say on what machine was measured, however the benchmark wrote it down."""
    text = f"{found['cpus']} CPUs, Linux {found['kernel']}" if isinstance(found, dict) else str(found)
    cpus, kernel = re.search(r"(\d+) (?:cores|CPUs)", text), re.search(r"Linux ([\w.-]+)", text)
    return f"{cpus[1]} CPUs, Linux {kernel[1]}" if cpus and kernel else text


def rows(table: list[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    """Write one table; a single case stands upright."""
    columns = list(dict.fromkeys(key for _, own in table for key in own))
    if len(table) == 1:
        name, own = table[0]
        yield f"| {name} | |"
        yield "|---|---:|"
        yield from (f"| {words(key)} | {cell(value)} |" for key, value in own.items())
        return
    yield "| | " + " | ".join(words(key) for key in columns) + " |"
    yield "|---|" + "---:|" * len(columns)
    for name, own in table:
        yield f"| {name} | " + " | ".join(cell(own[key]) if key in own else "" for key in columns) + " |"


def section(path: Path) -> str:
    """Write one result as a heading, its context and tables."""
    document = json.loads(path.read_text())
    context = [machine(document["machine"])] if document.get("machine") else []
    context += [f"{key} {document[key]}" for key in ("commit", "date") if document.get(key)]
    named = ("name", "machine", "commit", "date")
    figures = document.get("figures", {k: v for k, v in document.items() if k not in named})
    lines = [f"## {document.get('name', path.stem)}", "", "; ".join(context), ""]
    for table in tables(figures):
        lines += [*rows(table), ""]
    return "\n".join(lines)


def summary() -> str:
    """Write what was to be reached beside what was measured."""
    lines = ["## Targets", "", "| figure | measured | target | met | aim |", "|---|---:|---:|:---:|---:|"]
    for target, value in judged(HERE / "results"):
        sign = "<=" if target.is_upper else ">="
        met = "" if value is None else "yes" if target.is_met(value) else "no"
        measured = "not measured" if value is None else cell(value)
        aim = "" if target.aim is None else f"{sign} {cell(target.aim)}"
        figure = f"[{target.figure}](#{target.benchmark})"
        lines.append(f"| {figure} | {measured} | {sign} {cell(target.limit)} | {met} | {aim} |")
    return "\n".join(lines) + "\n"


def library_table(figures: dict[str, Any]) -> str:
    """Write what each shipped recipe saves on its kind of job."""
    lines = [
        "| recipe | job | storage | source [s] | with it [s] | saved | saved as predicted |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for name, row in sorted(figures.items(), key=lambda item: (item[1]["job"], item[0])):
        measured, predicted = row["measured"], row["predicted"]
        lines.append(
            f"| `{name}` | {row['job']} | {row['storage']} | {measured['source_s']:.2f} | "
            f"{measured['recipe_s']:.2f} | {measured['saved_ratio']:.0%} | {predicted['saved_ratio']:.0%} |"
        )
    return "\n".join(lines) + "\n"


def write_library_page() -> None:
    """Put the measured rows of the shipped recipes into the guide."""
    begin, end = LIBRARY_TABLE
    text = LIBRARY_PAGE.read_text()
    head, rest = text.split(begin)
    figures = json.loads((HERE / "results" / "recipes.json").read_text())["figures"]
    LIBRARY_PAGE.write_text(head + begin + "\n" + library_table(figures) + "\n" + end + rest.split(end)[1])


def write_page() -> None:
    """Remake the page from all results that are kept."""
    sections = [section(path) for path in sorted((HERE / "results").glob("*.json"))]
    PAGE.write_text("\n".join([HEADING, summary(), *sections]))


def main() -> int:
    """Run what was asked for, remake the page; return 1 if a benchmark failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--only", metavar="NAME", choices=names(), help="run this one: " + ", ".join(names()))
    parser.add_argument("--table", action="store_true", help="only remake the page")
    options = parser.parse_args()
    chosen = [] if options.table else [options.only] if options.only else names()
    failed = []
    for name in chosen:
        print(f"== {name}", flush=True)
        call = f"import sys, benchmarks.{name} as b; sys.exit(b.main())"
        code = subprocess.run([sys.executable, "-c", call], cwd=HERE.parent, check=False).returncode
        if code != 0:
            print(f"{name} failed with exit code {code}", file=sys.stderr, flush=True)
            failed.append(name)
    write_page()
    write_library_page()
    if failed:
        print("failed: " + ", ".join(failed), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
