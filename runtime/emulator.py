"""The emulated slow storage as a process of its own: start, ask, stop.

The daemon is ``python -m runtime.emulator STATE_FOLDER``; it never touches its own mount.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from mlopt_engine import _native
from mlopt_engine.errors import InvalidInputError, MissingPrerequisiteError, MloptError, RefusedError
from runtime.state import MountState, ShortPath, start_time, state_of

KIND = "emulator"
#: What pays, in words; the engine is the authority (engine/fuse/src/emulator.rs).
COSTS = (
    "one latency each: lookup, getattr, open, readlink, 1,000 entries of a listing (all need a slot)",
    "one latency and its bytes' time on the shared link: each READ, up to 1 MiB",
    "free: close, statfs, what the kernel answers itself (names and attributes for 60 s, pages while open)",
)
_START_SECONDS = 20.0
_ANSWER_SECONDS = 10.0
_FAILURE = "failure.json"


@dataclass(frozen=True)
class EmulatorSpec:
    """How slow the emulated storage is.

    Attributes
    ----------
    latency_ns : int
        Median time to the first byte, and of each metadata operation [ns].
    bandwidth : float or None
        Shared by all requests; None for no limit [bytes/s].
    concurrency : int
        Requests served at once.
    jitter : float
        Standard deviation of the latency's natural logarithm [1].
    seed : int
        Seed of the latencies.
    keep_cache : bool
        Whether the kernel keeps a file's pages from one open to the next while the file is unchanged, as an
        NFS client does; without it each open reads anew.
    """

    latency_ns: int
    bandwidth: float | None
    concurrency: int
    jitter: float = 0.2
    seed: int = 0
    keep_cache: bool = False

    def check(self) -> None:
        """Refuse values that describe no storage.

        Raises
        ------
        InvalidInputError
            Naming the first such value.
        """
        wrong: list[tuple[bool, str, object, str]] = [
            (self.latency_ns < 0, "--latency", self.latency_ns, "Give 0 or more, as 5ms"),
            (self.latency_ns > 60 * 10**9, "--latency", self.latency_ns, "Give at most 60s"),
            (
                self.bandwidth is not None and not (math.isfinite(self.bandwidth) and self.bandwidth > 0),
                "--bandwidth",
                self.bandwidth,
                "Give more than 0, as 60MB/s",
            ),
            (
                not 1 <= self.concurrency <= 65_536,
                "--concurrency",
                self.concurrency,
                "Give between 1 and 65536",
            ),
            (not 0 <= self.jitter <= 3, "--jitter", self.jitter, "Give between 0 and 3, as 0.2"),
            (not 0 <= self.seed < 1 << 64, "--seed", self.seed, "Give 0 or more"),
        ]
        for is_wrong, flag, value, do in wrong:
            if is_wrong:
                raise InvalidInputError("out of range", where=flag, value=str(value), do=do)


class Emulator:
    """A running emulator, as seen from another process; a context manager that stops it.

    Parameters
    ----------
    mountpoint : Path
        Where it is mounted.
    """

    def __init__(self, mountpoint: Path) -> None:
        self.mountpoint = mountpoint

    def status(self) -> dict[str, Any]:
        """Ask what it served so far.

        Returns
        -------
        dict
            ``kind``, ``source``, ``mountpoint``, ``pid``, ``specification``, ``operations`` (count, errors,
            bytes, scheduled_ns, queued_ns, late_ns, late_ns_max of each), ``busy_slots``, ``busy_slots_max``.
        """
        return _ask(self.mountpoint, {"op": "status"})

    def reset(self) -> None:
        """Set all counters to zero and forget the log."""
        _ask(self.mountpoint, {"op": "reset"})

    def log(self) -> list[dict[str, Any]]:
        """Ask for the first 65,536 requests since the start or the last reset.

        Returns
        -------
        list of dict
            ``operation``, ``bytes`` and the times ``arrival_ns``, ``start_ns``, ``latency_ns``, ``done_ns``
            (the promise) and ``answered_ns`` of each, in the order of their answers.
        """
        return cast(list[dict[str, Any]], _ask(self.mountpoint, {"op": "log"})["log"])

    def stop(self, *, lazy: bool = False) -> None:
        """Unmount and wait until the daemon has ended.

        Parameters
        ----------
        lazy : bool
            Also when files are open: those stay usable until closed, and the daemon until then.

        Raises
        ------
        RefusedError
            When files are open and not lazy.
        """
        pid = int(_ask(self.mountpoint, {"op": "status"})["pid"])
        _ask(self.mountpoint, {"op": "umount", "lazy": lazy})
        if not lazy:
            _wait_for(lambda: not _is_running(pid), _ANSWER_SECONDS)

    def __enter__(self) -> Emulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except RefusedError:
            self.stop(lazy=True)


def start(source: Path, mountpoint: Path, spec: EmulatorSpec) -> Emulator:
    """Start a daemon that shows a directory as a slow storage; return when it answers.

    Parameters
    ----------
    source : Path
        The directory with the data.
    mountpoint : Path
        An existing directory outside the source.
    spec : EmulatorSpec
        How slow.

    Returns
    -------
    Emulator
        To ask and to stop it.

    Raises
    ------
    InvalidInputError
        When a value is out of range, or source or mountpoint is missing or inside the other.
    MissingPrerequisiteError
        When FUSE or the right to mount is missing.
    RefusedError
        When something of ours is mounted there already.
    """
    with _claimed(source, mountpoint, spec) as state:
        with state.log_path.open("ab") as log:
            daemon = subprocess.Popen(
                [sys.executable, "-P", "-m", "runtime.emulator", str(state.directory)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        ready = _wait_for(lambda: daemon.poll() is not None or state.pid_path.exists(), _START_SECONDS)
        if daemon.poll() is not None or not ready:
            if not ready:
                daemon.kill()
            daemon.wait()
            raise _failure(state)
        # Its end is the mount's end; nobody waits for it here, so let no zombie stay behind.
        threading.Thread(target=daemon.wait, daemon=True).start()
    return Emulator(mountpoint.resolve())


def serve(source: Path, mountpoint: Path, spec: EmulatorSpec, on_ready: Callable[[], None]) -> int:
    """Run an emulator in this process until it is unmounted or SIGINT or SIGTERM arrives.

    Parameters
    ----------
    source : Path
        The directory with the data.
    mountpoint : Path
        An existing directory outside the source.
    spec : EmulatorSpec
        How slow.
    on_ready : callable
        Called once the mount answers.

    Returns
    -------
    int
        0 when unmounted or terminated, 130 when interrupted.

    Raises
    ------
    InvalidInputError
        When a value is out of range, or source or mountpoint is missing or inside the other.
    MissingPrerequisiteError
        When FUSE or the right to mount is missing.
    RefusedError
        When something of ours is mounted there already.
    """
    with _claimed(source, mountpoint, spec) as state:
        return _run(state, on_ready)


def find(mountpoint: Path) -> Emulator | None:
    """Find the emulator that is mounted on a path.

    Parameters
    ----------
    mountpoint : Path
        The path.

    Returns
    -------
    Emulator or None
        None when no running emulator is mounted there.
    """
    place = _resolved(mountpoint)
    state = state_of(place)
    is_here = state.settings().get("kind") == KIND and state.live_pid() is not None
    return Emulator(place) if is_here else None


def status(mountpoint: Path) -> dict[str, Any]:
    """Ask the emulator on a path what it served so far.

    Parameters
    ----------
    mountpoint : Path
        Where it is mounted.

    Returns
    -------
    dict
        As `Emulator.status`.

    Raises
    ------
    InvalidInputError
        When no emulator is mounted there.
    """
    return _ask(_resolved(mountpoint), {"op": "status"})


@contextlib.contextmanager
def _claimed(source: Path, mountpoint: Path, spec: EmulatorSpec) -> Iterator[MountState]:
    """Check everything, and own the state folder; a failure inside removes it again."""
    spec.check()
    source = _directory(source, "SOURCE")
    mountpoint = _usable_mountpoint(mountpoint, source)
    state = state_of(mountpoint)
    if state.live_pid() is not None:
        raise RefusedError(
            "something of mlopt is mounted there already",
            where=str(mountpoint),
            do=f"Run 'mlopt umount {mountpoint}' first",
            code="already-mounted",
        )
    state.remove()  # of a dead one
    state.directory.mkdir(mode=0o700)
    settings = {
        "kind": KIND,
        "source": str(source),
        "mountpoint": str(mountpoint),
        "mounted_at": time.time(),
        "spec": asdict(spec),
    }
    state.settings_path.write_text(json.dumps(settings), encoding="utf-8")
    try:
        yield state
    except BaseException:
        state.remove()
        raise


def _directory(path: Path, name: str) -> Path:
    try:
        resolved = path.resolve(strict=True)
    except OSError as error:
        raise InvalidInputError(
            f"{name} is not there: {error.strerror}", where=str(path), do="Name an existing directory"
        ) from error
    if not resolved.is_dir():
        raise InvalidInputError(
            f"{name} is not a directory", where=str(path), do="Name an existing directory"
        )
    try:
        next(resolved.iterdir(), None)
    except PermissionError as error:
        raise InvalidInputError(
            f"{name} may not be read by this user", where=str(path), do="Change its mode or run as its owner"
        ) from error
    return resolved


def _usable_mountpoint(path: Path, source: Path) -> Path:
    mountpoint = _resolved(path)
    if mountpoint == source or mountpoint in source.parents or source in mountpoint.parents:
        raise InvalidInputError(
            "SOURCE and MOUNTPOINT must not contain one another",
            where=str(path),
            value=str(source),
            do="Mount on a directory outside the source",
            code="nested-mountpoint",
        )
    try:
        if not mountpoint.is_dir():
            missing = not mountpoint.exists()
            raise InvalidInputError(
                "MOUNTPOINT is not there" if missing else "MOUNTPOINT is not a directory",
                where=str(path),
                do=f"Run 'mkdir -p {path}'" if missing else "Name an empty directory",
            )
    except OSError as error:
        if error.errno != errno.ENOTCONN:  # a dead mount of ours; the engine clears it
            raise
    return mountpoint


def _resolved(mountpoint: Path) -> Path:
    try:
        return mountpoint.resolve(strict=True)
    except OSError:  # a dead mount cannot be looked at
        return mountpoint.parent.resolve() / mountpoint.name


def _release(state: MountState) -> None:
    """Remove the folder of this process, but not that of a successor at the same place."""
    if state.live_pid() == os.getpid():
        state.remove()


def _is_running(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return text.rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def _wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _failure(state: MountState) -> MloptError:
    try:
        said = json.loads((state.directory / _FAILURE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = {"what": state.log_path.read_text(errors="replace").strip() or "no answer", "errno": 0}
    return _mount_error(said["errno"], said["what"])


def _mount_error(number: int, what: str) -> MloptError:
    if number in {errno.EPERM, errno.EACCES, errno.ENODEV}:
        return MissingPrerequisiteError(what, do="See 'mlopt doctor'", code="no-fuse")
    if number == errno.EEXIST:
        return RefusedError(what, do="Run 'mlopt umount' on it first", code="already-mounted")
    if number == errno.EBUSY:
        return RefusedError(what, do="Close its files, or use --lazy", code="busy")
    return RefusedError(f"the emulator did not start: {what}", code="mount-failed")


def _ask(mountpoint: Path, question: dict[str, Any]) -> dict[str, Any]:
    """One question and one answer, each a line of JSON."""
    try:
        answer = state_of(mountpoint).ask(**question)
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            "no emulator answers here",
            where=str(mountpoint),
            do="Start one with 'mlopt emulate SOURCE MOUNTPOINT'",
            code="not-mounted",
        ) from error
    if answer.get("ok") is False:
        raise _mount_error(answer["errno"], answer["what"])
    return answer


class _Daemon:
    """The storage and what it tells about itself."""

    def __init__(self, state: MountState) -> None:
        self.state = state
        self.settings = state.settings()
        self.spec = EmulatorSpec(**self.settings["spec"])
        bandwidth = self.spec.bandwidth
        self.storage = _native.EmulatedStorage(
            self.settings["source"],
            self.settings["mountpoint"],
            fsname=f"mlopt:{state.directory.name}",
            latency_ns=self.spec.latency_ns,
            jitter=self.spec.jitter,
            bandwidth=math.inf if bandwidth is None else bandwidth,
            concurrency=self.spec.concurrency,
            seed=self.spec.seed,
            keep_cache=self.spec.keep_cache,
            # an ordinary user may show files to others only where /etc/fuse.conf says so
            allow_other=os.geteuid() == 0,
        )

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question.get("op"):
            case "status":
                head = {key: self.settings[key] for key in ("kind", "source", "mountpoint", "mounted_at")}
                served: dict[str, Any] = json.loads(self.storage.status())
                return {"state": "serving", "pid": os.getpid()} | head | served | {"costs": list(COSTS)}
            case "reset":
                self.storage.reset()
                return {"ok": True}
            case "log":
                return {"log": json.loads(self.storage.log())}
            case "umount":
                self.storage.unmount(bool(question.get("lazy")))
                _release(self.state)  # the place is free at once, also while open files keep us alive
                return {"ok": True}
            case other:
                return _no(errno.EINVAL, f"unknown command {other!r}")


def _no(number: int | None, what: str | None) -> dict[str, Any]:
    return {"ok": False, "errno": number, "what": what}


def _run(state: MountState, on_ready: Callable[[], None]) -> int:
    try:
        daemon = _Daemon(state)
    except OSError as error:
        raise _mount_error(error.errno or 0, error.strerror or str(error)) from error

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                try:
                    answer = daemon.answer(json.loads(line))
                except OSError as error:
                    answer = _no(error.errno, error.strerror)
                except ValueError as error:
                    answer = _no(errno.EINVAL, str(error))
                with contextlib.suppress(OSError):  # the asker may be gone
                    self.wfile.write(json.dumps(answer).encode() + b"\n")

    received: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _frame: received.append(got))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        with ShortPath(state.socket_path) as path:
            control = socketserver.ThreadingUnixStreamServer(path, Handler)
        with control as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            scratch = state.directory / "pid.new"  # whoever sees the file sees all of it
            scratch.write_text(f"{os.getpid()} {start_time(os.getpid())}", encoding="ascii")
            scratch.rename(state.pid_path)
            on_ready()
            while not daemon.storage.wait(0.1):
                if received:
                    _unmount(daemon.storage)
                    break
            server.shutdown()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _release(state)
    return 128 + received[0] if received else 0


def _unmount(storage: _native.EmulatedStorage) -> None:
    """Leave no corpse: politely first, then lazily."""
    try:
        storage.unmount(False)
    except OSError:
        with contextlib.suppress(OSError):
            storage.unmount(True)
    storage.wait(1.0)


def main(state: MountState) -> int:
    """Run the daemon of a state folder that `start` has prepared.

    Parameters
    ----------
    state : MountState
        The state folder.

    Returns
    -------
    int
        Exit code.
    """
    try:
        return _run(state, lambda: None)
    except (MloptError, OSError) as error:
        cause = error.__cause__ if isinstance(error, MloptError) else error
        number = cause.errno if isinstance(cause, OSError) else 0
        what = cause.strerror if isinstance(cause, OSError) else str(error)
        (state.directory / _FAILURE).write_text(json.dumps({"errno": number, "what": what}), encoding="utf-8")
        return 1


if __name__ == "__main__":
    raise SystemExit(main(MountState(Path(sys.argv[1]))))
