"""A memory cgroup around one command: how Linux's page cache is given a budget. Both versions, root only."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

VERSION_1 = Path("/sys/fs/cgroup/memory")
VERSION_2 = Path("/sys/fs/cgroup")
#: The kernel frees a group when its last process was reaped; bounded, as a stuck one must not stop us [s].
_REMOVAL_SECONDS = 10.0


class OutOfMemoryError(Exception):
    """The kernel killed a job that did not fit into its memory cgroup."""


class MemoryCgroup:
    """One group of our own.

    Parameters
    ----------
    folder : Path
        Its directory.
    version : int
        1 or 2.
    """

    def __init__(self, folder: Path, version: int) -> None:
        self.folder = folder
        self.version = version

    def limit(self, size: int) -> None:
        """Limit anonymous memory and page cache together.

        Parameters
        ----------
        size : int
            The limit [bytes].
        """
        name = "memory.limit_in_bytes" if self.version == 1 else "memory.max"
        (self.folder / name).write_text(str(size))

    def wrap(self, command: list[str]) -> list[str]:
        """Make a command that enters the group before it becomes the given one.

        Parameters
        ----------
        command : list of str
            The command.

        Returns
        -------
        list of str
            For `subprocess`.
        """
        return ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.folder / "cgroup.procs"), *command]

    def killed(self) -> int:
        """Tell how many of its processes the kernel killed because the group was too small.

        Returns
        -------
        int
            Since the group was made; 0 where the kernel does not count them.
        """
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        for line in (self.folder / name).read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill":
                return int(value)
        return 0

    def kill(self) -> None:
        """End every process of the group: what the kernel killed for memory leaves its workers behind."""
        for word in (self.folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(word), signal.SIGKILL)

    def anonymous_bytes(self) -> int:
        """Tell how much memory its processes hold that is no page cache.

        Returns
        -------
        int
            Anonymous memory now [bytes].
        """
        name = "total_rss" if self.version == 1 else "anon"
        for line in (self.folder / "memory.stat").read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
        return 0


def is_available() -> bool:
    """Tell whether this process may make memory cgroups.

    Returns
    -------
    bool
        True for root where the controller is there.
    """
    return os.geteuid() == 0 and _parent() is not None


@contextlib.contextmanager
def memory_cgroup(name: str) -> Iterator[MemoryCgroup]:
    """Make a group and remove it at the end.

    Parameters
    ----------
    name : str
        Its name below ours.

    Yields
    ------
    MemoryCgroup
        The group, without a limit.
    """
    found = _parent()
    if found is None:
        raise OSError("no memory cgroup controller")
    parent, version = found
    folder = parent / f"{name}-{os.getpid()}"
    folder.mkdir()
    try:
        yield MemoryCgroup(folder, version)
    finally:
        deadline = time.monotonic() + _REMOVAL_SECONDS
        while folder.exists():
            try:
                folder.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)


def _parent() -> tuple[Path, int] | None:
    if (VERSION_1 / "cgroup.procs").exists():
        return VERSION_1, 1
    controllers = VERSION_2 / "cgroup.subtree_control"
    if controllers.exists() and "memory" in controllers.read_text().split():
        return VERSION_2, 2
    return None
