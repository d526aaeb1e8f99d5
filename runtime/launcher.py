"""A command with the mount laid over its data, in a mount namespace of its own.

The order matters. A fresh process, still single-threaded, leaves the caller's mount namespace, forks the
command's process (which waits), mounts over the source, and only then lets the command go: never a fork of a
process with threads, and nobody outside sees the mount. When the process is killed, the namespace takes the
mount with it.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlopt_engine import _native
from mlopt_engine.errors import InvalidInputError, MissingPrerequisiteError, MloptError
from mlopt_engine.processes import family_of
from runtime.facts import Surroundings
from runtime.session import (
    MountOptions,
    check_budget,
    check_options,
    check_source,
    check_writable,
    engine_options,
    given_facts,
    with_staleness,
)

EXIT_LAUNCHER_FAILED = 125
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127
EXIT_SIGNAL_BASE = 128
#: The launcher's own failure, told apart from a command that returns 125.
FAILURE_FILE = "failure.json"

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
PR_SET_NO_NEW_PRIVS = 38
#: si_code of a signal that the terminal sent to the whole foreground group: the command got its own.
SI_KERNEL = 128
PASSED_ON = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
WAITED_FOR = PASSED_ON | {signal.SIGCHLD}


@dataclass(frozen=True)
class RunOptions:
    """Settings of a run beside its recipe.

    Attributes
    ----------
    mount : MountOptions
        Settings of the mount.
    stats_file : pathlib.Path or None
        Where the engine's counters are written at the end, as JSON.
    preload_isatty : bool
        Preload an ``isatty`` that sends no message: Python's ``open()`` sends one per file without it.
    environment : dict of str, or None
        Environment of the command; the caller's if None.
    """

    mount: MountOptions = field(default_factory=MountOptions)
    stats_file: Path | None = None
    preload_isatty: bool = True
    environment: dict[str, str] | None = None


def run(source: str | Path, plan_json: str, command: list[str], options: RunOptions | None = None) -> int:
    """Run a command with the mount laid over its source.

    Parameters
    ----------
    source : str or pathlib.Path
        The directory that the command reads.
    plan_json : str
        The compiled recipe.
    command : list of str
        The command and its arguments.
    options : RunOptions, optional
        Settings; the defaults if omitted.

    Returns
    -------
    int
        The command's exit code; 126 or 127 when it could not be run, 128+N when signal N ended it.

    Raises
    ------
    InvalidInputError
        When source, budget or command is not usable.
    MissingPrerequisiteError
        When the device, the namespace or the permission to mount is missing.
    """
    options = options or RunOptions()
    check_options(options.mount)
    if options.stats_file is not None:
        check_writable(options.stats_file, "--stats")
    check_budget(plan_json)
    origin = check_source(source)
    if not command:
        raise InvalidInputError(
            "no command given", where="CMD", do="Write it after --, as: -- python train.py"
        )
    with tempfile.TemporaryDirectory(prefix="mlopt-run-") as name:
        folder = Path(name)
        environment = dict(os.environ if options.environment is None else options.environment)
        if options.preload_isatty:
            environment["LD_PRELOAD"] = _with_shim(folder, environment.get("LD_PRELOAD"))
        order = {
            "source": str(origin),
            "cwd": str(Path.cwd()),
            "command": command,
            "environment": environment,
            "plan": with_staleness(plan_json, options.mount.staleness_s),
            # A user's namespace has one id: the kernel would refuse files of the user's other groups.
            "engine": engine_options(options.mount, "mlopt:run") | {"check_permissions": os.geteuid() == 0},
            "facts": given_facts(options.mount),
            "stats_file": str(options.stats_file) if options.stats_file else None,
        }
        (folder / "order.json").write_text(json.dumps(order), encoding="utf-8")
        code = _wait_in_foreground([sys.executable, "-P", "-m", "runtime.launcher", str(folder)])
        failure = folder / FAILURE_FILE
        if failure.exists():
            raise _failure(json.loads(failure.read_text(encoding="utf-8")), origin)
    return code


def _with_shim(folder: Path, preloaded: str | None) -> str:
    shim = folder / "isatty.so"
    shim.write_bytes(_native.isatty_shim())
    shim.chmod(0o755)
    folder.chmod(0o711)  # a command that changes its user must still be able to load it
    return f"{shim}:{preloaded}" if preloaded else str(shim)


def _wait_in_foreground(command: list[str]) -> int:
    """Run the launcher's process and pass on the signals meant for it."""
    if threading.current_thread() is not threading.main_thread():
        return subprocess.run(command, check=False).returncode
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WAITED_FOR)
    try:
        process = subprocess.Popen(command)
        while process.poll() is None:
            _pass_on(signal.sigwaitinfo(WAITED_FOR), process.pid)
        return process.returncode
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _pass_on(news: signal.struct_siginfo, pid: int) -> None:
    if news.si_signo != signal.SIGCHLD and news.si_code != SI_KERNEL:
        os.kill(pid, news.si_signo)


