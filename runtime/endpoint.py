"""The mount's pages over HTTP: GET on loopback only, no control; metrics name no file."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from mlopt_engine.errors import InvalidInputError
from runtime import overview

#: A scrape takes milliseconds; a client that sends nothing must not hold the one thread for long [s].
CLIENT_TIMEOUT_S = 5
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
#: What /ml/explain looks up at most, PATH_MAX of Linux [bytes].
LONGEST_PATH_BYTES = 4096
TEXT, JSON, HTML = "text/plain; charset=utf-8", "application/json", "text/html; charset=utf-8"
#: Nothing is loaded from anywhere, nobody may frame a page, and what it says is not kept.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


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
    rules : callable
        Returns the rules in force and what came of each, as JSON text.
    explain : callable
        Returns what happens to a file and why, as JSON text; None for what the mount has not shown yet.
    overview : callable
        Returns a page for people, HTML.
    """

    prometheus: Callable[[], str]
    as_json: Callable[[], str]
    is_healthy: Callable[[], bool]
    decisions: Callable[[], str]
    rules: Callable[[], str]
    explain: Callable[[bytes], str | None]
    overview: Callable[[], str]


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


def relative_path(query: str) -> bytes:
    """Read the path that ``/ml/explain`` is asked about.

    Parameters
    ----------
    query : str
        What follows the question mark of the URL.

    Returns
    -------
    bytes
        The path below the source, as its names are written.

    Raises
    ------
    InvalidInputError
        When there is not just one, or it could mean something outside of the source.
    """
    given = parse_qs(query, keep_blank_values=True, errors="surrogateescape", max_num_fields=8).get(
        "path", []
    )
    path = os.fsencode(given[0]) if len(given) == 1 else b""
    parts = path.split(b"/")
    if len(path) > LONGEST_PATH_BYTES or b"\0" in path or {b"", b".", b".."} & set(parts):
        raise InvalidInputError(
            "not a path below the source", where="path", do="Write /ml/explain?path=train/1.jpg"
        )
    return path


Answer = tuple[int, str, str]


def answer(pages: Pages, target: str, accept: str) -> Answer:
    """Find the answer to a GET.

    Parameters
    ----------
    pages : Pages
        What is served.
    target : str
        Path and query as the client wrote them.
    accept : str
        The kinds that the client likes.

    Returns
    -------
    tuple of (int, str, str)
        Status, media type and text.
    """
    url = urlsplit(target)
    match url.path:
        case "/":
            return 200, HTML, pages.overview()
        case "/healthz":
            healthy = pages.is_healthy()
            return (200 if healthy else 503), JSON, json.dumps({"healthy": healthy}) + "\n"
        case "/ml/metrics" if JSON in accept:
            return 200, JSON, pages.as_json() + "\n"
        case "/ml/metrics":
            return 200, "text/plain; version=0.0.4; charset=utf-8", pages.prometheus()
        case "/ml/history":
            return 200, JSON, pages.decisions() + "\n"
        case "/ml/rules":
            return 200, JSON, pages.rules() + "\n"
        case "/ml/explain":
            return _explained(pages, url.query)
    return 404, TEXT, "pages: / /ml/metrics /ml/rules /ml/history /ml/explain?path=FILE /healthz\n"


def _explained(pages: Pages, query: str) -> Answer:
    try:
        found = pages.explain(relative_path(query))
    except (InvalidInputError, ValueError) as error:
        return 400, TEXT, f"{error}\n"
    if found is None:
        return 404, TEXT, "this mount has shown no such file yet; list its folder, then ask again\n"
    return 200, JSON, found + "\n"


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
            for name, value in (HEADERS | {"Content-Security-Policy": overview.POLICY}).items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def _page(self) -> Answer:
            # A web page in the operator's browser can name any host that resolves to loopback.
            host = self.headers.get("Host", "")
            if host and host.rsplit(":", 1)[0].lower() not in LOOPBACK_NAMES:
                return 403, TEXT, "not served under this name\n"
            return answer(pages, self.path, self.headers.get("Accept", ""))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep scrapes out of the log."""

    server = HTTPServer(address, Handler)
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server
