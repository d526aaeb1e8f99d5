"""Mounts as their users see them: start one, ask it, end it. The daemon is a process of its own."""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlopt_engine import _native
from mlopt_engine.errors import (
    InvalidInputError,
    MissingPrerequisiteError,
    MloptError,
    RefusedError,
)
from runtime import endpoint, memory
from runtime.facts import Facts, lasting_facts, passing_facts
from runtime.state import MountState, all_states, identifier, is_ours, state_of

NS_PER_S = 1_000_000_000
#: Mounting takes 0.2 s; a source that does not answer at all must not hold the command for ever [s].
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
FOREVER_NS = 2**64 - 1
#: Where the daemon finds the pipe for its first word: high enough not to meet one that is being moved.
PIPE_FD = 63


@dataclass(frozen=True)
class MountOptions:
    """Settings of a mount beside its recipe.

    Attributes
    ----------
    staleness_s : float or None
        How long a source change may stay unseen [s]; None as the recipe says.
    deadline_s : float
        Each operation is answered within this time [s].
    allow_other : bool
        Let other users in.
    http : str or None
        Where to serve the metrics, as ``127.0.0.1:9100``.
    sweep_s : float
        How often held pages are checked [s].
    fetch_threads : int
        Threads for source requests at most.
    with_warden : bool
        Run the warden; without it nothing is held in the kernel.
    journal : pathlib.Path or None
        File to write every event and its effects to; must not exist.
    facts : dict
        Facts of job and machine that stand above what is measured.
    """

    staleness_s: float | None = None
    deadline_s: float = 60.0
    allow_other: bool = False
    http: str | None = None
    sweep_s: float = 5.0
    fetch_threads: int = 64
    with_warden: bool = True
    journal: Path | None = None
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True)
class Mount:
    """A mount that is served by its daemon.

    Attributes
    ----------
    mountpoint : pathlib.Path
        Where it is.
    pid : int
        The daemon.
    notes : list of str
        What the user should know about how it was mounted.
    """

    mountpoint: Path
    pid: int
    notes: list[str]

    def status(self) -> dict[str, Any]:
        """Ask the daemon how it is.

        Returns
        -------
        dict
            As :func:`status` has it.
        """
        return status(self.mountpoint)

    def umount(self, lazy: bool = False) -> None:
        """Unmount.

        Parameters
        ----------
        lazy : bool
            Also while files are open.
        """
        umount(self.mountpoint, lazy)


def engine_options(options: MountOptions, fsname: str) -> dict[str, Any]:
    """Translate settings into the engine's words.

    Parameters
    ----------
    options : MountOptions
        The settings.
    fsname : str
        What the mount table shows as the source.

    Returns
    -------
    dict
        Plain JSON values.
    """
    return {
        "fsname": fsname,
        "deadline_ns": int(options.deadline_s * NS_PER_S),
        "allow_other": options.allow_other,
        "check_permissions": True,
        # More threads gain nothing: none of them ever waits.
        "fuse_threads": min(4, max(2, os.cpu_count() or 2)),
        "fetch_threads": options.fetch_threads,
        "sweep_ns": int(options.sweep_s * NS_PER_S),
        # READs of 1 MiB instead of 128 KiB: 1.5 times the speed of a large file.
        "read_ahead_kib": 1024,
        "warden": [sys.executable, "-P", "-m", "runtime.warden"] if options.with_warden else None,
        "journal": str(options.journal) if options.journal else None,
        "facts": passing_facts() | given_facts(options),
    }


def given_facts(options: MountOptions) -> Facts:
    """Tell what stays as it is while a mount lives.

    Parameters
    ----------
    options : MountOptions
        The settings.

    Returns
    -------
    dict
        Facts by name: the machine's lasting ones, and above them those of the settings.
    """
    return lasting_facts() | options.facts


def with_staleness(plan_json: str, staleness_s: float | None) -> str:
    """Set how long a source change may stay unseen.

    Parameters
    ----------
    plan_json : str
        A compiled recipe.
    staleness_s : float or None
        The time [s]; None leaves the recipe's.

    Returns
    -------
    str
        The plan, canonical JSON.
    """
    if staleness_s is None:
        return plan_json
    plan = json.loads(plan_json)
    plan["staleness_ns"] = min(int(staleness_s * NS_PER_S), FOREVER_NS)
    return json.dumps(plan, sort_keys=True, separators=(",", ":"))


