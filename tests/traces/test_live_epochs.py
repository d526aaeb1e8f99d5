"""A mount's observer counts the epochs that the analysis finds, on the jobs of the recipes' benchmark."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.jobs import JOBS
from traces.analysis import workload
from traces.analysis.facts import job_changes
from traces.store import Trace
from traces.workload import OP_READ, Workload

ROOT = Path(__file__).parents[2]
#: Of a dozen shards three must come again, and none of the three read last, before an epoch is sure; a shard
#: is many reads, and two workers are at one each.
LATE = 0.5

pytestmark = [pytest.mark.strace, pytest.mark.slow]


def record(name: str, folder: Path) -> Workload:
    """Run a job without its computing, recorded."""
    module = f"benchmarks.jobs.{name.replace('-', '_')}"
    importlib.import_module(module).make(folder / "data")
    program = f"import {module} as job, pathlib, sys; job.ROUNDS = 0; job.run(pathlib.Path(sys.argv[1]))"
    trace = folder / "t.duckdb"
    words = ["record", "-o", str(trace), "--source", str(folder / "data"), "--"]
    words += [sys.executable, "-c", program, str(folder / "data")]
    subprocess.run([sys.executable, "-m", "mlopt_cli.main", *words], check=True, timeout=300, cwd=ROOT)
    with Trace.open(trace) as opened:
        return workload(opened)


@pytest.mark.parametrize("name", list(JOBS))
def test_both_count_the_same_epochs(name: str, tmp_path: Path) -> None:
    job = record(name, tmp_path)
    reads = np.flatnonzero(job.op == OP_READ)
    assert len(reads) > 10
    epochs = len(job.epoch_seconds)
    changes = job_changes(job)
    assert changes
    first: dict[int, int] = {}
    for change in changes:
        if "workload.epoch" in change.facts:
            first.setdefault(int(change.facts["workload.epoch"]), change.access)
    if epochs == 1:
        # a model that several processes load has no epochs, and is no data set
        assert set(first) <= {0}
        return
    assert sorted(first) == list(range(epochs))
    assert changes[-1].facts["workload.epoch"] == epochs - 1
    for epoch, access in first.items():
        own = reads[job.epoch[reads] == epoch]
        assert np.searchsorted(own, access) <= LATE * len(own), f"epoch {epoch} is noticed late"
        assert job.epoch[access] == epoch
