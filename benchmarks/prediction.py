"""Predicted beside measured, three jobs behind an emulated storage: benchmarks/results/prediction.json.

``python benchmarks/prediction.py [demo.json]``: the rows of a ``mlopt demo --json`` are added when given.
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
from typing import Any

from runtime import emulator

RESULT = Path(__file__).parent / "results" / "prediction.json"
SPEC = emulator.EmulatorSpec(latency_ns=5_000_000, bandwidth=60e6, concurrency=16)
MIB = 1 << 20
REPEAT = 3
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


def main() -> None:
    """Measure all cases, print and keep them."""
    figures: dict[str, Any] = {}
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
                    "foreign_ratio": max(run["foreign_ratio"] for run in row["measured"]["runs"]),
                }
                print(f"  {row['recipe']:12}", {name: round(value, 3) for name, value in kept.items()})
    if len(sys.argv) > 1:
        for row in json.loads(Path(sys.argv[1]).read_text())["result"]["rows"]:
            if row["measured"] and row["predicted"]:
                figures[f"demo: {row['name']}"] = {
                    "predicted_s": row["predicted"]["epoch_s"],
                    "measured_s": row["measured"]["epoch_s"],
                    "error_ratio": row["error_ratio"],
                    "spread_ratio": row["spread_ratio"],
                }
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}"
    RESULT.parent.mkdir(exist_ok=True)
    document = {"name": "prediction", "figures": figures, "machine": machine, "commit": commit}
    RESULT.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
