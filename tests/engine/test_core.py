"""The core from Python: what it lists, its borders, its journal, and what its sources must not name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import recipes
from mlopt_engine import Core, MloptError, registry, replay_journal

SOURCES = Path(__file__).parents[2] / "engine" / "core" / "src"
FILE_BYTES = 100_000


def seen(file: int) -> str:
    """A file became known."""
    facts = {
        "path": list(f"train/{file}.jpg".encode()),
        "size": FILE_BYTES,
        "mtime_ns": 0,
        "version": 1,
    }
    return json.dumps({"event": "seen", "file": file, "facts": facts})


def read(ticket: int, file: int) -> str:
    """A whole file is read."""
    extent = {"file": file, "offset": 0, "length": FILE_BYTES}
    return json.dumps({"event": "read", "ticket": ticket, "extent": extent, "reader": 1})


def answer(effect: dict[str, Any]) -> str | None:
    """What an ideal driver says to an effect."""
    match effect["effect"]:
        case "fetch":
            return json.dumps(
                {"event": "fetch_done", "id": effect["id"], "bytes": effect["extent"]["length"]}
            )
        case "drop_kernel":
            return json.dumps({"event": "dropped", "extent": effect["extent"]})
        case "fill":
            return json.dumps({"event": "filled", "extent": effect["extent"]})
    return None


def plan() -> str:
    """Everything pinned in 4 MB."""
    return recipes.compile_plan(recipes.load("pin-all"), memory_bytes=4_000_000).json


def journal(core: Core, events: list[str]) -> list[dict[str, Any]]:
    """Drive a core and write down what it did."""
    entries: list[dict[str, Any]] = []
    pending = list(events)
    while pending:
        event = pending.pop(0)
        core.handle(event, len(entries))
        effects = [json.loads(effect) for effect in core.effects()]
        entries.append(
            {"seq": len(entries), "now": len(entries), "event": json.loads(event), "effects": effects}
        )
        answers = [answer(effect) for effect in effects]
        pending = [text for text in answers if text is not None] + pending
    return entries


def driven() -> tuple[Core, list[dict[str, Any]]]:
    """A core after 20 files were read."""
    core = Core(plan())
    events = [seen(file) for file in range(20)] + [read(file, file) for file in range(20)]
    return core, journal(core, events)


def written(entries: list[dict[str, Any]], path: Path, cut: int = 0) -> Path:
    """A journal's file, without its last bytes."""
    text = "\n".join([plan(), *map(json.dumps, entries)]) + "\n"
    path.write_text(text[: len(text) - cut])
    return path


def test_what_was_read_is_held_in_the_kernel() -> None:
    core, _ = driven()
    held = core.held()
    assert {row["tier"] for row in held} == {"kernel"}
    assert core.stats()["fetched_demand"] == {"count": 20, "bytes": 20 * FILE_BYTES}
    assert len(held) == core.stats()["silent_blocks"] == 20


def test_a_journal_replays_without_a_difference(tmp_path: Path) -> None:
    _, entries = driven()
    assert replay_journal(written(entries, tmp_path / "journal")) == (len(entries), None)


def test_a_changed_journal_is_found(tmp_path: Path) -> None:
    _, entries = driven()
    position = next(entry["seq"] for entry in entries if entry["effects"])
    entries[position]["effects"].pop()
    count, divergence = replay_journal(written(entries, tmp_path / "journal"))
    assert count == position + 1
    assert divergence is not None
    difference = json.loads(divergence)
    assert difference["seq"] == position
    assert len(difference["replayed"]) == len(difference["recorded"]) + 1


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    _, entries = driven()
    assert replay_journal(written(entries, tmp_path / "journal", cut=20)) == (len(entries) - 1, None)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ('{"event": "dance"}', "event: unknown variant `dance`"),
        (read(1, 7), "unknown file 7"),
        (seen(3), "unknown next file id 3"),
    ],
)
def test_what_a_driver_may_not_say_is_refused(event: str, message: str) -> None:
    with pytest.raises(MloptError, match=re.escape(message)):
        Core(plan()).handle(event, 0)


def test_time_never_goes_back() -> None:
    core = Core(plan())
    core.handle(seen(0), 5)
    with pytest.raises(MloptError, match="time went backwards"):
        core.handle(seen(1), 4)


def test_the_registry_describes_what_there_is() -> None:
    listed = registry()
    assert {entry["name"] for entry in listed["policies"]} >= {"pinned", "fifo", "lru", "belady"}
    assert {entry["name"] for entry in listed["prefetchers"]} >= {"epoch_set", "sequential", "sequence"}
    for entry in listed["policies"] + listed["prefetchers"]:
        assert entry["summary"].endswith("."), entry
        assert entry["needs"] in {"misses", "opens", "reads"}, entry
    for entry in listed["actions"]:
        assert entry["enforced"] == (entry["not_enforced"] is None), entry
        for parameter in entry["parameters"]:
            assert parameter["summary"].endswith("."), parameter
            assert (parameter["kind"] == "word") == (parameter["words"] is not None), parameter
    assert len(listed["facts"]) > 3
    assert {"equals", "less_than", "glob"} <= {entry["name"] for entry in listed["operators"]}


def test_the_core_names_no_clock_and_no_device() -> None:
    sources = sorted(SOURCES.rglob("*.rs"))
    assert len(sources) > 20
    outside = re.compile(r"std::(time|fs|thread|env|net|process|io)\b|SystemTime|Instant::")
    found = [path.name for path in sources if outside.search(path.read_text())]
    assert found == []
