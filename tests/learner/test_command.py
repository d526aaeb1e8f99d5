"""mlopt learn: what it prints, writes, refuses and leaves alone."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlopt_cli.main import main
from recipes import load

pytestmark = [
    pytest.mark.strace,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]

JOB = """
import random, sys
from pathlib import Path
data = Path(sys.argv[1])
files = sorted(data.glob("train/*.bin"))
for epoch in range(int(sys.argv[2])):
    random.seed(epoch)
    random.shuffle(files)
    for file in files:
        file.read_bytes()
"""
#: Small files are read in each epoch, large ones of the same folder once; the names tell nothing.
MIXED = """
import random, sys
from pathlib import Path
files = sorted(Path(sys.argv[1], "mixed").iterdir())
small = [file for file in files if file.stat().st_size < 150_000]
large = [file for file in files if file.stat().st_size >= 150_000]
for epoch in range(4):
    todo = small + large[epoch * 20 : epoch * 20 + 20]
    random.Random(epoch).shuffle(todo)
    for file in todo:
        file.read_bytes()
"""
SLOW = {
    "name": "slow", "latency_ns": 5e6, "latency_sigma": 0.1, "metadata_latency_ns": 5e6, "bandwidth": 60e6,
    "stream_bandwidth": 60e6, "concurrency": 16, "request_bytes": 1 << 20, "origin": "probe",
}  # fmt: skip


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def mlopt(*words: object) -> Done:
    """Run a command in this process, which imports scikit-learn once and not for each."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(word) for word in words])
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record two jobs over 60 files of 100 KB: four shuffled epochs, and one pass."""
    root = tmp_path_factory.mktemp("learn")
    (root / "data" / "train").mkdir(parents=True)
    for number in range(60):
        (root / "data" / "train" / f"{number:03}.bin").write_bytes(bytes([number]) * 100_000)
    (root / "job.py").write_text(JOB)
    (root / "data" / "mixed").mkdir()
    for number in range(140):
        size = 80_000 + 100 * number if number * 9 % 140 < 60 else 200_000 + 1000 * number
        (root / "data" / "mixed" / f"{number:03}.bin").write_bytes(bytes([number]) * size)
    (root / "mixed.py").write_text(MIXED)
    (root / "slow.json").write_text(json.dumps({"model": SLOW}))
    jobs = (("four", 4, "job"), ("one", 1, "job"), ("none", 0, "job"), ("mixed", 4, "mixed"))
    for name, epochs, job in jobs:
        words = ["record", "-o", root / f"{name}.duckdb", "--source", root / "data", "--"]
        command = [sys.executable, "-m", "mlopt_cli.main", *words, sys.executable, root / f"{job}.py"]
        subprocess.run([*command, root / "data", str(epochs)], check=True, timeout=60, capture_output=True)
    return root


def learn(recorded: Path, trace: str, out: Path, *more: object) -> Done:
    return mlopt(
        "learn", recorded / trace, "-o", out, "--memory", "0.5", "--storage", recorded / "slow.json", *more
    )


def test_result_names_the_comparison_the_rules_and_the_next_step(recorded: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned.yaml"
    done = learn(recorded, "four.duckdb", out)
    assert done.returncode == 0, done.stderr
    for said in (
        "source",
        "page cache",
        "default",
        "tuned",
        "Tried",
        "template training",
        "train-bin",
        f"wrote {out}",
        "next: mlopt test-rules",
    ):
        assert said in done.stdout.replace("\n", "") or said in done.stdout
    assert load(str(out)).rules


def test_json_holds_the_same_and_the_same_trace_gives_the_same_bytes(recorded: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    done = learn(recorded, "four.duckdb", first, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["schema_version"], answer["command"]) == (1, "learn")
    rows = {row["recipe"]: row for row in answer["result"]["holdout"]}
    assert rows["tuned"]["epoch_s"] < rows["source"]["epoch_s"]
    assert answer["result"]["origin"] == "searched"
    written = [line["candidate"] for line in answer["result"]["tried"] if line["verdict"] == "written"]
    assert written == ["searched"]
    assert answer["result"]["rules"] == load(str(first)).document["rules"]
    assert learn(recorded, "four.duckdb", second, "--jobs", 1).returncode == 0
    assert first.read_bytes() == second.read_bytes()


def test_one_pass_is_taken_for_data_read_once_unless_told_otherwise(recorded: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned.yaml"
    told = learn(recorded, "one.duckdb", out, "--assume-epochs", 5)
    assert told.returncode == 0, told.stderr
    assert "1 of 5 epochs were recorded" in told.stdout.replace("\n", " ")
    assert "1 of 5 epochs were recorded" in out.read_text()
    out.unlink()
    untold = learn(recorded, "one.duckdb", out)
    if untold.returncode == 0:  # reading ahead helps
        assert {a["type"] for rule in load(str(out)).rules for a in rule["actions"]} == {"prefetch"}
    else:
        assert untold.returncode == 1
        assert "reads its data once" in untold.stderr
        assert "--assume-epochs" in untold.stderr
        assert not out.exists()


def test_a_tree_finds_the_size_that_tells_what_is_read_again(recorded: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned.yaml"
    words = ["--memory", "8MB", "--storage", recorded / "slow.json", "--json"]
    done = mlopt("learn", recorded / "mixed.duckdb", "-o", out, *words)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["result"]
    assert result["origin"] == "searched, classes by tree"
    # the small files that are read again; the large ones get a rule too where reading them ahead saves enough
    found = [rule for rule in result["rules"] if rule["metadata"]["origin"] == "discovered by tree"]
    (rule,) = [rule for rule in found if rule["conditions"][-1]["operator"] == "less_than"]
    assert rule["conditions"][-1]["property"] == "size"
    assert rule["conditions"][-1]["value"] == "128KiB"
    assert rule["metadata"]["evidence"]["files"] == 60
    assert rule["metadata"]["evidence"]["purity"] == 1.0
    assert rule["actions"][0]["parameters"]["policy"] == "pinned"
    lines = {line["candidate"]: line["holdout_s"] for line in result["tried"]}
    assert lines["searched, classes by tree"] < 0.9 * lines["searched"]
    assert mlopt("validate", out, "--strict").returncode == 0


def test_a_refusal_shows_what_was_tried(recorded: Path, tmp_path: Path) -> None:
    words = ["learn", recorded / "four.duckdb", "-o", tmp_path / "t.yaml", "--storage", "nvme"]
    people, machine = mlopt(*words), mlopt(*words, "--json")
    assert (people.returncode, machine.returncode) == (1, 1)
    assert "Tried" in people.stderr
    assert "template training" in people.stderr
    tried = json.loads(machine.stdout)["error"]["details"]["tried"]
    assert all(line["verdict"] != "written" or line["holdout_s"] is not None for line in tried)
    assert {line["kind"] for line in tried} >= {"template", "shipped"}


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--memory", "0"), 2, "--memory"),
        (("--assume-epochs", "2"), 2, "--assume-epochs"),
        (("--storage", "nofs"), 2, "unknown storage"),
        (("-r", "deflaut"), 2, "default"),
    ],
)
def test_bad_flags_are_refused(
    recorded: Path, tmp_path: Path, more: tuple[str, ...], code: int, said: str
) -> None:
    done = mlopt(
        "learn",
        recorded / "four.duckdb",
        "-o",
        tmp_path / "t.yaml",
        *(() if "--storage" in more else ("--storage", recorded / "slow.json")),
        *more,
    )
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "t.yaml").exists()


def test_bad_traces_and_targets_are_refused_and_nothing_is_lost(recorded: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: mine\n")
    kept = learn(recorded, "four.duckdb", mine)
    assert (kept.returncode, mine.read_text()) == (2, "name: mine\n")
    out = tmp_path / "t.yaml"
    assert learn(recorded, "none.duckdb", out).returncode == 1
    assert learn(recorded, "job.py", out).returncode == 4
    assert learn(recorded, "missing.duckdb", out).returncode == 4
    assert not out.exists()
