"""``mlopt test-rules`` as a process, on trees made for it."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from recorded_job import EPOCHS, FILE_BYTES, FILES, Ask, Job


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlopt_cli.main", "test-rules", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def result_of(*words: str) -> dict[str, Any]:
    done = run(*words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    envelope: dict[str, Any] = json.loads(done.stdout)
    return envelope


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "train" / "cat").mkdir(parents=True)
    for number in range(30):
        (root / "train" / "cat" / f"{number:02d}.JPG").write_bytes(b"x" * 100)
    with (root / "big.tar").open("wb") as stream:
        stream.truncate(300 << 20)
    (root / "link").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    Path(os.fsdecode(os.fsencode(root) + b"/bad\xff.log")).write_bytes(b"")
    return root


def test_each_file_has_its_rules_conditions_action_and_origin(tree: Path) -> None:
    result = result_of(str(tree), "-r", "shuffled-images")["result"]
    by_path = {entry["path"]: entry for entry in result["files"]}
    assert len(by_path) == 34
    image = by_path["train/cat/00.JPG"]
    assert image["facts"]["file.type"] == "dataset"
    assert image["facts"]["file.extension"] == "jpg"
    (rule,) = image["rules"]
    assert (rule["id"], rule["fires"], rule["score"]) == ("train-images", True, 1.0)
    assert [(each["fact"], each["verdict"], each["actual"]) for each in rule["conditions"]] == [
        ("file.path", "true", "train/cat/00.JPG"),
        ("file.size", "true", 100),
    ]
    assert image["action"]["cache"]["share"] == 0.6
    assert image["action"]["prefetch"]["mode"] == "epoch_set"
    assert image["origin"]["cache.share"] == "train-images"
    big = by_path["big.tar"]
    assert set(big["action"]) >= {"cache", "prefetch", "stream", "prioritize"}
    assert set(big["action"].values()) == {None}
    assert [condition["verdict"] for condition in big["rules"][0]["conditions"]] == ["false", "false"]


@pytest.mark.parametrize("files", [63, 64, 65, 128, 1000])
def test_folders_of_any_length_are_counted_whole(tmp_path: Path, files: int) -> None:
    # A thread takes 64 names of a folder at a time; folders among them must not cut the rest off.
    for number in range(files):
        (tmp_path / f"{number:04d}.jpg").touch()
        if number % 7 == 0:
            (tmp_path / f"{number:04d}").mkdir()
            (tmp_path / f"{number:04d}" / "below.bin").touch()
    totals = result_of(str(tmp_path))["result"]["totals"]
    assert (totals["files"], totals["unreadable"]) == (files + (files + 6) // 7, 0)


def test_rules_that_fit_nothing_are_told_with_the_root_that_they_see(tree: Path) -> None:
    warnings = {
        each["code"]: each["message"]
        for each in result_of(str(tree / "train"), "-r", "shuffled-images")["warnings"]
    }
    assert f"relative to {tree / 'train'}:" in warnings["nothing-matched"]
    codes = [each["code"] for each in result_of(str(tree), "-r", "shuffled-images")["warnings"]]
    assert "nothing-matched" not in codes


def test_links_and_special_files_are_shown_and_never_followed(tree: Path) -> None:
    result = result_of(str(tree))["result"]
    kinds = {entry["path"]: entry["kind"] for entry in result["files"]}
    assert (kinds["link"], kinds["pipe"]) == ("symlink", "special")
    assert not any(path.startswith("link/") for path in kinds)
    assert (result["totals"]["symlinks"], result["totals"]["special"], result["totals"]["files"]) == (
        1,
        1,
        32,
    )


def test_a_name_that_is_no_utf_8_is_shown_twice(tree: Path) -> None:
    entry = next(each for each in result_of(str(tree))["result"]["files"] if each["path"].startswith("bad"))
    assert bytes.fromhex(entry["path_hex"]) == b"bad\xff.log"
    assert entry["facts"]["file.type"] == "log"


def test_summary_counts_all_files_and_names_rules_that_never_apply(tree: Path) -> None:
    envelope = result_of(str(tree / "train"), "--limit", "2")
    summary = {row["rule"]: row for row in envelope["result"]["summary"]}
    assert (summary["keep-small-files"]["files"], summary["keep-small-files"]["bytes"]) == (30, 3000)
    assert summary["stream-large-files"]["never_applied"] is True
    assert len(envelope["result"]["files"]) == 2
    assert [warning["code"] for warning in envelope["warnings"]] == ["files-limited"]


def test_the_limit_is_shared_out_among_treatments(tree: Path) -> None:
    paths = [entry["path"] for entry in result_of(str(tree), "--limit", "4")["result"]["files"]]
    assert "big.tar" in paths
    assert len(paths) == 4


def test_a_single_file_is_seen_relative_to_its_source(tree: Path) -> None:
    image = str(tree / "train" / "cat" / "00.JPG")
    alone = result_of(image, "-r", "shuffled-images")["result"]["files"]
    assert [(entry["path"], entry["action"]["cache"]) for entry in alone] == [("00.JPG", None)]
    placed = result_of(image, "--source", str(tree), "-r", "shuffled-images")["result"]["files"]
    assert [entry["path"] for entry in placed] == ["train/cat/00.JPG"]
    assert placed[0]["action"]["cache"]["policy"] == "pinned"
    part = result_of(str(tree / "train"), "--source", str(tree))["result"]["files"]
    assert {entry["path"].split("/")[0] for entry in part} == {"train"}


def test_people_see_conditions_verdicts_and_a_summary(tree: Path) -> None:
    done = run(str(tree), "-r", "shuffled-images")
    assert done.returncode == 0
    assert '+ file.path glob "train/**"   is "train/cat/00.JPG" (weight 1)' in done.stdout
    assert "train-images: applies, score 1.000, match all" in done.stdout
    assert "share=0.6 <train-images>" in done.stdout
    assert "streamed: neither kept nor fetched ahead" in done.stdout
    assert "20 of 34 files shown" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["{tree}/none"], "No such file or directory", id="missing path"),
        pytest.param(["{tree}", "-r", "lur"], "Did you mean 'lru'?", id="unknown recipe"),
        pytest.param(
            ["{tree}", "--source", "{tree}/train"], "is not below the source", id="outside the source"
        ),
        pytest.param(["{tree}", "--limit", "-1"], "--limit", id="negative limit"),
        pytest.param([], "nothing to judge", id="no path"),
        pytest.param(["{tree}", "--fact", "gpus"], "KEY=VALUE", id="fact without a value"),
        pytest.param(
            ["{tree}", "--fact", "workload.framwork=pytorch"], "'workload.framework'", id="misspelt fact"
        ),
        pytest.param(["{tree}", "--fact", "file.size=5"], "cannot be set", id="fact of each file"),
        pytest.param(["{tree}", "--fact", "system.gpu_count=many"], "whole number", id="no number"),
        pytest.param(["{tree}", "--fact", "system.gpu_count=1.5"], "whole number", id="a fraction"),
        pytest.param(["{tree}", "--fact", "system.gpu_count=-1"], "whole number", id="negative"),
        pytest.param(["{tree}", "--fact", "system.gpu_memory=8 parsecs"], "64GiB", id="no size"),
        pytest.param(["{tree}", "--fact", "access.pattern=shufled"], "'shuffled'", id="misspelt word"),
        pytest.param(["{tree}", "--why-not", "keep-smal-files"], "'keep-small-files'", id="unknown rule"),
        pytest.param(["{tree}", "--file", "none.jpg"], "no such file", id="missing file"),
        pytest.param(["{tree}", "--fail-under", "matchd=.9"], "'matched'", id="unknown share"),
        pytest.param(["{tree}", "--fail-under", "matched=9"], "between 0 and 1", id="no share"),
        pytest.param(["{tree}", "--fail-under", "matched_reads=.9"], "unknown share", id="share of a trace"),
        pytest.param(["{tree}", "--format", "csv", "--json"], "contradicts", id="two formats"),
        pytest.param(["{tree}", "--storage", "nvmee"], "unknown storage", id="unknown storage"),
    ],
)
def test_bad_input_is_a_usage_error_without_traceback(tree: Path, words: list[str], says: str) -> None:
    done = run(*(word.replace("{tree}", str(tree)) for word in words))
    assert done.returncode == 2
    assert says in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


RECIPE = """\
version: "1"
name: facts
rules:
  - id: for-torch
    priority: 9
    conditions:
      - {type: workload_context, property: framework, value: pytorch, weight: 1.0}
      - {type: system_context, property: gpu_count, operator: greater_than, value: 4, weight: 0.9}
    actions: [{type: cache, parameters: {policy: pinned}}]
  - id: shuffled
    match: all
    conditions: [{type: access_pattern, property: pattern, value: shuffled}]
    actions: [{type: prefetch, parameters: {mode: epoch_set}}]
  - id: old
    match: all
    conditions: [{type: file_context, property: age, operator: greater_than, value: 1h}]
    actions: [{type: cache, parameters: {policy: lru}}]
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "facts.yaml"
    path.write_text(RECIPE)
    return str(path)


