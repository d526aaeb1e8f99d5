"""The mount's pages over HTTP."""

from __future__ import annotations

import http.client
import json

import pytest
from real_mounts import Mounts, plan

from mlopt_engine.errors import InvalidInputError
from runtime import endpoint
from runtime.session import MountOptions


def ask(address: str, path: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers.get("Content-Type", ""), text


@pytest.fixture
def address():
    pages = endpoint.Pages(
        lambda: "mlopt_fills_total 3\n", lambda: '{"fills": 3}', lambda: True, lambda: "null"
    )
    server = endpoint.serve(("127.0.0.1", 0), pages)
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_pages_are_metrics_and_health_and_nothing_else(address):
    assert ask(address, "/healthz")[::2] == (200, '{"healthy": true}\n')
    assert ask(address, "/ml/metrics")[::2] == (200, "mlopt_fills_total 3\n")
    status, kind, text = ask(address, "/ml/metrics", Accept="application/json")
    assert (status, kind, json.loads(text)) == (200, "application/json", {"fills": 3})
    assert ask(address, "/ml/history") == (200, "application/json", "null\n")
    assert ask(address, "/")[0] == 404
    assert ask(address, "/../etc/passwd")[0] == 404


def test_other_methods_and_foreign_host_names_are_refused(address):
    assert ask(address, "/ml/metrics", method="POST")[0] == 501
    assert ask(address, "/ml/metrics", Host="evil.example:80")[0] == 403
    assert ask(address, "/healthz", method="HEAD")[::2] == (200, "")


@pytest.mark.parametrize(
    "text", ["0.0.0.0:9100", "192.168.0.1:80", "[::]:80", "9100", "localhost:x", ":70000"]
)
def test_addresses_off_loopback_are_refused(text):
    with pytest.raises(InvalidInputError):
        endpoint.parse_address(text)


@pytest.mark.fuse
def test_mount_serves_its_counters(source, mounts: Mounts):
    mount = mounts(source, plan(), MountOptions(http="127.0.0.1:0"))
    (mount.mountpoint / "large").read_bytes()
    address = mount.status()["http"]
    counters = json.loads(ask(address, "/ml/metrics", Accept="application/json")[2])
    assert counters["read_messages"] > 0
    assert counters["broken_promises"] == 0
    text = ask(address, "/ml/metrics")[2]
    assert f"mlopt_known_files {counters['known_files']}\n" in text
