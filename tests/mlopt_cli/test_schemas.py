"""The JSON that commands print has the shape that is published: real runs of every command, checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from recorded_job import Ask, Job

import recipes
from mlopt_cli import output
from mlopt_cli.commands import demo as demo_command
from mlopt_cli.demo.data import DataSpec
from mlopt_cli.main import COMMANDS, WRAPPERS, main
from mlopt_cli.schemas import published, schema_of
from mlopt_cli.workflows import demo

LIBRARY = Path(recipes.__file__).parent / "library"
# Command lines that end well; places are put in for {data}, {trace} and {tmp}.
LINES: tuple[str, ...] = (
    "report {trace}",
    "simulate {trace} -r lru -r default --memory 0.5 --memory 2M --storage nfs --cpus 2",
    "simulate {trace}",
    "simulate {trace} -r lru --set debug=true --memory 0.5 --storage nfs",
    "learn {trace} -o {tmp}/tuned.yaml --storage s3",
    "learn {trace} -o {tmp}/tuned.yaml --storage s3 -r lru --assume-epochs 6 --memory 1M --seed 3",
    "test-rules {data} --limit 3",
    "test-rules {data} -r shuffled-images",
    "test-rules {data}/train/001.bin --source {data} -r stream-once",
    "validate default lru",
    "validate default lru --strict",
    "plugins",
    "plugins check",
    "plugins show pytorch --tree {data} --fact system.gpu_count=8",
    "explain",
    "recipe diff lru default --exit-code",
    "recipe diff default default",
    "recipe diff default lru --trace {trace} --memory 0.5 --memory 1M --storage nfs --source {data}",
    f"recipe fmt --check {LIBRARY}",
    "recipe init {data} -o -",
    "recipe schema",
    "recipe schema --path",
    "explain MLO103",
    "explain lru",
    "explain facts",
    "explain {data}/train/001.bin -r shuffled-images --source {data} --fact system.gpu_count=8",
    "explain train-images -r shuffled-images",
    "validate lru --set debug=true",
    "config show -r lru --set seed=3",
    "config validate -r lru",
    "test-rules {data} -r lru --set max_concurrent_rules=2",
    "replay {trace} {data}",
    "replay {trace} {data} --speed max",
    "doctor",
    "status",
    "schema",
    "schema simulate",
)
# In this order, on a mount in front of an emulator.
MOUNT_LINES: tuple[str, ...] = (
    "emulate {data} {tmp}/slow --latency 100us --bandwidth unlimited",
    "mount {tmp}/slow {tmp}/fast -r lru --memory 64MiB --http 127.0.0.1:0 --set debug=true",
    "status",
    "status {tmp}/fast",
    "status {tmp}/fast --decisions --rules",
    "status {tmp}/fast --file index.json",
    "status {tmp}/slow",
    "umount {tmp}/fast",
    "umount {tmp}/slow",
)
# Whole loops, seconds each.
SLOW_LINES: tuple[str, ...] = (
    "probe {data} -o {tmp}/storage.json --fuse",
    "verify {trace} --source {data} -r lru --memory 64MiB --storage nfs",
    "verify {trace} --source {data} -r lru --memory 64MiB --storage nfs -- {job}",
)


def check(command: str, answer: dict[str, Any]) -> None:
    """Fail with every place where an answer differs from the published shape."""
    problems = Draft202012Validator(schema_of(command)).iter_errors(answer)
    assert [f"{'/'.join(map(str, each.absolute_path))}: {each.message[:300]}" for each in problems] == []


def only_here(answer: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Leave out mounts that others made on this machine, maybe with another version of mlopt."""
    mounts = answer["result"].get("mounts")
    if mounts is not None:
        answer["result"]["mounts"] = [
            each for each in mounts if str(each["mountpoint"]).startswith(str(folder))
        ]
    return answer


def words_of(line: str, job: Job, tmp_path: Path) -> list[str]:
    """Put paths into a line of a table."""
    places = {"data": job.data, "trace": job.trace, "tmp": tmp_path, "job": "\0"}
    words = [word.format_map(places) for word in line.split()]
    return [each for word in words for each in (job.command() if word == "\0" else [word])]