def check_options(options: MountOptions) -> None:
    """Refuse settings that make no sense.

    Parameters
    ----------
    options : MountOptions
        The settings.

    Raises
    ------
    InvalidInputError
        When a number is out of range, the address is not on loopback or the journal cannot be written.
    """
    if options.staleness_s is not None and not 0 <= options.staleness_s < 1e9:
        raise InvalidInputError(
            "staleness must be 0 or more",
            where="--staleness",
            value=str(options.staleness_s),
            do="Write seconds, as 60",
        )
    if not 0.001 <= options.deadline_s < 1e9:
        raise InvalidInputError(
            "a deadline must be positive",
            where="--deadline",
            value=str(options.deadline_s),
            do="Write seconds, as 60",
        )
    if options.http is not None:
        endpoint.parse_address(options.http)
    if options.journal is not None:
        check_writable(options.journal, "--journal")


def check_writable(path: Path, flag: str) -> None:
    """Refuse a file that cannot be written, before anything is mounted.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    flag : str
        Where it was given.

    Raises
    ------
    InvalidInputError
        When its folder is missing, it is a directory, or the permission is missing.
    """
    if not path.parent.is_dir():
        what, do = "there is no directory to write to", f"Run: mkdir -p {path.parent}"
    elif path.is_dir():
        what, do = "this is a directory", "Name a file"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        what, do = "no permission to write", "Name a file that you may write"
    else:
        return
    raise InvalidInputError(what, where=flag, value=str(path), do=do)


def check_budget(plan_json: str) -> None:
    """Refuse a memory budget that the machine does not have.

    Parameters
    ----------
    plan_json : str
        A compiled recipe; its memory tier is the budget.

    Raises
    ------
    InvalidInputError
        When it is larger than the memory, or than the control group's limit.
    """
    budget, usable = json.loads(plan_json)["tiers"]["memory"]["bytes"], memory.usable_bytes()
    if budget > usable:
        raise InvalidInputError(
            "the memory budget is larger than this machine's memory or the control group's limit",
            where="--memory",
            value=f"{budget} bytes of {usable}",
            do="Ask for less; without --memory a safe default is taken",
        )


