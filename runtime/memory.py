"""How much memory a mount may take: what the machine and its control group leave."""

from __future__ import annotations

from pathlib import Path

#: cgroup v1 writes a number near 2**63 for "no limit".
UNLIMITED_BYTES = 1 << 60
#: Below this a budget cannot hold one block and the books of a few files [bytes].
SMALLEST_BUDGET_BYTES = 1 << 20


def meminfo_bytes(field: str) -> int:
    """Read one line of /proc/meminfo.

    Parameters
    ----------
    field : str
        As ``MemAvailable``.

    Returns
    -------
    int
        Its value [bytes].
    """
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise LookupError(field)


def cgroup_limit_bytes() -> tuple[int, int] | None:
    """Find the memory limit of this process's control group.

    Returns
    -------
    tuple of int, or None
        Limit and use [bytes]; None where nothing limits.
    """
    for directory, limit_name, use_name in _memory_groups():
        try:
            limit = (directory / limit_name).read_text(encoding="ascii").strip()
            use = int((directory / use_name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        if limit != "max" and int(limit) < UNLIMITED_BYTES:
            return int(limit), use
    return None


def usable_bytes() -> int:
    """Find the largest budget that makes sense here.

    Returns
    -------
    int
        All memory, or the control group's limit if less [bytes].
    """
    total = meminfo_bytes("MemTotal")
    limited = cgroup_limit_bytes()
    return min(total, limited[0]) if limited else total


def default_budget_bytes() -> int:
    """Choose the budget where the user named none.

    Returns
    -------
    int
        A quarter of the available memory, and at most half of what the control group leaves [bytes].
    """
    budget = meminfo_bytes("MemAvailable") // 4
    limited = cgroup_limit_bytes()
    if limited:
        budget = min(budget, (limited[0] - limited[1]) // 2)
    return max(budget, SMALLEST_BUDGET_BYTES)


def _memory_groups() -> list[tuple[Path, str, str]]:
    """List where the limit may stand: this process's group and its ancestors, in v2 and v1."""
    places: list[tuple[Path, str, str]] = []
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return places
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, names = Path("/sys/fs/cgroup"), ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            root, names = (
                Path("/sys/fs/cgroup/memory"),
                ("memory.limit_in_bytes", "memory.usage_in_bytes"),
            )
        else:
            continue
        group = root / path.lstrip("/")
        places += [(place, *names) for place in (group, *group.parents) if place.is_relative_to(root)]
    return places