def test_every_command_that_prints_json_has_a_schema_and_a_line_here() -> None:
    commands = {command.name for command in COMMANDS} - WRAPPERS
    assert set(published()) == commands
    tried = {line.split()[0] for line in (*LINES, *MOUNT_LINES, *SLOW_LINES)}
    assert tried | {"demo"} == commands


@pytest.mark.parametrize("command", published())
def test_schemas_are_valid_closed_and_self_contained(command: str) -> None:
    schema = schema_of(command)
    Draft202012Validator.check_schema(schema)
    text = json.dumps(schema)
    assert '"$ref": "#/$defs/' in text
    own = [schema["else"]["properties"][part] for part in ("inputs", "result")]
    assert [part.get("additionalProperties") for part in own] == [False, False]
    assert "{}" not in json.dumps(own[1]["properties"]), "a value without any shape"


@pytest.mark.strace
@pytest.mark.parametrize("line", LINES)
def test_real_output_has_the_published_shape(line: str, job: Job, ask: Ask, tmp_path: Path) -> None:
    words = words_of(line, job, tmp_path)
    code, answer = ask(*words)
    assert "result" in answer, answer
    allowed = {"doctor": (0, 3), "status": (0, 1), "validate": (0, 1), "recipe": (0, 1)}
    assert code in allowed.get(words[0], (0,))
    check(words[0], only_here(answer, tmp_path))


@pytest.mark.strace
@pytest.mark.fuse
def test_mounts_print_the_published_shape(job: Job, ask: Ask, tmp_path: Path) -> None:
    for name in ("slow", "fast"):
        (tmp_path / name).mkdir()
    try:
        for line in MOUNT_LINES:
            words = words_of(line, job, tmp_path)
            code, answer = ask(*words)
            # without a mountpoint all mounts of this user are shown, and one of them may be dead
            assert code == 0 or (line == "status" and code == 1), answer
            check(words[0], only_here(answer, tmp_path))
            assert line != "status" or len(answer["result"]["mounts"]) == 2
            if line == "status {tmp}/fast":
                assert answer["result"]["mounts"][0]["stats"]["budget_bytes"] == 64 << 20
    finally:
        for name in ("fast", "slow"):
            main(["umount", str(tmp_path / name), "--lazy"])


@pytest.mark.strace
@pytest.mark.fuse
@pytest.mark.slow
@pytest.mark.parametrize("line", SLOW_LINES)
def test_output_of_whole_loops_has_the_published_shape(
    line: str, job: Job, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where costs of FUSE are kept
    words = words_of(line, job, tmp_path)
    code, answer = ask(*words)
    assert code == 0, answer
    check(words[0], answer)


@pytest.mark.strace
@pytest.mark.fuse
@pytest.mark.slow
def test_the_demo_on_less_data_has_the_published_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    spec = DataSpec(train=120, validation=10, statistics_bytes=4 << 20)
    options = demo.DemoOptions(tmp_path / "demo", lambda _text: None, lambda _text, _share: None, spec)
    result = demo.run(options)
    capfd.readouterr()
    report = output.Report("demo", {"keep": str(options.folder)}, demo_command.result_dict(result))
    output.emit(report, as_json=True, render=lambda _console: None)
    answer = json.loads(capfd.readouterr().out)
    check("demo", answer)
    assert {"source", "default"} <= {row["name"] for row in answer["result"]["rows"] if row["measured"]}


@pytest.mark.parametrize("command", published())
def test_failures_have_the_published_shape(command: str, ask: Ask) -> None:
    code, answer = ask(command, "--no-such-option")
    assert (code, answer["error"]["code"]) == (2, "usage")
    check(command, answer)


def test_a_schema_refuses_what_it_does_not_know(ask: Ask) -> None:
    _, answer = ask("validate", "default")
    check("validate", answer)
    answer["result"]["surprise"] = 1
    with pytest.raises(AssertionError, match="surprise"):
        check("validate", answer)


def test_what_schema_prints_is_a_schema(capfd: pytest.CaptureFixture[str], ask: Ask) -> None:
    assert main(["schema", "report"]) == 0
    assert json.loads(capfd.readouterr().out) == schema_of("report")
    code, answer = ask("schema", "record")
    assert (code, answer["error"]["where"], answer["error"]["value"]) == (2, "COMMAND", "'record'")
