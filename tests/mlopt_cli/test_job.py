"""The demo's job in a memory cgroup that is too small for it."""

from __future__ import annotations

import sys

import pytest

from mlopt_cli.workflows.job import run_job
from mlopt_cli.workflows.memory_cgroup import OutOfMemoryError, is_available, memory_cgroup

#: A parent that takes memory until it is killed, beside workers that wait for it and hold its output open.
GREEDY = """
import json, os, sys, time
for _ in range(3):
    if os.fork() == 0:
        time.sleep(600)
        os._exit(0)
print(json.dumps({"epoch": 0, "seconds": 1.0}), flush=True)
held = [os.urandom(1 << 20) for _ in range(512)]
"""


@pytest.mark.skipif(not is_available(), reason="no memory cgroup here: it needs root and the controller")
def test_a_job_that_is_killed_for_memory_ends_with_its_workers() -> None:
    lines: list[dict[str, object]] = []
    with memory_cgroup("mlopt-test") as group:
        group.limit(64 << 20)
        with pytest.raises(OutOfMemoryError):
            run_job(
                [sys.executable, "-c", GREEDY],
                lambda: {"operations": {"read": {"bytes": 0, "count": 0}}},
                lines.append,
                group,
            )
        assert (group.folder / "cgroup.procs").read_text() == ""
        assert group.killed() >= 1
    assert [line["epoch"] for line in lines] == [0]
    assert not group.folder.exists()
