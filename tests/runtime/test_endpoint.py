"""The mount's pages over HTTP."""

from __future__ import annotations

import http.client
import json

import pytest
from real_mounts import Mounts, plan, wait_until

from mlopt_engine.errors import InvalidInputError
from runtime import endpoint, session
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
        prometheus=lambda: "mlopt_fills_total 3\n",
        as_json=lambda: '{"fills": 3}',
        is_healthy=lambda: True,
        decisions=lambda: "null",
        rules=lambda: '{"rules": []}',
        explain=lambda path: json.dumps(path.hex()) if path != b"unknown" else None,
        overview=lambda: "<!doctype html>",
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
    assert ask(address, "/ml/rules")[::2] == (200, '{"rules": []}\n')
    assert ask(address, "/") == (200, "text/html; charset=utf-8", "<!doctype html>")
    assert ask(address, "/ml")[0] == 404
    assert ask(address, "/../etc/passwd")[0] == 404


def test_other_methods_and_foreign_host_names_are_refused(address):
    assert ask(address, "/ml/metrics", method="POST")[0] == 501
    assert ask(address, "/ml/metrics", Host="evil.example:80")[0] == 403
    assert ask(address, "/healthz", method="HEAD")[::2] == (200, "")


def test_no_page_may_be_framed_kept_or_load_anything(address):
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("GET", "/")
    headers = connection.getresponse().headers
    connection.close()
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_a_file_is_asked_for_by_its_path_below_the_source(address):
    status, kind, text = ask(address, "/ml/explain?path=a%20b/%FF.bin")
    assert (status, kind, bytes.fromhex(json.loads(text))) == (200, "application/json", b"a b/\xff.bin")
    status, _, text = ask(address, "/ml/explain?path=unknown")
    assert (status, "list its folder" in text) == (404, True)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?path=",
        "?path=/etc/passwd",
        "?path=..",
        "?path=../x",
        "?path=a/../../x",
        "?path=a/%2e%2e/x",
        "?path=%2Fetc",
        "?path=./a",
        "?path=a//b",
        "?path=a%00b",
        "?path=a&path=b",
        "?path=" + "x" * 5000,
        "?" + "a=1&" * 20,
    ],
)
def test_a_path_that_could_lead_out_of_the_source_is_refused(address, query):
    status, kind, text = ask(address, "/ml/explain" + query)
    assert (status, kind) == (400, "text/plain; charset=utf-8")
    assert text.strip()


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


RULE = {
    "id": "<b>files</b>",
    "priority": 50,
    "order": 0,
    "match": "all",
    "origin": {"layer": "custom", "file": "t.yaml", "line": 3},
    "conditions": [
        {"fact": "file.path", "op": "glob", "value": "folder/**", "weight": 1.0, "required": False}
    ],
    "actions": [{"type": "cache", "parameters": {"policy": "lru"}}],
}


@pytest.mark.fuse
def test_rules_in_force_tell_where_they_are_from_and_what_came_of_them(source, mounts: Mounts):
    compiled = json.loads(plan(kernel_share=0.0, rules=[RULE])) | {"debug": True}
    mount = mounts(source, json.dumps(compiled), MountOptions(http="127.0.0.1:0"))
    files = sorted((mount.mountpoint / "folder").iterdir())

    def is_read_from_memory() -> bool:  # a copy that the kernel has not dropped yet is read without a word
        for file in files:
            file.read_bytes()
        (rule,) = session.rules(mount.mountpoint)["rules"]
        return rule["now"]["served"]["resident"]["count"] > 0

    wait_until(is_read_from_memory)
    (mount.mountpoint / "large").read_bytes()
    address = mount.status()["http"]
    found = json.loads(ask(address, "/ml/rules")[2])
    assert found == session.rules(mount.mountpoint)
    assert found["plan_sha256"] == mount.status()["plan_sha256"]
    (rule,) = found["rules"]
    assert {key: rule[key] for key in RULE} == RULE
    assert (rule["now"]["files"], rule["now"]["bytes"]) == (20, 20 * 110_000)
    assert rule["now"]["fetched"]["demand"] == {"count": 20, "bytes": 20 * 110_000}
    assert found["no_rule"]["fetched"]["demand"]["bytes"] == (source / "large").stat().st_size
    html = ask(address, "/")[2]
    assert "&lt;b&gt;files&lt;/b&gt;" in html
    assert "<b>" not in html
    assert "t.yaml:3" in html
    assert "folder/file00" in html  # of the latest decisions
    assert "folder" not in ask(address, "/ml/metrics")[2]


@pytest.mark.fuse
def test_a_file_of_a_mount_is_explained_by_what_is_known_of_it_now(source, mounts: Mounts, tmp_path):
    (tmp_path / "secret").write_text("outside")
    (source / "link").symlink_to(tmp_path / "secret")
    (source / "away").symlink_to(tmp_path)
    mount = mounts(
        source,
        plan(kernel_share=0.0, rules=[RULE]),
        MountOptions(http="127.0.0.1:0", facts={"system.gpu_count": 8}),
    )
    address = mount.status()["http"]
    assert ask(address, "/ml/explain?path=folder/file03")[0] == 404
    (mount.mountpoint / "folder" / "file03").read_bytes()
    list(mount.mountpoint.iterdir())
    status, kind, text = ask(address, "/ml/explain?path=folder/file03")
    found = json.loads(text)
    assert (status, kind) == (200, "application/json")
    assert found == session.explain(mount.mountpoint, "folder/file03")
    assert (found["kind"], found["size"], found["daemon_bytes"]) == ("file", 110_000, 110_000)
    assert found["facts"]["system.gpu_count"] == 8
    assert found["rules"][0]["conditions"][0]["actual"] == "folder/file03"
    assert found["action"]["cache"]["policy"] == "lru"
    assert found["origin"]["cache.policy"] == RULE["id"]
    link = json.loads(ask(address, "/ml/explain?path=link")[2])
    assert (link["kind"], link["size"], link["rules"]) == ("symlink", None, [])
    for nowhere in ("away/secret", "folder", "missing"):
        assert ask(address, f"/ml/explain?path={nowhere}")[0] == 404, nowhere
    assert session.explain(mount.mountpoint, "folder/file07")["size"] == 110_000  # looked up for us
    for nowhere in ("../secret", "/etc/passwd", "away/secret", "folder", "a\0b"):
        with pytest.raises(InvalidInputError, match="the mount has no such file"):
            session.explain(mount.mountpoint, nowhere)
