"""``mlopt recipe diff --trace``: what a change would do to the recorded job, in files, bytes and seconds."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest
from recorded_job import FILE_BYTES, FILES, Ask, Job

import recipes
from mlopt_cli.main import main
from mlopt_cli.workflows.changed_recipe import Effect, Shift, sentence, treatment_words
from mlopt_cli.workflows.simulation_inputs import job_of
from simulator.fuse_costs import FuseCosts
from simulator.replay import simulate
from simulator.scenario import Scenario
from simulator.storage import named

HEAD = 'version: "1"\nname: t\n'
STREAM = HEAD + (
    "rules:\n"
    "- id: bins\n"
    "  conditions: [{type: file_context, property: extension, operator: equals, value: bin}]\n"
    "  actions: [{type: stream, parameters: {}}]\n"
)
PIN = STREAM.replace("{type: stream, parameters: {}}", "{type: cache, parameters: {policy: pinned}}")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(STREAM)
    new.write_text(PIN)
    return str(old), str(new)


def test_a_pinned_class_saves_time_and_source_bytes(job: Job, ask: Ask, pair: tuple[str, str]) -> None:
    words = ("--trace", str(job.trace), "--memory", "1.0", "--storage", "nfs")
    code, answer = ask("recipe", "diff", *pair, *words, "--exit-code")
    result = answer["result"]
    assert code == 1
    assert result["treatments"] == [
        {
            "rule": "bins",
            "before": "streamed",
            "after": "pinned",
            "files": FILES,
            "bytes": FILES * FILE_BYTES,
            "read_bytes": 4 * FILES * FILE_BYTES,
        }
    ]
    (effect,) = result["effects"]
    assert effect["verdict"] == "saves"
    assert effect["saved_ratio"] > effect["spread_ratio"] >= 0
    assert effect["new"]["hit_ratio"]["by_reads"] > effect["old"]["hit_ratio"]["by_reads"]
    assert sum(effect["new"]["source_bytes"][1:]) < sum(effect["old"]["source_bytes"][1:])
    assert result["sentence"].startswith("NEW saves ")
    assert result["sentence"].endswith(f"{FILES} files (1.4 MiB) are pinned instead of streamed.")


def test_the_way_back_costs_what_the_change_saves(job: Job, ask: Ask, pair: tuple[str, str]) -> None:
    words = ("--trace", str(job.trace), "--memory", "1.0", "--storage", "nfs")
    there = ask("recipe", "diff", *pair, *words)[1]["result"]["effects"][0]
    back = ask("recipe", "diff", *reversed(pair), *words)[1]["result"]["effects"][0]
    assert back["verdict"] == "costs"
    assert (back["old"], back["new"]) == (there["new"], there["old"])


def test_the_times_are_those_of_the_simulator(job: Job, ask: Ask, pair: tuple[str, str]) -> None:
    code, answer = ask(
        "recipe", "diff", *pair, "--trace", str(job.trace), "--memory", "1M", "--storage", "s3"
    )
    scenario = Scenario(
        workload=job_of(job.trace),
        plan_json=recipes.compile_plan(recipes.load(pair[1]), memory_bytes=1 << 20).json,
        baseline=None,
        storage=named("s3"),
        fuse=FuseCosts.load_or_default(),
        memory_bytes=1 << 20,
        cpus=len(os.sched_getaffinity(0)),
    )
    assert code == 0
    assert answer["result"]["effects"][0]["new"]["epoch_s"] == simulate(scenario).epoch_s


def test_source_counts_files_that_the_job_did_not_read(job: Job, ask: Ask, pair: tuple[str, str]) -> None:
    unread = job.data / "train" / "unread" / "x.bin"
    unread.parent.mkdir()
    unread.write_bytes(b"x" * 100)
    try:
        words = ("--trace", str(job.trace), "--storage", "nfs", "--source", str(job.data))
        (moved,) = ask("recipe", "diff", *pair, *words)[1]["result"]["treatments"]
    finally:
        unread.unlink()
        unread.parent.rmdir()
    assert (moved["files"], moved["bytes"]) == (FILES + 1, FILES * FILE_BYTES + 100)
    assert moved["read_bytes"] == 4 * FILES * FILE_BYTES


def test_for_people_it_ends_with_the_verdict(
    job: Job, pair: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipe", "diff", *pair, "--trace", str(job.trace), "--storage", "nfs"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "~ rule bins"
    assert any(line.split()[:2] == ["bins", str(FILES)] for line in lines)
    assert sum("OLD" in line for line in lines) == sum(" NEW " in line for line in lines) == 1
    assert lines[-1].startswith("NEW ")


def test_equal_recipes_make_no_difference_and_cost_no_simulation(job: Job, ask: Ask) -> None:
    code, answer = ask("recipe", "diff", "lru", "lru", "--trace", str(job.trace), "--exit-code")
    result = answer["result"]
    assert (code, result["differ"], result["effects"], result["treatments"]) == (0, False, [], [])
    assert result["sentence"] == "No difference: both recipes do the same to this job."


def test_a_text_that_changes_no_treatment_is_told(job: Job, ask: Ask, pair: tuple[str, str]) -> None:
    Path(pair[1]).write_text(STREAM.replace("- id: bins", "- id: bins\n  description: other words"))
    _, answer = ask("recipe", "diff", *pair, "--trace", str(job.trace), "--storage", "nfs")
    assert answer["result"]["differ"]
    assert answer["result"]["treatments"] == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--memory", "1G"], 2, "--memory"),
        (["--storage", "nfs"], 2, "--storage"),
        (["--source", "."], 2, "--source"),
        (["--trace", "{trace}", "--source", "/no/such"], 2, "--source"),
        (["--trace", "{trace}", "--storage", "nsf"], 2, "nsf"),
        (["--trace", "{trace}", "--memory", "much"], 2, "--memory"),
        (["--trace", "/no/such.duckdb"], None, "/no/such.duckdb"),
    ],
)
def test_bad_input_is_named(
    words: list[str],
    code: int | None,
    said: str,
    job: Job,
    pair: tuple[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    got = main(["recipe", "diff", *pair, *(word.replace("{trace}", str(job.trace)) for word in words)])
    err = capfd.readouterr().err
    assert got == code if code is not None else got > 1
    assert said in err
    assert "Traceback" not in err


def test_a_trace_without_reads_is_refused(
    job: Job, pair: tuple[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.duckdb"
    empty.write_bytes(job.trace.read_bytes())
    with duckdb.connect(str(empty)) as connection:
        connection.execute("DELETE FROM access")
    assert main(["recipe", "diff", *pair, "--trace", str(empty)]) == 1
    assert "the trace holds no read" in capfd.readouterr().err


def test_what_the_seeds_cannot_tell_is_no_difference() -> None:
    outcome = object()
    effect = Effect(1, outcome, outcome, saved_ratio=0.02, spread_ratio=0.03)  # type: ignore[arg-type]
    assert effect.word is None
    moved = [Shift("a", "streamed", "pinned", 1, 5, 5), Shift("b", "streamed", "pinned", 2, 5, 5)]
    assert sentence(moved, [effect], str) == (
        "NEW makes no difference in time beyond the spread of ±3.0%: "
        "3 files (10) are pinned instead of streamed."
    )


def test_a_share_is_part_of_a_treatments_name() -> None:
    cache = {"policy": "pinned", "share": 0.4}
    action = {"cache": cache, "prefetch": {"mode": "epoch_set"}, "stream": None}
    assert treatment_words(action) == "pinned up to 40% of memory, fetched ahead (epoch_set)"
