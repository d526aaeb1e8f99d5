"""A command with the mount laid over its data."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from real_mounts import plan

from mlopt_engine import _native
from mlopt_engine.errors import InvalidInputError
from runtime import launcher
from runtime.launcher import RunOptions
from runtime.session import MountOptions

pytestmark = pytest.mark.fuse

READ_ALL = """
import os, sys
for folder, _, files in os.walk(sys.argv[1]):
    for name in files:
        open(os.path.join(folder, name), "rb").read()
"""


def test_command_sees_the_mount_and_nobody_else_does(source, tmp_path):
    seen = tmp_path / "seen"
    script = f"grep -c '{source} fuse.mlopt' /proc/self/mounts > {seen}; cksum {source}/large; exit 7"
    assert launcher.run(source, plan(), ["sh", "-c", script]) == 7
    assert int(seen.read_text()) == 1
    assert _native.mounted_at(source) is None


def test_a_recipe_that_fits_no_file_of_the_command_is_told(source, capfd):
    def rule(glob: str) -> dict[str, object]:
        condition = {"fact": "file.path", "op": "glob", "value": glob, "weight": 1.0, "required": False}
        origin = {"layer": "custom", "file": "t.yaml", "line": 1}
        action = {"type": "cache", "parameters": {"policy": "lru"}}
        return {
            "id": "r", "priority": 1, "order": 0, "match": "all",
            "origin": origin, "conditions": [condition], "actions": [action],
        }  # fmt: skip

    read = ["sh", "-c", f"cat {source}/folder/* >/dev/null"]
    assert launcher.run(source, plan(rules=[rule("elsewhere/**")]), read) == 0
    said = capfd.readouterr().err
    assert "no rule applied to any of the 20 files" in said
    assert str(source) in said
    for rules in ([rule("folder/**")], []):
        assert launcher.run(source, plan(rules=rules), read) == 0
        assert "no rule" not in capfd.readouterr().err


def test_working_directory_below_the_source_lies_below_the_mount(source, tmp_path, monkeypatch):
    monkeypatch.chdir(source / "folder")
    names = tmp_path / "names"
    assert (
        launcher.run(source, plan(), ["sh", "-c", f"stat -f -c %T . > {names}; ls | wc -l >> {names}"]) == 0
    )
    kind, count = names.read_text().split()
    assert "fuse" in kind
    assert int(count) == 20


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 125"], 125),
        (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM),
        (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
        (["/nonexistent/command"], 127),
        (["/etc/hostname"], 126),
    ],
    ids=["success", "its own 125", "ended by SIGTERM", "ended by SIGKILL", "not found", "not executable"],
)
def test_exit_code_is_the_commands(source, command, code):
    assert launcher.run(source, plan(), command) == code


def test_signals_reach_the_command_and_leave_nothing_behind(source, tmp_path):
    ready = tmp_path / "ready"
    runner = (
        "import sys; from runtime import launcher;"
        "sys.exit(launcher.run(sys.argv[1], sys.argv[2], ['sh', '-c', sys.argv[3]]))"
    )
    script = f"trap 'exit 9' TERM; touch {ready}; while :; do sleep 0.05; done"
    process = subprocess.Popen([sys.executable, "-c", runner, str(source), plan(), script])
    deadline = time.monotonic() + 20
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 9
    assert _native.mounted_at(source) is None


def test_statistics_tell_what_the_mount_did_and_the_shim_saves_messages(source, tmp_path):
    counts = []
    for preload in (False, True):
        stats = tmp_path / f"stats{preload}"
        options = RunOptions(stats_file=stats, preload_isatty=preload)
        assert launcher.run(source, plan(), [sys.executable, "-c", READ_ALL, str(source)], options) == 0
        counts.append(json.loads(Path(stats).read_text()))
    without, shimmed = counts
    assert without["read_messages"] > 20
    assert without["ioctl_messages"] >= 20 or sys.version_info >= (3, 14)
    assert shimmed["ioctl_messages"] == 0


def test_empty_command_and_missing_source_are_named(source, tmp_path):
    with pytest.raises(InvalidInputError, match="command"):
        launcher.run(source, plan(), [])
    with pytest.raises(InvalidInputError, match="source"):
        launcher.run(tmp_path / "missing", plan(), ["true"])


def test_environment_and_streams_are_the_commands(source, capfd):
    environment = dict(os.environ) | {"MLOPT_TEST_WORD": "seen"}
    options = RunOptions(environment=environment)
    assert launcher.run(source, plan(), ["sh", "-c", "echo $MLOPT_TEST_WORD; echo err >&2"], options) == 0
    out, err = capfd.readouterr()
    assert (out, err) == ("seen\n", "err\n")


def test_the_rules_of_a_run_know_the_job(source, tmp_path):
    condition = {"weight": 1.0, "required": False}
    rule = {
        "id": "training", "priority": 1, "order": 0, "match": "all",
        "origin": {"layer": "custom", "file": "t", "line": 1},
        "conditions": [
            condition | {"fact": "workload.type", "op": "equals", "value": "training"},
            condition | {"fact": "workload.world_size", "op": "equals", "value": 4},
            condition | {"fact": "system.gpu_count", "op": "equals", "value": 77},
        ],
        "actions": [{"type": "cache", "parameters": {"policy": "lru"}}],
    }  # fmt: skip
    script = tmp_path / "train.py"
    # the reads at the end come when the job was looked at: after 1 s, and again 2 s later
    script.write_text(f"import time\ntime.sleep(4)\nopen({str(source / 'large')!r}, 'rb').read()\n")
    journal, counted = tmp_path / "journal", tmp_path / "stats.json"
    options = RunOptions(
        mount=MountOptions(journal=journal, facts={"system.gpu_count": 77}),
        stats_file=counted,
        environment=os.environ | {"RANK": "1", "WORLD_SIZE": "4"},
    )
    assert launcher.run(source, plan(rules=[rule]), [sys.executable, str(script)], options) == 0
    told = [
        json.loads(line)["event"]["facts"]
        for line in journal.read_text().splitlines()[1:]
        if '"facts_changed"' in line
    ]
    assert "workload.type" not in told[0]
    assert told[0]["system.total_memory"] > 0
    assert (told[-1]["workload.type"], told[-1]["workload.rank"], told[-1]["system.gpu_count"]) == (
        "training",
        1,
        77,
    )
    assert json.loads(counted.read_text())["core"]["admitted"]["count"] > 0
    events, difference = _native.replay_journal(journal)
    assert events > len(told)
    assert difference is None
