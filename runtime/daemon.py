"""The daemon of one mount: a process without user code, forks or work in Python on the way of a read.

Started as ``python -m runtime.daemon STATE_DIRECTORY PIPE``; tells on the pipe that it serves, or why not.
SIGTERM is umount (lazy if busy). SIGHUP swaps in ``plan.json`` of the state directory if it has changed; the
recipe's file is not read again. It never touches its own mount: that can hang a process for ever.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socketserver
import sys
import threading
from http.server import HTTPServer
from pathlib import Path
from typing import Any

from mlopt_engine import _native
from mlopt_engine.errors import MloptError
from runtime import endpoint, overview
from runtime.facts import Surroundings
from runtime.state import MountState, ShortPath, start_time

STOPPING = {signal.SIGTERM, signal.SIGINT}
#: Raised by the control thread when it has unmounted.
UNMOUNTED = signal.SIGUSR1
WAITED_FOR = STOPPING | {signal.SIGHUP, UNMOUNTED}
#: How soon an unmount by somebody else is noticed [s].
LOOK_AROUND_S = 0.5
COMMAND_BYTES = 65536
ANSWER_TIMEOUT_S = 10


class Daemon:
    """One mount and its control socket.

    Parameters
    ----------
    state : MountState
        Its folder.
    """

    def __init__(self, state: MountState) -> None:
        self.state = state
        self.settings = state.settings()
        self.plan_json = state.plan_path.read_text(encoding="utf-8")
        self.session = _native.MountSession(
            self.settings["source"],
            self.settings["mountpoint"],
            self.plan_json,
            json.dumps(self.settings["engine"]),
        )
        self.surroundings = Surroundings(self.settings.get("facts", {}), self.session.readers)
        self.http: HTTPServer | None = None
        #: Held while the plan is swapped, and while what is said of it must fit it.
        self.swapping = threading.Lock()
        #: Held while a command is carried out and answered: the process must not end in between.
        self.answering = threading.Lock()
        if self.settings.get("http"):
            try:
                self.http = self._serve_http(self.settings["http"])
            except OSError:
                self.session.unmount(True)
                raise

    def _serve_http(self, address: str) -> HTTPServer:
        pages = endpoint.Pages(
            prometheus=self.session.metrics_text,
            as_json=self.session.stats_json,
            is_healthy=lambda: self.session.is_served,
            decisions=self.session.decisions_json,
            rules=lambda: json.dumps(self._rules()),
            explain=self.session.explain_json,
            overview=self._overview,
        )
        return endpoint.serve(endpoint.parse_address(address), pages)

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command of the control socket.

        Parameters
        ----------
        command : dict
            ``op`` is status, decisions, rules, explain, umount or reload.

        Returns
        -------
        dict
            Plain JSON values.
        """
        match command.get("op"):
            case "status":
                return self._status()
            case "decisions":
                return {"ok": True, "decisions": json.loads(self.session.decisions_json())}
            case "rules":
                return {"ok": True, "rules": self._rules()}
            case "explain":
                found = self.session.explain_json(os.fsencode(str(command.get("path"))))
                return {"ok": True, "file": None if found is None else json.loads(found)}
            case "umount":
                return self._umount(lazy=bool(command.get("lazy")))
            case "reload":
                return self._reload()
            case _:
                return {"ok": False, "what": "unknown command"}

    def _status(self) -> dict[str, Any]:
        address = self.http.server_address if self.http else None
        return {
            "plan_sha256": self._plan_sha256(),
            "http": f"{address[0]!s}:{address[1]}" if address else None,
            "warden_pid": self.session.warden_pid,
            "facts": json.loads(self.session.job_json()) | self.surroundings.measured(),
            "stats": json.loads(self.session.stats_json()),
        }

    def _rules(self) -> dict[str, Any]:
        with self.swapping:
            found: dict[str, Any] = json.loads(self.session.rules_json())
            return {"plan_sha256": self._plan_sha256()} | found

    def _plan_sha256(self) -> str:
        return hashlib.sha256(self.plan_json.encode()).hexdigest()

    def _overview(self) -> str:
        head = {name: self.settings[name] for name in ("source", "mountpoint")}
        return overview.page(
            head,
            json.loads(self.session.stats_json()),
            self._rules(),
            json.loads(self.session.decisions_json()),
        )

    def _umount(self, *, lazy: bool) -> dict[str, Any]:
        try:
            self.session.unmount(lazy)
        except OSError as error:
            return {"ok": False, "errno": error.errno, "what": error.strerror}
        self.state.remove()
        os.kill(os.getpid(), UNMOUNTED)
        return {"ok": True}

    def _reload(self) -> dict[str, Any]:
        """Swap in the compiled recipe if it is another one now; a broken one leaves the old one in force."""
        try:
            plan_json = self.state.plan_path.read_text(encoding="utf-8")
            if plan_json == self.plan_json:
                return {"ok": True, "changed": False}
            with self.swapping:
                self.session.reload(plan_json)
                self.plan_json = plan_json
        except (OSError, ValueError, MloptError) as error:
            return {"ok": False, "what": str(error)}
        return {"ok": True, "changed": True}

    def serve(self) -> None:
        """Wait for signals until the mount is gone."""
        while self.session.is_served:
            news = signal.sigtimedwait(WAITED_FOR, LOOK_AROUND_S)
            number = news.si_signo if news else None
            if news is None and (facts := self.surroundings.refresh()) is not None:
                self.session.set_facts(json.dumps(facts))
            if number == signal.SIGHUP:
                sys.stderr.write(f"reload: {_in_words(self._reload())}\n")
                sys.stderr.flush()
            elif number in STOPPING:
                try:
                    self.session.unmount(False)
                except OSError:
                    self.session.unmount(True)  # busy: what is open stays readable until we end
                break
            elif number == UNMOUNTED:
                self._outlive_open_files()
                break
        self.answering.acquire(timeout=ANSWER_TIMEOUT_S)
        self.session.close()
        if self.state.live_pid() == os.getpid():
            self.state.remove()

    def _outlive_open_files(self) -> None:
        """After a lazy unmount: open files stay readable until the last is closed."""
        while self.session.is_served:
            news = signal.sigtimedwait(STOPPING, LOOK_AROUND_S)
            if news is not None:
                return


