"""The mount's pages over HTTP: GET on loopback only, no control, no file names."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from urllib.parse import urlsplit

from mlopt_engine.errors import InvalidInputError

#: A scrape takes milliseconds; a client that sends nothing must not hold the one thread for long [s].
CLIENT_TIMEOUT_S = 5
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True)
class Pages:
    """Where the texts come from.

    Attributes
    ----------
    prometheus : callable
        Returns the metrics as Prometheus text.
    as_json : callable
        Returns the metrics as JSON text.
    is_healthy : callable
        Whether the mount is served.
    decisions : callable
        Returns the trace of decisions as JSON text; ``null`` where the recipe asks for none.
    """

    prometheus: Callable[[], str]
    as_json: Callable[[], str]
    is_healthy: Callable[[], bool]
    decisions: Callable[[], str]


def parse_address(text: str) -> tuple[str, int]:
    """Read where to listen.

    Parameters
    ----------
    text : str
        ``127.0.0.1:9100``, ``localhost:9100``, or ``:9100``; port 0 lets the system choose.

    Returns
    -------
    tuple of (str, int)
        Address and port.

    Raises
    ------
    InvalidInputError
        When it is no address or not one of loopback.
    """
    host, separator, port = text.rpartition(":")
    host = {"": "127.0.0.1", "localhost": "127.0.0.1"}.get(host, host.strip("[]"))
    try:
        is_loopback = ip_address(host).is_loopback
        number = int(port)
    except ValueError:
        separator, is_loopback, number = "", False, -1
    if not separator or not 0 <= number <= 65535:
        raise InvalidInputError("not an address", where="--http", value=repr(text), do="Write 127.0.0.1:9100")
    if not is_loopback or ":" in host:
        raise InvalidInputError(
            "the metrics are served on loopback only",
            where="--http",
            value=text,
            do="Write 127.0.0.1:PORT and let a proxy of your own carry it further",
        )
    return host, number


def serve(address: tuple[str, int], pages: Pages) -> HTTPServer:
    """Serve the pages on a thread of their own.

    Parameters
    ----------
    address : tuple of (str, int)
        Where to listen.
    pages : Pages
        What to serve.

    Returns
    -------
    http.server.HTTPServer
        To read the port from and to shut down.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_TIMEOUT_S
        server_version = "mlopt"
        sys_version = ""

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            status, kind, text = self._page()
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def _page(self) -> tuple[int, str, str]:
            # A web page in the operator's browser can name any host that resolves to loopback.
            host = self.headers.get("Host", "")
            if host and host.rsplit(":", 1)[0] not in LOOPBACK_NAMES:
                return 403, "text/plain; charset=utf-8", "not served under this name\n"
            path = urlsplit(self.path).path
            if path == "/healthz":
                healthy = pages.is_healthy()
                return (200 if healthy else 503), "application/json", json.dumps({"healthy": healthy}) + "\n"
            if path == "/ml/metrics":
                if "application/json" in self.headers.get("Accept", ""):
                    return 200, "application/json", pages.as_json() + "\n"
                return 200, "text/plain; version=0.0.4; charset=utf-8", pages.prometheus()
            if path == "/ml/history":
                return 200, "application/json", pages.decisions() + "\n"
            return 404, "text/plain; charset=utf-8", "pages: /ml/metrics /ml/history /healthz\n"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep scrapes out of the log."""

    server = HTTPServer(address, Handler)
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server
