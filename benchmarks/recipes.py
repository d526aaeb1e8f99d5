"""Each recipe that ships on a recorded job of its kind: predicted, and measured behind an emulated storage.

Run as ``python -m benchmarks.recipes [--only RECIPE]`` or ``make bench-recipes``. A recipe of the library
names its kind of job in ``metadata.job`` (see ``benchmarks/jobs``). The job is recorded once on an emulated
storage of its kind, then ``mlopt verify`` replays it on the source as it is and behind a mount under the
recipe. ``saved_ratio`` is the share of the source's epoch time that the recipe saves: 1 - recipe / source.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.jobs import JOBS, Job
from benchmarks.small_files import commit, machine
from runtime import emulator

RESULT = Path(__file__).parent / "results" / "recipes.json"
LIBRARY = Path(__file__).parent.parent / "recipes" / "library"
STORAGES = {
    "file server": emulator.EmulatorSpec(latency_ns=5_000_000, bandwidth=60e6, concurrency=16),
    "object store": emulator.EmulatorSpec(latency_ns=30_000_000, bandwidth=200e6, concurrency=32),
}
MLOPT = [sys.executable, "-P", "-m", "mlopt_cli.main"]
REPEAT = 2
#: Folder of the library -> the flag that selects a file of it; those at the top are named by -r.
FLAGS = {
    "frameworks": "--framework",
    "environments": "--environment",
    "hardware": "--hardware",
    "templates": "--template",
}


@dataclass(frozen=True)
class Shipped:
    """A recipe of the library and the job that it is for."""

    name: str
    job: str
    words: tuple[str, ...]


def shipped() -> Iterator[Shipped]:
    """List the library's files that name a job."""
    for path in sorted(LIBRARY.rglob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        job = (document.get("metadata") or {}).get("job")
        if job is None:
            continue
        folder = path.relative_to(LIBRARY).parent.name
        name = f"{folder}/{path.stem}" if folder else path.stem
        yield Shipped(name, job, (FLAGS.get(folder, "-r"), path.stem))


def rows(job: Job, recipes: list[Shipped], folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Record a job, then predict and measure each recipe on it."""
    data, slow = folder / "data", folder / "slow"
    slow.mkdir(parents=True)
    program = [sys.executable, str(job.program)]
    subprocess.run([*program, "make", str(data)], check=True)
    trace, storage = str(folder / "run.duckdb"), str(folder / "storage.json")
    with emulator.start(data, slow, STORAGES[job.storage]):
        command = ["--source", str(slow), "--", *program, "run", str(slow)]
        asked(["record", "-o", trace, "--calibrate", *command], as_json=False)
        asked(["probe", str(slow), "-o", storage], as_json=False)
        for recipe in recipes:
            measured = ["--source", str(slow), "--memory", job.memory, "--storage", storage]
            answer = asked(["verify", trace, *measured, "--repeat", str(REPEAT), *recipe.words])
            source, *_, treated = answer["result"]["rows"]
            yield recipe.name, row(job, source, treated)


def row(job: Job, source: dict[str, Any], treated: dict[str, Any]) -> dict[str, Any]:
    """Shape one row of the result."""
    figures: dict[str, Any] = {
        "job": job.name,
        "storage": job.storage,
        "memory_bytes": treated["memory_bytes"],
    }
    for side in ("predicted", "measured"):
        before, after = (each[side] and each[side]["seconds_s"] for each in (source, treated))
        figures[side] = {
            "source_s": before,
            "recipe_s": after,
            "saved_ratio": 1 - after / before if before and after else None,
        }
    figures["spread_ratio"] = treated["spread_ratio"]
    return figures


def asked(words: list[str], *, as_json: bool = True) -> dict[str, Any]:
    """Run a command of mlopt; its JSON answer."""
    done = subprocess.run(
        [*MLOPT, *words[:1], *(["--json"] if as_json else []), *words[1:]],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"mlopt {' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return json.loads(done.stdout) if as_json else {}


def main() -> None:
    """Measure all, print and keep the rows; those that are not asked for stay as they were."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [recipe.name for recipe in shipped()]
    parser.add_argument("--only", choices=names, action="append", help="measure this one")
    chosen = parser.parse_args().only or names
    figures: dict[str, Any] = {}
    if RESULT.exists():
        figures = {k: v for k, v in json.loads(RESULT.read_text())["figures"].items() if k in names}
    for job in JOBS.values():
        recipes = [recipe for recipe in shipped() if recipe.job == job.name and recipe.name in chosen]
        if not recipes:
            continue
        print(f"{job.name}, {job.storage}: {job.summary}", flush=True)
        with tempfile.TemporaryDirectory(prefix="mlopt-recipes-") as folder:
            for name, figure in rows(job, recipes, Path(folder)):
                figures[name] = figure
                keep(figures)  # after each: all of them take ten minutes
                print(f"  {name:28}", saved(figure, "predicted"), saved(figure, "measured"), flush=True)


def keep(figures: dict[str, Any]) -> None:
    """Write the rows so far."""
    document = {"name": "recipes", "figures": figures, "machine": machine(), "commit": commit()}
    RESULT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def saved(figure: dict[str, Any], side: str) -> str:
    """Write what a row saves for people."""
    ratio = figure[side]["saved_ratio"]
    return f"{side} " + ("-" if ratio is None else f"{ratio:+.0%} ({figure[side]['recipe_s']:.2f} s)")


if __name__ == "__main__":
    main()