def _failure(found: dict[str, Any], source: Path) -> MloptError:
    number = found.get("errno")
    do = "Run 'mlopt doctor' to see what is missing"
    if number in {errno.EACCES, errno.EPERM, errno.ENODEV, errno.ENOSPC}:
        return MissingPrerequisiteError(found["what"], where=str(source), do=do, code="fuse")
    return MissingPrerequisiteError(found["what"], where=str(source), do=do, code="run-failed")


def main(arguments: list[str]) -> int:
    """Be the launcher's process.

    Parameters
    ----------
    arguments : list of str
        The folder with ``order.json``.

    Returns
    -------
    int
        The command's exit code.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, WAITED_FOR)
    folder = Path(arguments[0])
    order: dict[str, Any] = json.loads((folder / "order.json").read_text(encoding="utf-8"))
    try:
        _leave_namespace()
        ready, go = os.pipe()
        child = _fork_command(order, ready, go)
        os.close(ready)
        os.chdir("/")  # a working directory below the source would be one below the mount
        try:
            session = _native.MountSession(
                order["source"], order["source"], order["plan"], json.dumps(order["engine"])
            )
        except BaseException:
            os.close(go)  # the command's process ends without having run
            os.waitpid(child, 0)
            raise
    except (OSError, MloptError) as error:
        number = error.errno if isinstance(error, OSError) else None
        what = (error.strerror if isinstance(error, OSError) else None) or str(error)
        failure = json.dumps({"errno": number, "what": what})
        (folder / FAILURE_FILE).write_text(failure, encoding="utf-8")
        return EXIT_LAUNCHER_FAILED
    os.write(go, b"1")
    os.close(go)
    code = _wait_for(child, session, Surroundings(order["facts"], lambda: family_of(child)))
    stats = session.stats_json()
    if note := _what_did_nothing(json.loads(session.rules_json()), order["source"]):
        sys.stderr.write(f"mlopt run: {note}\n")
    session.unmount(True)
    if order["engine"]["journal"]:
        session.close()  # writes the journal's last lines
    if order["stats_file"]:
        Path(order["stats_file"]).write_text(stats + "\n", encoding="utf-8")
    sys.stdout.flush()
    # A fetch thread may hang in the source for ever; it must not keep the process.
    os._exit(code)


def _what_did_nothing(found: dict[str, Any], source: str) -> str | None:
    """Say that a recipe fitted nothing of what the command looked at: silence would look like success."""
    files = found["no_rule"]["files"]
    if not files or not found["rules"] or any(rule["now"]["files"] for rule in found["rules"]):
        return None
    return (
        f"no rule applied to any of the {files:,} files that were seen; rules see paths relative to "
        f"{source}: 'mlopt test-rules' says why"
    )


def _leave_namespace() -> None:
    """Enter a private mount namespace, as an ordinary user by way of a user namespace."""
    library = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWNS if uid == 0 else CLONE_NEWNS | CLONE_NEWUSER
    _check(library.unshare(flags), "a private mount namespace is not permitted here")
    if uid != 0:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            Path("/proc/self", name).write_text(text, encoding="ascii")
    outcome = library.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    _check(outcome, "the mount namespace could not be made private")


def _check(outcome: int, what: str) -> None:
    if outcome != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _fork_command(order: dict[str, Any], ready: int, go: int) -> int:
    """Fork the command's process, which waits for the mount; no thread exists yet."""
    child = os.fork()
    if child != 0:
        return child
    try:
        os.close(go)
        if os.read(ready, 1) != b"1":
            os._exit(EXIT_LAUNCHER_FAILED)
        os.close(ready)
        _become(order)
    except Exception as error:  # noqa: BLE001 - nothing may run on in the copy of the launcher
        sys.stderr.write(f"mlopt run: {error}\n")
    os._exit(EXIT_LAUNCHER_FAILED)


def _become(order: dict[str, Any]) -> None:
    try:
        os.chdir(order["cwd"])  # again: the inherited one lies below the mount
    except OSError as error:
        sys.stderr.write(f"mlopt run: {order['cwd']}: {error.strerror}\n")
        os._exit(EXIT_LAUNCHER_FAILED)
    if os.geteuid() != 0:
        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WAITED_FOR)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them; a command expects the default
    command, environment = order["command"], order["environment"]
    path = shutil.which(command[0], path=environment.get("PATH", os.defpath)) or command[0]
    try:
        os.execve(path, command, environment)  # noqa: S606 - the user's own words, no shell wanted
    except OSError as error:
        sys.stderr.write(f"mlopt run: {command[0]}: {error.strerror}\n")
        missing = error.errno in {errno.ENOENT, errno.ENOTDIR}
        os._exit(EXIT_NOT_FOUND if missing else EXIT_NOT_EXECUTABLE)


def _wait_for(child: int, session: _native.MountSession, surroundings: Surroundings) -> int:
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return EXIT_SIGNAL_BASE - code if code < 0 else code
        news = signal.sigtimedwait(WAITED_FOR, 0.5)
        if news is not None:
            _pass_on(news, child)
        elif (facts := surroundings.refresh()) is not None:
            session.set_facts(json.dumps(facts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