def verdicts(result: dict[str, Any], rule: str) -> dict[str, str]:
    entry = next(entry for entry in result["files"] if entry["kind"] == "file")
    found = next(each for each in entry["rules"] if each["id"] == rule)
    return {condition["fact"]: condition["verdict"] for condition in found["conditions"]}


def test_what_is_not_known_is_unknown_and_what_if_makes_it_known(tree: Path, recipe: str) -> None:
    plain = result_of(str(tree), "-r", recipe)["result"]
    assert verdicts(plain, "for-torch")["workload.framework"] == "unknown"
    rows = {row["rule"]: row for row in plain["summary"]}
    assert "workload.framework" in rows["for-torch"]["unknown_facts"]
    assert rows["shuffled"]["unknown_facts"] == ["access.pattern"]
    facts = ["--fact", "workload.framework=PyTorch", "--fact", "system.gpu_count=8"]
    asked = result_of(str(tree), "-r", recipe, *facts)
    assert verdicts(asked["result"], "for-torch") == {
        "workload.framework": "true",
        "system.gpu_count": "true",
    }
    assert asked["inputs"]["facts"]["system.gpu_count"] == 8
    assert {row["rule"]: row["files"] for row in asked["result"]["summary"]}["for-torch"] == 32
    fewer = result_of(str(tree), "-r", recipe, *facts[:2], "--fact", "system.gpu_count=2")["result"]
    scores = {rule["id"]: rule["score"] for rule in fewer["files"][0]["rules"]}
    assert scores["for-torch"] == 1.0 / 1.9
    assert verdicts(fewer, "for-torch")["system.gpu_count"] == "false"