def check_source(source: str | Path) -> Path:
    """Find the source directory.

    Parameters
    ----------
    source : str or pathlib.Path
        As the user wrote it.

    Returns
    -------
    pathlib.Path
        Without symbolic links.

    Raises
    ------
    InvalidInputError
        When it is missing, no directory or may not be read.
    """
    try:
        path = Path(source).resolve(strict=True)
        found = path.stat()
    except OSError as error:
        raise InvalidInputError(
            "the source is not usable",
            where="SOURCE",
            value=f"{source}: {error.strerror}",
            do="Name an existing directory",
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise InvalidInputError(
            "the source is no directory", where="SOURCE", value=str(source), do="Name a directory"
        )
    if not os.access(path, os.R_OK | os.X_OK):
        raise InvalidInputError(
            "the source may not be read",
            where="SOURCE",
            value=str(source),
            do="Ask its owner, or run as another user",
        )
    return path


def mount(
    source: str | Path, mountpoint: str | Path, plan_json: str, options: MountOptions | None = None
) -> Mount:
    """Mount a source under a plan; returns when the mount answers.

    Parameters
    ----------
    source : str or pathlib.Path
        The directory with the data.
    mountpoint : str or pathlib.Path
        An existing directory; what it holds is hidden while mounted.
    plan_json : str
        The compiled recipe.
    options : MountOptions, optional
        Settings; the defaults if omitted.

    Returns
    -------
    Mount
        The mount, served by a daemon of its own.

    Raises
    ------
    InvalidInputError
        When source, mountpoint, budget or a setting is not usable.
    MissingPrerequisiteError
        When the device or the permission is missing.
    RefusedError
        When something is mounted there already.
    """
    options = options or MountOptions()
    check_options(options)
    check_budget(plan_json)
    origin = check_source(source)
    place, notes = _check_mountpoint(Path(mountpoint), origin)
    state = state_of(place)
    if state.live_pid() is not None:
        raise RefusedError(
            "a daemon serves this mountpoint already",
            where=str(place),
            do=f"Run: mlopt umount {place}",
            code="already-mounted",
        )
    state.remove()
    state.directory.mkdir(mode=0o700)
    settings = {
        "source": str(origin),
        "mountpoint": str(place),
        "http": options.http,
        "mounted_at": time.time(),
        "facts": given_facts(options),
        "engine": engine_options(options, f"mlopt:{identifier(place)}"),
    }
    _write_private(state.settings_path, json.dumps(settings))
    _write_private(state.plan_path, with_staleness(plan_json, options.staleness_s))
    pid = _start_daemon(state)
    return Mount(place, pid, notes)


def umount(mountpoint: str | Path, lazy: bool = False) -> None:
    """Unmount a mount of ours, or clear a dead one.

    Parameters
    ----------
    mountpoint : str or pathlib.Path
        Where.
    lazy : bool
        Also while files are open: they stay readable, the daemon ends with the last of them.

    Raises
    ------
    InvalidInputError
        When no mount of ours is there.
    RefusedError
        When it is busy and ``lazy`` is false.
    """
    place = _absolute(Path(mountpoint))
    state = state_of(place)
    pid = state.live_pid()
    if pid is None:
        _clear_dead(place, state)
        return
    try:
        answer = state.ask(op="umount", lazy=lazy)
    except OSError as error:
        if not is_ours(place):  # it was ending while we asked
            _wait_for_end(pid)
            state.remove()
            return
        raise RefusedError(
            "the daemon does not answer",
            where=str(place),
            value=f"process {pid}: {error}",
            do=f"See {state.log_path}; as the last resort: kill -9 {pid}; mlopt umount {place}",
        ) from error
    if not answer.get("ok"):
        if answer.get("errno") == errno.EBUSY:
            raise RefusedError(
                "the mount is busy",
                where=str(place),
                do="Close files and leave directories below it, or use --lazy",
                code="busy",
            )
        raise RefusedError(str(answer.get("what")), where=str(place), do=f"See {state.log_path}")
    if not lazy:
        _wait_for_end(pid)


def status(mountpoint: str | Path | None = None) -> dict[str, Any]:
    """Tell how mounts are.

    Parameters
    ----------
    mountpoint : str or pathlib.Path, optional
        One mount; all of this user if omitted.

    Returns
    -------
    dict
        Of one mount: ``mountpoint``, ``source``, ``state`` (serving, dead, stuck), ``pid``, ``mounted_at``,
        ``plan_sha256``, ``http`` and ``stats``, the engine's counters; of all: ``{"mounts": [...]}``.

    Raises
    ------
    InvalidInputError
        When no mount of ours is at the mountpoint.
    """
    if mountpoint is None:
        return {"mounts": [_status_of(state) for state in all_states()]}
    place = _absolute(Path(mountpoint))
    state = state_of(place)
    if not state.directory.exists():
        raise _no_mount(place)
    return _status_of(state)


@contextmanager
def mounted(
    source: str | Path, mountpoint: str | Path, plan_json: str, options: MountOptions | None = None
) -> Iterator[Mount]:
    """Mount for the length of a block.

    Parameters
    ----------
    source : str or pathlib.Path
        The directory with the data.
    mountpoint : str or pathlib.Path
        An existing directory.
    plan_json : str
        The compiled recipe.
    options : MountOptions, optional
        Settings.

    Yields
    ------
    Mount
        The mount; unmounted, lazily if need be, at the end.
    """
    handle = mount(source, mountpoint, plan_json, options)
    try:
        yield handle
    finally:
        if state_of(handle.mountpoint).live_pid() is not None or is_ours(handle.mountpoint):
            with suppress(InvalidInputError):  # it ended between the look and the order
                try:
                    handle.umount()
                except RefusedError:
                    handle.umount(lazy=True)


def _check_mountpoint(mountpoint: Path, source: Path) -> tuple[Path, list[str]]:
    """Find the mountpoint; clear a dead mount of ours from it, never touch a live one."""
    place = _absolute(mountpoint)
    if place == source or place.is_relative_to(source) or source.is_relative_to(place):
        raise InvalidInputError(
            "source and mountpoint must not lie inside one another",
            where="MOUNTPOINT",
            value=f"{mountpoint} and {source}",
            do="Mount elsewhere; 'mlopt run' lays a mount over the source for one command",
        )
    found = _native.mounted_at(place) if os.path.lexists(place) or _is_dead_place(place) else None
    if found is not None:
        kind, _, dead = found
        if kind != "fuse.mlopt":
            raise RefusedError(
                "something else is mounted there",
                where=str(place),
                value=kind,
                do="Choose another directory",
                code="already-mounted",
            )
        if not dead:
            raise RefusedError(
                "a live mount of mlopt is there",
                where=str(place),
                do=f"Run: mlopt umount {place}",
                code="already-mounted",
            )
        _native.clear_dead_mount(place)
    if not place.is_dir():
        raise InvalidInputError(
            "the mountpoint is no directory" if place.exists() else "the mountpoint does not exist",
            where="MOUNTPOINT",
            value=str(mountpoint),
            do=f"Run: mkdir -p {mountpoint}",
        )
    notes = []
    if any(place.iterdir()):
        notes.append(f"{place} is not empty: what it holds is hidden while mounted")
    return place, notes


def _is_dead_place(place: Path) -> bool:
    try:
        place.lstat()
    except OSError as error:
        return error.errno == errno.ENOTCONN
    return False


def _absolute(path: Path) -> Path:
    """Spell a path as the mount table does, without touching what may be a dead mount."""
    try:
        return path.resolve(strict=False)
    except OSError:
        whole = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would touch the dead mount
        return whole.parent.resolve() / whole.name


def _write_private(path: Path, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)


def _start_daemon(state: MountState) -> int:
    """Start the daemon and wait for its first word on a pipe."""
    news, telling = os.pipe()
    log = os.open(state.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    command = [sys.executable, "-P", "-m", "runtime.daemon", str(state.directory), str(PIPE_FD)]
    # posix_spawn: no fork of a process with threads, and no handle that complains when the daemon stays.
    moves = [(null, 0), (log, 1), (log, 2), (telling, PIPE_FD)]
    try:
        pid = os.posix_spawn(
            sys.executable,
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, from_fd, to_fd) for from_fd, to_fd in moves],
            setsid=True,
            setsigmask=(),
        )
    finally:
        for fd in (telling, log, null):
            os.close(fd)
    try:
        word = _first_word(news)
    except BaseException:
        _stop(pid)
        state.remove()
        raise
    finally:
        os.close(news)
    if word.get("ok"):
        return pid
    _stop(pid)
    state.remove()
    raise _start_error(word)


