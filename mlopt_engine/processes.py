"""Processes of this machine as evidence of a job: command line, a few variables, mapped libraries."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlopt_engine.job import ENVIRONMENT, ProcessEvidence

__all__ = ["evidence_of", "family_of"]

#: Processes looked at for one job: beside the first ones only copies of the same workers are found.
MOST_PROCESSES = 16


def evidence_of(pids: Iterable[int]) -> list[ProcessEvidence]:
    """Look at processes.

    Parameters
    ----------
    pids : iterable of int
        Which, a thread's number is as good as its process's; those that ended or may not be looked at are
        left out.

    Returns
    -------
    list of ProcessEvidence
        At most `MOST_PROCESSES`, each process once.
    """
    found: dict[int, ProcessEvidence] = {}
    for pid in pids:
        if len(found) == MOST_PROCESSES:
            break
        process = _process_of(pid)
        if process is not None and process not in found:
            seen = _look(process)
            if seen is not None:
                found[process] = seen
    return list(found.values())


def family_of(pid: int) -> list[int]:
    """List a process and its descendants, parents first.

    Parameters
    ----------
    pid : int
        The first of them.

    Returns
    -------
    list of int
        At most `MOST_PROCESSES`.
    """
    family: list[int] = []
    queue = deque([pid])
    while queue and len(family) < MOST_PROCESSES:
        process = queue.popleft()
        family.append(process)
        queue.extend(_children(process))
    return family


def _children(pid: int) -> Iterator[int]:
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            yield from map(int, (task / "children").read_text(encoding="ascii").split())
    except OSError:
        return


def _process_of(thread: int) -> int | None:
    try:
        for line in Path(f"/proc/{thread}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("Tgid:"):
                return int(line.split()[1])
    except OSError:
        pass
    return None


def _look(pid: int) -> ProcessEvidence | None:
    words = _items(pid, "cmdline")
    if not words:  # ended, or a thread of the kernel
        return None
    variables = (item.partition("=") for item in _items(pid, "environ"))
    environment = {name: value for name, _, value in variables if name in ENVIRONMENT}
    return ProcessEvidence(pid, tuple(words), environment, frozenset(_mapped(pid)))


def _items(pid: int, name: str) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
    except OSError:
        return []
    return text.rstrip("\0").split("\0") if text else []


def _mapped(pid: int) -> Iterator[str]:
    try:
        text = Path(f"/proc/{pid}/maps").read_bytes().decode(errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        _, slash, path = line.partition("/")
        if slash and ".so" in path:
            yield slash + path
