"""Facts of the machine: quotas, GPUs by a stand-in for NVML's library, and what a mount is told."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runtime.facts import Surroundings, cpu_count, lasting_facts, passing_facts
from runtime.gpus import Gpus, gpus

NVML = """
typedef struct { unsigned long long total, free, used; } Memory;
int nvmlInit_v2(void) { return %(init)d; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    *device = (void *)(index + 1ul); return 0;
}
int nvmlDeviceGetMemoryInfo(void *device, Memory *memory) {
    memory->total = 1000ull * (unsigned long)device; return %(memory)d;
}
"""


def library(folder: Path, *, init: int = 0, memory: int = 0) -> str:
    compiler = shutil.which("cc") or pytest.skip("no C compiler")
    source = folder / "nvml.c"
    source.write_text(NVML % {"init": init, "memory": memory})
    made = folder / f"libnvml{init}{memory}.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(made), str(source)], check=True)
    return str(made)


def test_gpus_come_from_nvml_then_from_the_driver_else_nothing_is_known(tmp_path: Path) -> None:
    listed = tmp_path / "gpus"
    for name in ("0000:01:00.0", "0000:02:00.0", "0000:03:00.0"):
        (listed / name).mkdir(parents=True)
    absent, nowhere = "libabsent-nvml.so.1", tmp_path / "none"
    assert gpus(absent, nowhere) == Gpus(None, None)
    assert gpus(absent, listed) == Gpus(3, None)
    assert gpus(library(tmp_path), listed) == Gpus(2, 3000)
    assert gpus(library(tmp_path, memory=3), listed) == Gpus(2, None)
    assert gpus(library(tmp_path, init=9), listed) == Gpus(3, None)


def test_a_quota_of_the_control_group_limits_the_cpus(tmp_path: Path) -> None:
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    mine = next((line.split(":", 2)[2] for line in lines if line.startswith("0::")), None)
    if mine is None:
        pytest.skip("no unified control groups here")
    group = tmp_path / mine.lstrip("/")
    group.mkdir(parents=True, exist_ok=True)
    here = len(os.sched_getaffinity(0))
    (group / "cpu.max").write_text("max 100000\n")
    assert cpu_count(tmp_path) == here
    (group / "cpu.max").write_text("50000 100000\n")
    assert cpu_count(tmp_path) == 1
    (group / "cpu.max").write_text("broken\n")
    assert cpu_count(tmp_path) == here


def test_facts_of_this_machine_are_known_by_the_engine() -> None:
    import recipes
    from mlopt_engine import Rules

    facts = lasting_facts() | passing_facts(1000.0)
    assert facts["system.time"] == 1000
    assert 0 < facts["system.available_memory"] <= facts["system.total_memory"]
    text = """{version: "1", name: t, rules: [{id: r, match: all, actions: [{type: cache}], conditions: [
      {type: system_context, property: available_memory, operator: greater_than, value: 1MiB},
      {type: system_context, property: cpu_count, operator: greater_equal, value: 1},
      {type: file_context, property: path, operator: exists, value: true}]}]}"""
    rules = Rules(recipes.compile_plan(recipes.loads(text), memory_bytes=1 << 20).json)
    assert json.loads(rules.decide(b"a", 1, None, json.dumps(facts)))["cache"] is not None
    assert json.loads(rules.decide(b"a", 1))["cache"] is None


def test_what_is_handed_in_stands_above_what_is_measured_and_what_was_seen_of_a_job_stays() -> None:
    pids = [os.getpid()]
    around = Surroundings({"system.cpu_count": 99}, lambda: pids)
    assert around.refresh() is None
    around.next_look = 0.0
    seen = around.refresh()
    assert seen is not None
    assert (seen["system.cpu_count"], seen["workload.process_id"]) == (99, os.getpid())
    pids.clear()
    around.next_look = 0.0
    later = around.refresh()
    assert later is not None
    assert later["workload.process_id"] == os.getpid()