def test_age_is_told_from_the_time_of_the_last_change(tree: Path, recipe: str) -> None:
    os.utime(tree / "big.tar", (1_000_000, 1_000_000))
    young = result_of(str(tree), "-r", recipe, "--file", "big.tar", "--fact", "system.time=1003600")
    old = result_of(str(tree), "-r", recipe, "--file", "big.tar", "--fact", "system.time=1003601")
    assert verdicts(young["result"], "old") == {"file.age": "false"}
    assert verdicts(old["result"], "old") == {"file.age": "true"}
    assert old["result"]["totals"]["files"] == 1


def test_a_tree_shows_folders_and_why_not_what_stands_against_a_rule(tree: Path, recipe: str) -> None:
    done = run(str(tree), "--tree")
    assert done.returncode == 0
    assert "cat/  30 files, 2.9 KiB: keep-small-files 30" in done.stdout
    folders = {row["folder"]: row for row in result_of(str(tree), "--tree")["result"]["folders"]}
    assert folders["train/cat"]["rules"] == {"keep-small-files": 30}
    assert sum(row["files"] for row in folders.values()) == 32
    silent = result_of(str(tree), "-r", recipe, "--why-not", "for-torch", "--fact", "system.gpu_count=1")
    found = silent["result"]["why_not"]
    assert (found["files"], found["crowded_out"]) == (32, 0)
    assert [(each["false"], each["unknown"]) for each in found["conditions"]] == [(0, 32), (32, 0)]
    said = run(str(tree), "-r", recipe, "--why-not", "for-torch", "--fact", "system.gpu_count=1").stdout
    assert "false for 32, unknown for 0" in said
    assert "? workload.framework equals" in said


def test_a_share_that_is_not_reached_fails(tree: Path) -> None:
    assert run(str(tree), "--fail-under", "matched=1", "--fail-under", "cached_bytes=0").returncode == 0
    done = run(str(tree), "-r", "shuffled-images", "--fail-under", "matched=.95")
    assert done.returncode == 1
    assert "matched is 0.9375, less than 0.95" in done.stderr
    empty = tree / "empty"
    empty.mkdir()
    assert run(str(empty), "--fail-under", "matched=.1").returncode == 1


def test_rows_for_a_spreadsheet_hold_every_condition(tree: Path, recipe: str) -> None:
    done = run(str(tree), "-r", recipe, "--format", "csv", "--limit", "0", "--fact", "system.gpu_count=5")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 32 * 4
    row = next(r for r in rows if r["path"] == "big.tar" and r["fact"] == "system.gpu_count")
    assert (row["rule"], row["verdict"], row["actual"], row["value"]) == ("for-torch", "true", "5", "4")


def test_first_bytes_are_looked_at_when_asked_for(tree: Path) -> None:
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (tree / "weights.bin").write_bytes(len(header).to_bytes(8, "little") + header + b"1234")
    by_name = result_of(str(tree), "--file", "weights.bin")["result"]["files"][0]["facts"]
    by_content = result_of(str(tree), "--file", "weights.bin", "--content")["result"]["files"][0]["facts"]
    assert by_name.get("file.format") != "safetensors"
    assert (by_content["file.format"], by_content["file.framework"]) == ("safetensors", "huggingface")


def test_a_trace_weighs_files_and_knows_how_they_were_read(job: Job, ask: Ask, recipe: str) -> None:
    words = ["test-rules", str(job.data), "-r", recipe, "--trace", str(job.trace)]
    code, envelope = ask(*words, "--fail-under", "prefetched_read_bytes=.9")
    assert code == 0
    result = envelope["result"]
    rows = {row["rule"]: row for row in result["summary"]}
    assert rows["shuffled"]["files"] == FILES
    assert rows["shuffled"]["read_bytes"] == FILES * FILE_BYTES * EPOCHS
    assert result["totals"]["read_bytes"] == rows["shuffled"]["read_bytes"] + 13 * EPOCHS
    assert envelope["inputs"]["facts"]["system.cpu_count"] > 0
    _, alone = ask("test-rules", "-r", recipe, "--trace", str(job.trace))
    assert alone["result"]["totals"]["read_bytes"] == result["totals"]["read_bytes"]
    _, elsewhere = ask("test-rules", str(job.folder), "-r", recipe, "--trace", str(job.trace))
    assert "trace-elsewhere" in {warning["code"] for warning in elsewhere["warnings"]}
    _, placed = ask("test-rules", str(job.data), "-r", recipe, "--storage", "s3", "--file", "index.json")
    assert placed["inputs"]["facts"]["system.network_bandwidth"] > 0
