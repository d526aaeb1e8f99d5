"""Predicted beside measured, the demo and three jobs behind an emulated storage.

``python benchmarks/prediction.py [demo.json]`` writes benchmarks/results/prediction.json. Without the answer
of a ``mlopt demo --json`` the demo is run, which takes three minutes more. Beside each error stands the
spread of the runs, which is the noise floor.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from runtime import emulator

RESULT = Path(__file__).parent / "results" / "prediction.json"
SPEC = emulator.EmulatorSpec(latency_ns=5_000_000, bandwidth=60e6, concurrency=16)
MIB = 1 << 20
REPEAT = 3
#: Where others use the machine, run it by ``chrt -r 1`` with `kernel.sched_rr_timeslice_ms` at 4: they wait.
POLICIES = {os.SCHED_OTHER: "fair", os.SCHED_RR: "round robin before all others", os.SCHED_FIFO: "fifo"}
MLOPT = [sys.executable, "-P", "-m", "mlopt_cli.main"]
JOB = """
import os, random, sys, zlib
from multiprocessing import Process

def read(names, folder, rounds):
    for name in names:
        with open(os.path.join(folder, name), "rb", buffering=0) as file:
            while part := file.read(1 << 20):
                for _ in range(rounds):
                    zlib.crc32(part)

if __name__ == "__main__":
    folder, workers, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    names = sorted(os.listdir(folder))
    for epoch in range(3):
        random.Random(epoch).shuffle(names)
        parts = [Process(target=read, args=(names[at::workers], folder, rounds)) for at in range(workers)]
        for part in parts:
            part.start()
        for part in parts:
            part.join()
"""


@dataclass(frozen=True)
class Case:
    """A job: its data, its readers, its work (checksums of each part read), and the recipe it runs under."""

    name: str
    files: int
    file_bytes: int
    workers: int
    rounds: int
    recipe: str


CASES = (
    Case("one large file in order, 1 MiB reads", 1, 64 * MIB, 1, 0, "stream-once"),
    Case("eight readers of small files", 1600, 50_000, 8, 0, "lru"),
    Case("bound by CPU between reads", 160, 100_000, 2, 250, "lru"),
)


def rows(case: Case, folder: Path) -> list[dict[str, Any]]:
    """Record a job with calibration, then predict and measure it."""
    data, slow = folder / "data", folder / "slow"
    data.mkdir(parents=True)
    slow.mkdir()
    for number in range(case.files):
        (data / f"{number:04}.bin").write_bytes(os.urandom(case.file_bytes))
    job = folder / "job.py"
    job.write_text(JOB)
    trace = str(folder / "run.duckdb")
    with emulator.start(data, slow, SPEC):
        storage = str(folder / "storage.json")
        subprocess.run([*MLOPT, "probe", str(slow), "-o", storage, "--fuse"], check=True, capture_output=True)
        words = [sys.executable, str(job), str(slow), str(case.workers), str(case.rounds)]
        record = ["record", "-o", trace, "--calibrate", "--source", str(slow), "--", *words]
        subprocess.run([*MLOPT, *record], check=True, capture_output=True)
        verify = ["verify", trace, "--source", str(slow), "-r", case.recipe, "--memory", "96M",
                  "--storage", storage, "--repeat", str(REPEAT), "--json"]  # fmt: skip
        done = subprocess.run([*MLOPT, *verify], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{case.name}: {done.stdout}{done.stderr}")
    answer = json.loads(done.stdout)
    for warning in answer["warnings"]:
        print(f"  [{warning['code']}] {warning['message']}")
    found: list[dict[str, Any]] = answer["result"]["rows"]
    return found


def own_jobs() -> dict[str, dict[str, Any]]:
    """Predict and measure all cases."""
    figures: dict[str, dict[str, Any]] = {}
    for case in CASES:
        print(case.name)
        with tempfile.TemporaryDirectory(prefix="mlopt-prediction-") as folder:
            for row in rows(case, Path(folder) / "case"):
                if row["measured"] is None:
                    continue
                figures[f"{case.name}: {row['recipe']}"] = kept = {
                    "predicted_s": row["predicted"]["seconds_s"],
                    "measured_s": row["measured"]["seconds_s"],
                    "error_ratio": row["error_ratio"],
                    "spread_ratio": row["spread_ratio"],
                    "waits_for_storage": _waits(row["predicted"]["seconds_s"], row["bounds"]),
                    "foreign_ratio": max(run["foreign_ratio"] for run in row["measured"]["runs"]),
                }
                print(f"  {row['recipe']:12}", {name: round(value, 3) for name, value in kept.items()})
    return figures


def demo_rows(path: Path | None) -> dict[str, dict[str, Any]]:
    """Take the demo's rows from its answer, or run it."""
    if path is not None:
        text = path.read_text()
    else:
        print("the demo")
        done = subprocess.run([*MLOPT, "demo", "--json"], check=False, stdout=subprocess.PIPE, text=True)
        text = done.stdout
    answer = json.loads(text)
    if "error" in answer:
        raise SystemExit(f"demo: {answer['error']['what']}")
    figures = {}
    measured = [row for row in answer["result"]["rows"] if row["measured"] and row["predicted"]]
    # what the job takes when storage hardly shows; it is the least that is known of the demo's own work
    least = min(row["predicted"]["epoch_s"] for row in measured)
    for row in measured:
        predicted = row["predicted"]["epoch_s"]
        figures[f"demo: {row['name']}"] = {
            "predicted_s": predicted,
            "measured_s": row["measured"]["epoch_s"],
            "error_ratio": row["error_ratio"],
            "spread_ratio": row["spread_ratio"],
            "waits_for_storage": predicted > 2 * least,
        }
    return figures


def _waits(predicted_s: float, bounds: dict[str, Any]) -> bool:
    """Tell whether storage dominates: half of the epoch or more is not the job's own work."""
    steady = bounds["no_io"]["epoch_s"][1:]
    return predicted_s > 2 * sum(steady) / len(steady)


def summary(figures: dict[str, dict[str, Any]]) -> dict[str, float | None]:
    """Sum up the errors, without their signs."""
    errors = [abs(row["error_ratio"]) for row in figures.values()]
    waiting = [abs(row["error_ratio"]) for row in figures.values() if row["waits_for_storage"]]
    return {
        "rows": len(errors),
        "median_error_ratio": median(errors),
        "worst_error_ratio": max(errors),
        "worst_error_ratio_where_storage_dominates": max(waiting, default=None),
        "median_spread_ratio": median(row["spread_ratio"] for row in figures.values()),
    }


def main() -> None:
    """Measure all, print and keep it."""
    load_before = os.getloadavg()[0]
    figures = own_jobs() | demo_rows(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    summed = summary(figures)
    print(json.dumps(summed, indent=2))
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}"
    RESULT.parent.mkdir(exist_ok=True)
    document = {
        "name": "prediction", "summary": summed, "figures": figures, "machine": machine, "commit": commit,
        "load_before": load_before, "policy": POLICIES.get(os.sched_getscheduler(0), "other"),
    }  # fmt: skip
    RESULT.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