def _in_words(outcome: dict[str, Any]) -> str:
    if not outcome["ok"]:
        return f"the plan in force stays: {outcome['what']}"
    if outcome["changed"]:
        return "the new plan is in force"
    return "plan.json is the plan in force; a recipe is compiled into it when it is mounted, not here"


class _Control(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    server_daemon: Daemon


class _Command(socketserver.StreamRequestHandler):
    timeout = 5

    def handle(self) -> None:
        line = self.rfile.readline(COMMAND_BYTES)
        try:
            command = json.loads(line)
        except ValueError:
            command = {}
        server = self.server
        assert isinstance(server, _Control)  # noqa: S101 - narrows the type; nothing else makes handlers
        with server.server_daemon.answering:
            answer = server.server_daemon.answer(command if isinstance(command, dict) else {})
            self.wfile.write(json.dumps(answer).encode() + b"\n")


def _control(daemon: Daemon) -> _Control:
    with ShortPath(daemon.state.socket_path) as path:
        server = _Control(path, _Command)
    server.server_daemon = daemon
    daemon.state.socket_path.chmod(0o600)
    threading.Thread(target=server.serve_forever, name="control", daemon=True).start()
    return server


def main(arguments: list[str]) -> int:
    """Serve one mount.

    Parameters
    ----------
    arguments : list of str
        The state directory and the descriptor to tell the outcome on.

    Returns
    -------
    int
        The exit code.
    """
    # Before any thread exists, so that all inherit it: signals are taken by the main thread alone.
    signal.pthread_sigmask(signal.SIG_BLOCK, WAITED_FOR)
    os.chdir("/")  # a folder that somebody wants to unmount must not be kept busy
    state, telling = MountState(Path(arguments[0])), int(arguments[1])
    os.set_inheritable(telling, False)
    try:
        (state.pid_path).write_text(f"{os.getpid()} {start_time(os.getpid())}", encoding="ascii")
        daemon = Daemon(state)
        _control(daemon)
    except (OSError, MloptError, KeyError) as error:
        number = error.errno if isinstance(error, OSError) else None
        what = (error.strerror if isinstance(error, OSError) else None) or str(error)
        os.write(telling, json.dumps({"ok": False, "errno": number, "what": what}).encode() + b"\n")
        return 1
    os.write(telling, b'{"ok": true}\n')
    os.close(telling)
    daemon.serve()
    # A fetch thread may hang in the source for ever; it must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