def _stop(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    _wait_for_end(pid)


def _first_word(news: int) -> dict[str, Any]:
    text = b""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([news], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return {"what": f"the daemon did not come up within {START_TIMEOUT_S:.0f} s"}
        part = os.read(news, 65536)
        if not part:
            return {"what": "the daemon ended before it had mounted"}
        text += part
    word: dict[str, Any] = json.loads(text)
    return word


def _start_error(word: dict[str, Any]) -> MloptError:
    what, number = str(word.get("what")), word.get("errno")
    if number in {errno.EACCES, errno.EPERM, errno.ENODEV}:
        return MissingPrerequisiteError(what, do="Run 'mlopt doctor' to see what is missing", code="fuse")
    return RefusedError(what, do="Run 'mlopt doctor' to see what this machine can do", code="mount-failed")


def _wait_for_end(pid: int) -> None:
    """Wait until the daemon is gone; it has unmounted already and only ends its threads."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([descriptor], [], [], STOP_TIMEOUT_S)[0]:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)  # a thread that hangs in the source
    finally:
        os.close(descriptor)
    try:
        os.waitpid(pid, os.WNOHANG)  # reap it where it is our own child
    except ChildProcessError:
        return


def _clear_dead(place: Path, state: MountState) -> None:
    there = os.path.lexists(place) or _is_dead_place(place)
    found = _native.mounted_at(place) if there else None
    if found is not None and found[0] == "fuse.mlopt":
        if not found[2]:
            raise RefusedError(
                "another user's or another namespace's daemon serves this mount",
                where=str(place),
                do="Run umount as the user who mounted it",
            )
        _native.clear_dead_mount(place)
    elif not state.directory.exists():
        raise _no_mount(place)
    state.remove()


def _no_mount(place: Path) -> InvalidInputError:
    return InvalidInputError(
        "no mount of mlopt is here",
        where="MOUNTPOINT",
        value=str(place),
        do="'mlopt status' lists the mounts",
    )


def _status_of(state: MountState) -> dict[str, Any]:
    settings = state.settings()
    head = {
        "mountpoint": settings.get("mountpoint"),
        "source": settings.get("source"),
        "mounted_at": settings.get("mounted_at"),
        "pid": state.live_pid(),
    }
    if head["pid"] is None:
        return head | {"state": "dead", "stats": None}
    try:
        return head | {"state": "serving"} | state.ask(op="status")
    except OSError:
        return head | {"state": "stuck", "stats": None}


def decisions(mountpoint: str | Path) -> dict[str, Any] | None:
    """Ask a mount for the trace of its decisions.

    Parameters
    ----------
    mountpoint : str or pathlib.Path
        The mount.

    Returns
    -------
    dict or None
        ``made``, how many there were, and ``kept``, the latest; None where the recipe does not ask for it.

    Raises
    ------
    InvalidInputError
        When no mount of ours is at the mountpoint, or its daemon does not answer.
    """
    found: dict[str, Any] | None = _ask(mountpoint, op="decisions")["decisions"]
    return found


def rules(mountpoint: str | Path) -> dict[str, Any]:
    """Ask a mount for the rules in force and what came of each.

    Parameters
    ----------
    mountpoint : str or pathlib.Path
        The mount.

    Returns
    -------
    dict
        ``plan_sha256``, ``max_rules``, ``no_rule``, and ``rules`` in order, each with origin, conditions,
        actions and ``now``: the files that it applies to, the reads and fetches of files while it applied.

    Raises
    ------
    InvalidInputError
        When no mount of ours is at the mountpoint, or its daemon does not answer.
    """
    found: dict[str, Any] = _ask(mountpoint, op="rules")["rules"]
    return found


def explain(mountpoint: str | Path, path: str) -> dict[str, Any]:
    """Ask a mount what happens to a file and why, from all that is known of it now.

    Parameters
    ----------
    mountpoint : str or pathlib.Path
        The mount.
    path : str
        Relative to the mountpoint.

    Returns
    -------
    dict
        The file as ``test-rules`` has it, and what is held of it [bytes].

    Raises
    ------
    InvalidInputError
        When the mount has no such file, none of ours is there, or its daemon does not answer.
    """
    found: dict[str, Any] | None = _ask(mountpoint, op="explain", path=path)["file"]
    if found is None and not {"", ".", ".."} & set(path.split("/")):
        # The daemon knows what somebody looked up; it must not do so itself.
        with suppress(OSError, ValueError):
            (_absolute(Path(mountpoint)) / path).lstat()
            found = _ask(mountpoint, op="explain", path=path)["file"]
    if found is None:
        raise InvalidInputError(
            "the mount has no such file",
            where="--file",
            value=path,
            do="Name a file relative to the mountpoint",
            code="path",
        )
    return found


def _ask(mountpoint: str | Path, **command: Any) -> dict[str, Any]:
    place = _absolute(Path(mountpoint))
    state = state_of(place)
    if not state.directory.exists():
        raise _no_mount(place)
    try:
        answer = state.ask(**command)
    except OSError as error:
        raise InvalidInputError(
            "the daemon does not answer", where=str(place), do="See 'mlopt status'"
        ) from error
    if not answer.get("ok"):
        raise InvalidInputError(
            "no recipe is followed here", where=str(place), do="Name a mount of 'mlopt mount'"
        )
    return answer


def wait(handle: Mount) -> None:
    """Wait until the daemon of a mount has ended.

    Parameters
    ----------
    handle : Mount
        The mount.
    """
    try:
        descriptor = os.pidfd_open(handle.pid)
    except ProcessLookupError:
        return
    try:
        select.select([descriptor], [], [])
    finally:
        os.close(descriptor)
