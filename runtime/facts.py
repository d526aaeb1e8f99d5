"""Facts of machine and job for conditions: measured once where they last, again where they change."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from mlopt_engine.job import job_facts
from mlopt_engine.processes import evidence_of
from runtime import memory
from runtime.gpus import gpus

#: How often memory, time and the job's processes are looked at; the engine's list of facts names it too [s].
REFRESH_S = 30.0
#: After a start a job still loads its modules: it is looked at after so long, then after twice that [s].
FIRST_LOOK_S = 1.0
_CGROUPS = Path("/sys/fs/cgroup")

Facts = dict[str, str | int]


def lasting_facts() -> Facts:
    """Measure what does not change while a mount lives.

    Returns
    -------
    dict
        ``system.gpu_count`` and ``system.gpu_memory`` [bytes], where something tells them.
    """
    found = gpus()
    known = {"system.gpu_count": found.count, "system.gpu_memory": found.memory_bytes}
    return {name: value for name, value in known.items() if value is not None}


def passing_facts(now_s: float | None = None) -> Facts:
    """Measure what changes.

    Parameters
    ----------
    now_s : float, optional
        Seconds since the Unix epoch; the clock's if omitted.

    Returns
    -------
    dict
        Memory [bytes], CPUs, and ``system.time`` [s].
    """
    facts: Facts = {
        "system.time": int(time.time() if now_s is None else now_s),
        "system.cpu_count": cpu_count(),
    }
    with suppress(OSError, LookupError):
        facts["system.available_memory"] = memory.meminfo_bytes("MemAvailable")
        facts["system.total_memory"] = memory.usable_bytes()
    limited = memory.cgroup_limit_bytes()
    if limited is not None:
        limit, use = limited
        facts["system.memory_limit"] = limit
        left = max(limit - use, 0)
        facts["system.available_memory"] = min(left, int(facts.get("system.available_memory", left)))
    return facts


def cpu_count(groups: Path = _CGROUPS) -> int:
    """Count the CPUs that this process may use.

    Parameters
    ----------
    groups : Path
        Where control groups are mounted.

    Returns
    -------
    int
        Of its affinity, and not more than the quota of its control group, rounded up.
    """
    quotas: list[float] = [len(os.sched_getaffinity(0))]
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                group = groups / path.lstrip("/")
                places = [place for place in (group, *group.parents) if place.is_relative_to(groups)]
                quotas += [quota for place in places if (quota := _quota(place / "cpu.max")) is not None]
    return max(1, math.ceil(min(quotas)))


def _quota(file: Path) -> float | None:
    with suppress(OSError, ValueError):
        quota, period = file.read_text(encoding="ascii").split()
        return float(quota) / float(period)  # "max" is no number: no limit
    return None


class Surroundings:
    """What is known of machine and job around one mount.

    Looking at a process that waits for a page of the mount may wait with it, for the mount's deadline at
    most: the threads that answer the kernel never run Python.

    Parameters
    ----------
    given : dict
        What was handed in at the start: it stands above what is measured.
    pids : callable
        Lists the job's processes, its first one first, or the threads that read.
    """

    def __init__(self, given: Facts, pids: Callable[[], Iterable[int]]) -> None:
        self.given = given
        self.pids = pids
        self.job: Facts = {}
        self.pause_s = FIRST_LOOK_S
        self.next_look = time.monotonic() + FIRST_LOOK_S

    def refresh(self) -> Facts | None:
        """Measure again when it is time.

        Returns
        -------
        dict or None
            All that is known; None when it is not time yet.
        """
        now = time.monotonic()
        if now < self.next_look:
            return None
        self.pause_s = min(2 * self.pause_s, REFRESH_S)
        self.next_look = now + self.pause_s
        # A job that ended leaves what it was: its files stay as they are treated.
        self.job |= job_facts(evidence_of(self.pids()))
        return self.measured()

    def measured(self) -> Facts:
        """Measure the machine, and add what is known already.

        Returns
        -------
        dict
            Facts by name.
        """
        return passing_facts() | self.job | self.given
