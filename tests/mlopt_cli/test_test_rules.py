"""``mlopt test-rules`` as a process, on trees made for it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


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
    ],
)
def test_bad_input_is_a_usage_error_without_traceback(tree: Path, words: list[str], says: str) -> None:
    done = run(*(word.replace("{tree}", str(tree)) for word in words))
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
