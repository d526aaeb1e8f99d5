"""The mount's page for people."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from runtime import overview

AMOUNT = {"count": 2, "bytes": 2048}
NOW = {
    "files": 3,
    "bytes": 3 << 20,
    "served": dict.fromkeys(("source", "resident", "prefetched", "late"), AMOUNT),
    "fetched": dict.fromkeys(("demand", "prefetch", "refill"), AMOUNT),
}
EVIL = "</style><script>alert(1)</script>\"'&"


def rules() -> dict[str, Any]:
    """One rule with markup wherever a recipe can put text."""
    return {
        "plan_sha256": "0" * 64,
        "max_rules": 5,
        "no_rule": NOW,
        "rules": [
            {
                "id": EVIL,
                "origin": {"layer": EVIL, "file": EVIL, "line": 1},
                "conditions": [{"fact": "file.path", "op": "glob", "value": EVIL}],
                "actions": [{"type": "cache", "parameters": {"policy": EVIL}}],
                "now": NOW,
            }
        ],
    }


def stats(**more: int) -> dict[str, Any]:
    """Counters of a mount that did nothing."""
    names = ("source", "resident", "prefetched", "late")
    nothing = dict.fromkeys([f"served_{name}_reads" for name in names], 0)
    sizes = dict.fromkeys(
        ("source_read_bytes", "kernel_bytes", "daemon_bytes", "budget_bytes", "failed_reads"), 0
    )
    return nothing | sizes | {"core": {"estimated_silent_hits": None}} | more


class Seen(HTMLParser):
    """What a browser would make of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def written(decisions: Any = None, **more: int) -> str:
    head = {"source": EVIL, "mountpoint": EVIL}
    return overview.page(head, stats(**more), rules(), decisions)


def test_what_recipes_and_names_say_is_text_wherever_it_stands() -> None:
    note = {"path": EVIL, "rules": [{"id": EVIL, "score": 1}], "winners": {EVIL: EVIL}}
    text = written({"made": 1, "kept": [note]})
    seen = Seen(text)
    assert "script" not in seen.tags
    assert seen.tags.count("style") == 1
    assert "alert(1)" in text


def test_the_page_loads_nothing_and_its_policy_allows_its_own_style_only() -> None:
    text = written()
    seen = Seen(text)
    assert {"link", "img", "iframe", "script"} & set(seen.tags) == set()
    targets = [value or "" for name, value in seen.attributes if name in {"href", "src", "action"}]
    assert targets
    assert all(target.startswith("/ml/") for target in targets)
    assert not [name for name, _ in seen.attributes if name == "style" or name.startswith("on")]
    assert re.search(r"<style>(.*?)</style>", text, re.S).group(1) == overview.STYLE  # type: ignore[union-attr]


def test_the_page_can_be_read_without_seeing_it() -> None:
    seen = Seen(written())
    assert ("lang", "en") in seen.attributes
    assert ("scope", "col") in seen.attributes
    assert ("scope", "row") in seen.attributes
    assert {"title", "main", "h1", "h2", "label"} <= set(seen.tags)
    named = {value for name, value in seen.attributes if name == "id"}
    assert {value for name, value in seen.attributes if name == "aria-labelledby"} <= named


def test_what_is_not_known_is_no_zero() -> None:
    assert written().count("<dd>unknown</dd>") == 2
    text = written(served_resident_reads=1, served_source_reads=3, source_read_bytes=3 << 20)
    assert "<dd>25.0%</dd>" in text
    assert "<dd>3.0 MiB</dd>" in text


def test_the_latest_decisions_come_first_and_are_bounded() -> None:
    kept = [{"path": f"file{number:03}", "rules": [], "winners": {}} for number in range(80)]
    text = written({"made": 900, "kept": kept})
    assert text.index("file079") < text.index("file030")
    assert "file029" not in text
    assert "50 of 900" in text
    assert "--set debug=true" in written()
