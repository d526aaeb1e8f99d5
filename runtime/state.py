"""What a mount leaves on disk while it lives: one private folder per mountpoint."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlopt_engine import _native
from mlopt_engine.errors import MissingPrerequisiteError, RefusedError

#: A daemon answers in milliseconds; a busy machine gets longer [s].
ANSWER_TIMEOUT_S = 30.0
#: Field 22 of /proc/PID/stat, counted behind the command's closing bracket.
START_TIME_FIELD = 19


@dataclass(frozen=True)
class MountState:
    """The folder of one mountpoint.

    Attributes
    ----------
    directory : pathlib.Path
        The folder, mode 0700.
    """

    directory: Path

    @property
    def socket_path(self) -> Path:
        """Where the daemon takes commands."""
        return self.directory / "control.sock"

    @property
    def log_path(self) -> Path:
        """What the daemon said."""
        return self.directory / "log"

    @property
    def plan_path(self) -> Path:
        """The compiled recipe in force."""
        return self.directory / "plan.json"

    @property
    def settings_path(self) -> Path:
        """What the daemon was started with."""
        return self.directory / "settings.json"

    @property
    def pid_path(self) -> Path:
        """Process id and start time of the daemon."""
        return self.directory / "pid"

    def settings(self) -> dict[str, Any]:
        """Read what the daemon was started with.

        Returns
        -------
        dict
            Empty when it cannot be read.
        """
        try:
            found: dict[str, Any] = json.loads(self.settings_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def live_pid(self) -> int | None:
        """Find the daemon.

        Returns
        -------
        int or None
            Its process id; None when it is gone, also when another process has its number now.
        """
        try:
            pid, started = self.pid_path.read_text(encoding="ascii").split()
            return int(pid) if start_time(int(pid)) == started else None
        except (OSError, ValueError):
            return None

    def ask(self, **command: object) -> dict[str, Any]:
        """Send a command to the daemon.

        Parameters
        ----------
        **command : object
            Plain JSON values; ``op`` names the command.

        Returns
        -------
        dict
            Its answer.

        Raises
        ------
        OSError
            When nobody answers.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_TIMEOUT_S)
            with ShortPath(self.socket_path) as path:
                connection.connect(path)
            connection.sendall(json.dumps(command).encode() + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline()
        if not line:
            raise ConnectionResetError("the daemon gave no answer")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.directory, ignore_errors=True)


class ShortPath:
    """A name of at most 108 bytes for a socket, by way of a descriptor of its folder.

    Parameters
    ----------
    path : pathlib.Path
        The socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> str:
        self._fd = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._fd}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def start_time(pid: int) -> str:
    """Read when a process began, so that a reused number is not taken for it.

    Parameters
    ----------
    pid : int
        The process.

    Returns
    -------
    str
        In clock ticks since the boot.
    """
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()[START_TIME_FIELD]


def root_directory() -> Path:
    """Find, or make, the folder of all mounts of this user.

    Returns
    -------
    pathlib.Path
        ``$XDG_RUNTIME_DIR/mlopt``, as root ``/run/mlopt``; without a session (su, cron, a container)
        ``/run/user/UID/mlopt`` or ``mlopt-UID`` in the folder for temporary files; mode 0700.

    Raises
    ------
    MissingPrerequisiteError
        When there is no runtime folder.
    RefusedError
        When the folder belongs to somebody else or others may write to it.
    """
    root = _place()
    try:
        root.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise MissingPrerequisiteError(
            "no folder for the mount's state",
            where=str(root),
            value=error.strerror,
            do="Set XDG_RUNTIME_DIR to a private folder",
        ) from error
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise RefusedError(
            "the folder of the mounts' state must be private",
            where=str(root),
            do=f"Remove it, or run: chmod 700 {root}",
        )
    return root


def _place() -> Path:
    user = os.geteuid()
    if user == 0:
        return Path("/run/mlopt")
    named = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{user}"
    if os.access(named, os.W_OK):
        return Path(named, "mlopt")
    return Path(tempfile.gettempdir(), f"mlopt-{user}")


def identifier(mountpoint: str | Path) -> str:
    """Name a mount.

    Parameters
    ----------
    mountpoint : str or pathlib.Path
        Where it is, as the mount table spells it.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    return hashlib.sha256(os.fsencode(mountpoint)).hexdigest()[:16]


def state_of(mountpoint: str | Path) -> MountState:
    """Find the folder of a mountpoint; it need not exist.

    Parameters
    ----------
    mountpoint : str or pathlib.Path
        Where, as the mount table spells it.

    Returns
    -------
    MountState
        Its folder.
    """
    return MountState(root_directory() / identifier(mountpoint))


def all_states() -> list[MountState]:
    """List the mounts of this user, dead ones included.

    Returns
    -------
    list of MountState
        In the order of their names.
    """
    return [MountState(path) for path in sorted(root_directory().iterdir()) if path.is_dir()]


def is_ours(mountpoint: str | Path) -> bool:
    """Find out whether one of our mounts is there, alive or dead; from the mount table only.

    Parameters
    ----------
    mountpoint : str or pathlib.Path
        Where.

    Returns
    -------
    bool
        True if so.
    """
    found = _native.mounted_at(mountpoint)
    return found is not None and found[0] == "fuse.mlopt"
