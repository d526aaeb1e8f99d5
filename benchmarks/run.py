"""Run the benchmarks one after the other and make docs/benchmarks.md from what they kept.

A benchmark is a module of this directory with ``main()``; it keeps ``results/<module>.json`` with ``name``,
``figures`` and, where known, ``machine``, ``commit`` and ``date``. Each runs in a process of its own, so that
one's memory and threads do not slow the next, and one that fails does not stop the others.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
CONTEXT = ("machine", "commit", "date")
HEADING = """# Benchmarks

Made by `python -m benchmarks.run` from `benchmarks/results/*.json`; do not edit. `make bench` measures again,
`python -m benchmarks.run --table` only remakes this page. The figures hold for the machine and commit above
each table. What is measured and how stands at the head of `benchmarks/<name>.py`.
"""


def names() -> list[str]:
    """List the benchmarks by name."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in ("__init__", "run"))


def leaves(figures: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Flatten nested figures to rows of a joined name and a value."""
    if isinstance(figures, dict):
        for key, value in figures.items():
            yield from leaves(value, (*path, str(key)))
    elif isinstance(figures, list) and any(isinstance(item, dict | list) for item in figures):
        for position, item in enumerate(figures):
            yield from leaves(item, (*path, str(position)))
    else:
        yield ": ".join(path), figures


def cell(value: Any) -> str:
    """Write a value as a table shows it; what is not known is said so, never a zero."""
    if value is None:
        return "unknown"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(cell(item) for item in value)
    return str(value).replace("|", "\\|").replace("\n", " ")


def section(path: Path) -> str:
    """Write one result as a heading, its context and a table."""
    document = json.loads(path.read_text())
    context = "; ".join(f"{key}: {document[key]}" for key in CONTEXT if document.get(key))
    named = ("name", *CONTEXT)
    figures = document.get("figures", {k: v for k, v in document.items() if k not in named})
    lines = [f"## {document.get('name', path.stem)}", ""]
    if context:
        lines += [context, ""]
    lines += ["| figure | value |", "|---|---:|"]
    lines += [f"| {cell(name)} | {cell(value)} |" for name, value in leaves(figures)]
    return "\n".join(lines) + "\n"


def write_page() -> None:
    """Remake the page from all results that are kept."""
    sections = [section(path) for path in sorted((HERE / "results").glob("*.json"))]
    PAGE.write_text("\n".join([HEADING, *sections]))


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
    if failed:
        print("failed: " + ", ".join(failed), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
