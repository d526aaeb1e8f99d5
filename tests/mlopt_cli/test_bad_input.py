"""Bad input to every command: the message says what, where, which value and what to do, and nothing is lost.

Each row runs twice, for people and with ``--json``. What a place stands for is made by `scene`.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from recorded_job import Job

from mlopt_cli.main import COMMANDS, WRAPPERS, main

RECIPES = {
    "tabs": b'version: "1"\nname: x\nrules:\n\t- id: a\n',
    "binary": b"name: \xff\xfe",
    "twice": b'version: "1"\nname: x\nname: y\nrules: []\n',
    "unknown": b'versoin: "1"\nrules: []\n',
    "types": b'version: "1"\nname: x\nrules:\n  - id: a\n    priority: high\n    actions: [{type: cache}]\n',
    "pattern": b'version: "1"\nname: x\nrules:\n  - id: a\n    conditions:\n'
    b'      - {type: file_context, property: name, operator: matches, value: "("}\n'
    b"    actions: [{type: cache}]\n",
    "deep": b"rules: " + b"[" * 200_000,
    "empty": b"",
}
ONE_EPOCH = "import sys; print(len(sys.argv))"

# (command line, exit code, what the message must contain)
Row = tuple[str, int, tuple[str, ...]]
TRACES: tuple[Row, ...] = tuple(
    (line.replace("TRACE", "{" + trace + "}"), 4, (f"{trace}.duckdb", *fragments))
    for line in (
        "report TRACE",
        "simulate TRACE",
        "learn TRACE -o {new}",
        "replay TRACE {data}",
        "verify TRACE --source {data} --storage nfs",
    )
    for trace, fragments in (
        ("missing", ("no such trace", "mlopt record -o")),
        ("nothing", ("is empty", "Record it again")),
        ("cut", ("truncated", "got 5000 of", "record again")),
        ("newer", ("newer mlopt", "got schema 99", "Upgrade mlopt")),
        ("text", ("no trace of mlopt", "got b'", "Give a file")),
        ("foreign", ("no trace of mlopt", "Give a file that 'mlopt record' wrote")),
    )
)
BAD_RECIPES: tuple[Row, ...] = tuple(
    (line.replace("RECIPE", "{r_" + recipe + "}"), 2, (f"{recipe}.yaml{position}", *fragments))
    for line in (
        "validate RECIPE",
        "simulate {trace} -r RECIPE",
        "learn {trace} -o {new} -r RECIPE",
        "test-rules {data} -r RECIPE",
        "mount {data} {mnt} -r RECIPE",
        "run --source {data} -r RECIPE -- true",
        "verify {trace} --source {data} -r RECIPE",
    )
    for recipe, position, fragments in (
        ("nowhere", ":", ("MLO100", "no such recipe", "Name a file")),
        ("tabs", ":4:1:", ("MLO104", "a tab", "Indent with spaces")),
        ("binary", ":1:7:", ("MLO102", "not UTF-8", "0xff", "Save the file")),
        ("twice", ":3:1:", ("MLO109", "'name' comes twice", "Keep one")),
        ("unknown", ":1:1:", ("MLO120", "'versoin'", "Did you mean 'version'?")),
        ("types", ":5:15:", ("MLO122", "priority", "high")),
        ("pattern", ":6:", ("regular expression", "(")),
        ("deep", ":1:72:", ("MLO105", "nested deeper than 64")),
        ("empty", ":", ("MLO110", "is empty")),
    )
)
SIZES: tuple[Row, ...] = tuple(
    (f"{line} --memory {size}{tail}", 2, ("--memory", *fragments))
    for line, tail in (
        ("simulate {trace}", ""),
        ("learn {trace} -o {new}", ""),
        ("mount {data} {mnt}", ""),
        ("run --source {data}", " -- true"),
        ("verify {trace} --source {data} --storage nfs", ""),
    )
    for size, fragments in (
        ("0", ("must be positive", "got 0", "10GiB")),
        ("-5", ("not a size", "got '-5'", "10GiB")),
        ("1XB", ("not a size", "got '1XB'", "10GiB")),
        ("99999999T", ("at most 1 EiB", "got 99999999T", "10GiB")),
    )
) + tuple(
    (line, 2, ("--memory", "larger than this machine's memory", "got 1", "Ask for less"))
    for line in (
        "mount {data} {mnt} --memory 100T",
        "run --source {data} --memory 100T -- true",
        "verify {trace} --source {data} --storage nfs --memory 100T",
    )
)
PLACES: tuple[Row, ...] = (
    ("mount {missing} {mnt}", 2, ("SOURCE", "missing", "Name an existing directory")),
    ("mount {text} {mnt}", 2, ("SOURCE", "no directory", "text", "Name a directory")),
    ("mount {data} {nowhere}", 2, ("MOUNTPOINT", "does not exist", "nowhere", "mkdir -p")),
    ("mount {data} {text}", 2, ("MOUNTPOINT", "no directory", "text")),
    ("mount {data} {data}", 2, ("inside one another", "{data}", "mlopt run")),
    ("mount {data} {data}/train", 2, ("inside one another", "{data}/train", "Mount elsewhere")),
    ("mount {data}/train {data}", 2, ("inside one another", "{data}", "Mount elsewhere")),
    ("mount {data} {mnt} --memory 0.5", 2, ("--memory", "a fraction needs a trace", "got 0.5", "10GiB")),
    ("mount {data} {mnt} --staleness -1", 2, ("--staleness", "got -1", "Write seconds")),
    ("mount {data} {mnt} --deadline 0", 2, ("--deadline", "got 0", "Write seconds")),
    ("mount {data} {mnt} -r lru -r fifo", 2, ("--recipe is given more than once", "mount --help")),
    ("recipe diff lru fifo --source a --source b", 2, ("--source is given more than once",)),
    ("status --rules", 2, ("--rules is about one mount", "Name the mount")),
    ("status --file x", 2, ("--file is about one mount", "Name the mount")),
    ("mount {data} {mnt} --http 8.8.8.8:80", 2, ("--http", "loopback only", "8.8.8.8:80", "127.0.0.1")),
    ("mount {data} {mnt} --http nonsense", 2, ("--http", "not an address", "nonsense", "127.0.0.1:9100")),
    ("mount {data} {mnt} --journal {nowhere}/j", 2, ("--journal", "no directory", "nowhere/j", "mkdir -p")),
    ("mount {data} {mnt} --journal {mnt}", 2, ("--journal", "is a directory", "Name a file")),
    ("umount {mnt}", 2, ("no mount of mlopt", "{mnt}", "mlopt status")),
    ("umount {nowhere}", 2, ("no mount of mlopt", "nowhere", "mlopt status")),
    ("umount /proc", 2, ("no mount of mlopt", "/proc", "mlopt status")),
    ("status {mnt}", 2, ("no mount of mlopt", "{mnt}", "mlopt status")),
    ("emulate {missing} {mnt}", 2, ("SOURCE", "missing", "Name an existing directory")),
    ("emulate {text} {mnt}", 2, ("SOURCE", "not a directory", "text", "Name an existing directory")),
    ("emulate {data} {nowhere}", 2, ("MOUNTPOINT", "nowhere", "mkdir -p")),
    ("emulate {data} {data}", 2, ("must not contain one another", "{data}", "outside the source")),
    ("emulate {data} {mnt} --latency fast", 2, ("--latency", "got 'fast'", "5ms, 250us, 1.5s")),
    ("emulate {data} {mnt} --latency 5", 2, ("--latency", "got '5'", "a unit")),
    ("emulate {data} {mnt} --latency=-5ms", 2, ("--latency", "got '-5ms'", "a unit")),
    ("emulate {data} {mnt} --latency 999min", 2, ("--latency", "out of range", "at most 60s")),
    ("emulate {data} {mnt} --bandwidth 0MB/s", 2, ("--bandwidth", "got '0MB/s'", "unlimited")),
    ("emulate {data} {mnt} --bandwidth 60", 2, ("--bandwidth", "got '60'", "60MB/s")),
    ("emulate {data} {mnt} --concurrency 0", 2, ("--concurrency", "got 0", "between 1 and")),
    ("emulate {data} {mnt} --jitter nan", 2, ("--jitter", "got nan", "0.2")),
    ("emulate {data} {mnt} --seed -1", 2, ("--seed", "got -1", "0 or more")),
    ("run --source {missing} -- true", 2, ("SOURCE", "missing", "Name an existing directory")),
    ("run --source {text} -- true", 2, ("SOURCE", "no directory", "text")),
    ("run --source {data} --stats {nowhere}/s -- true", 2, ("--stats", "no directory", "mkdir -p")),
    ("replay {trace} {missing}", 2, ("DIR is not there", "missing", "Name the directory")),
    ("replay {trace} {text}", 2, ("DIR is not a directory", "text", "Name the directory")),
    ("replay {trace} {mnt}", 1, ("not one of", "{mnt}/index.json", "relative to")),
    ("replay {trace} {data} --speed fast", 2, ("--speed", "got 'fast'", "1, 2 or max")),
    ("replay {trace} {data} --speed 0", 2, ("--speed", "got 0", "1, 2 or max")),
    (
        "verify {trace} --source {missing}",
        2,
        ("--source", "not a directory", "missing", "Name the directory"),
    ),
    ("verify {trace} --source {mnt} --storage nfs", 2, ("{mnt}/index.json", "are missing", "relative to")),
    ("verify {trace} --source {data} -- nosuchprogram", 2, ("CMD", "no such program", "nosuchprogram")),
    ("probe {missing}", 2, ("DIR is not there", "missing", "Name an existing directory")),
    ("probe {text}", 2, ("DIR is not a directory", "text", "Name a directory")),
    ("probe {mnt}", 2, ("no file of 4 KiB", "{mnt}", "Name a directory with data")),
    ("probe {data} -o {nowhere}/s.json", 2, ("folder is not there", "nowhere/s.json", "mkdir -p")),
    ("probe {data} -o {text}", 2, ("not written by 'mlopt probe'", "text", "Name another")),
    ("probe", 2, ("DIR", "nothing to measure", "--fuse")),
    ("test-rules {missing}", 2, ("cannot be listed", "missing", "Name a directory")),
    ("test-rules {data} --source {mnt}", 2, ("not below the source", "{data}", "{mnt}", "inside --source")),
    ("demo --keep {text}", 2, ("--keep", "cannot be used", "text", "Name a directory")),
    ("demo --keep {data}", 2, ("--keep", "no demo made it", "{data}", "Name another")),
)
OTHERS: tuple[Row, ...] = (
    ("simulate {trace} --storage nosuch", 2, ("--storage", "got 'nosuch'", "hdd, nfs, nvme, s3")),
    ("simulate {trace} --storage {text}", 2, ("text", "not a storage model", "got 'hello", "mlopt probe")),
    ("simulate {trace} --storage {r_binary}", 2, ("not a storage model", "binary", "mlopt probe DIR -o")),
    ("simulate {trace} --cpus 0", 2, ("--cpus", "greater than or equal to 1", "got 0", "--help")),
    ("simulate {trace} --cpus=many", 2, ("--cpus", "valid integer", "got many", "--help")),
    ("simulate {unread}", 1, ("holds no read", "unread.duckdb", "--source DIR")),
    ("learn {unread} -o {new}", 1, ("no read", "unread", "--source")),
    ("verify {unread} --source {data} --storage nfs", 1, ("holds no read", "unread.duckdb", "--source DIR")),
    ("learn {trace}", 2, ("--output", "mlopt learn --help")),
    ("learn {trace} -o {nowhere}/o.yaml", 2, ("no such directory", "nowhere", "mkdir -p")),
    ("learn {trace} -o {r_tabs}", 2, ("tabs.yaml", "it is kept", "Name another file")),
    ("learn {trace} -o {mnt}", 2, ("{mnt}", "is a directory", "Name a file")),
    ("learn {trace} {trace} -o {new}", 2, ("given twice", "{trace}", "once")),
    ("learn {trace} -o {new} --assume-epochs 2", 2, ("--assume-epochs", "got 2", "Give 4 or more, or 1")),
    ("learn {trace} -o {new} --storage nosuch", 2, ("--storage", "got 'nosuch'", "hdd, nfs")),
    ("learn {trace} -o {new} --jobs 0", 2, ("--jobs", "got 0", "--help")),
    ("record -- nosuchprogram", 127, ("nosuchprogram", "command not found")),
    ("record -- {text}", 126, ("text", "not executable")),
    ("record", 2, ("no command to record", "mlopt record -- python train.py")),
    ("record -o {trace} -- true", 2, ("the trace exists", "{trace}", "--force")),
    ("record -o {mnt} --force -- true", 2, ("a directory", "{mnt}", "Choose another")),
    ("record -o {nowhere}/t -- true", 2, ("-o", "no directory", "nowhere", "Create it")),
    ("record --source {missing} -o {new} -- true", 2, ("--source", "no such source", "missing")),
    ("record --source {text} -o {new} -- true", 2, ("--source", "no directory", "text")),
    ("record --tap ebpf -- true", 2, ("--tap", "'auto', 'strace'", "got ebpf", "--help")),
    ("config show -r {r_twice}", 2, ("twice.yaml:3:1:", "MLO109", "Keep one")),
    ("config show --config-dir {nowhere}", 2, ("nowhere", "MLO177", "Name a folder")),
    ("config show --environment prod", 2, ("--environment", "MLO171", "no environment 'prod'")),
    ("config show --set debg=true", 2, ("--set:1:1:", "MLO172", "debg")),
    ("test-rules {data} --hardware nosuch", 2, ("--hardware", "MLO171", "nosuch")),
    ("mount {data} {mnt} --template nosuch", 2, ("--template", "MLO171", "nosuch")),
    ("explain nosuch", 2, ("nosuch",)),
    ("explain mount", 2, ("is a command", "mlopt mount --help")),
    ("explain prefech", 2, ("nothing is called so", "got 'prefech'", "Did you mean 'prefetch'?")),
    ("explain cache -r {r_twice}", 2, ("twice.yaml:3:1:", "MLO109", "Keep one")),
    ("recipe fmtt", 2, ("fmtt", "--help")),
    ("recipe fmt {mnt}", 2, ("{mnt}", "holds no YAML file", "Name a recipe")),
    ("recipe diff {r_tabs} lru", 2, ("tabs.yaml:4:1:", "MLO104", "Indent with spaces")),
    ("recipe diff lru lruu", 2, ("lruu", "MLO100", "Did you mean 'lru'?")),
    ("recipe init {nowhere} -o {new}", 2, ("nowhere", "is no directory", "Name the directory")),
    ("recipe init {data} -o {r_tabs}", 2, ("tabs.yaml", "is there already", "--force")),
    ("recipe init {data} -o {nowhere}/r.yaml", 2, ("nowhere/r.yaml", "No such file", "-o")),
    ("plugins shwo", 2, ("'list', 'show', 'check'", "shwo", "--help")),
    ("plugins show", 2, ("nothing to show", "pytorch", "--tree DIR")),
    ("plugins show pytroch", 2, ("unknown framework", "got pytroch", "Did you mean 'pytorch'?")),
    ("plugins show --tree {nowhere}", 2, ("nowhere", "cannot be looked at", "Name a directory")),
    ("plugins show jax --fact gpus", 2, ("--fact", "got gpus", "system.gpu_count=8")),
    ("plugins list --plugin nosuch", 2, ("--plugin", "got nosuch", "No other distribution")),
    ("plugins check pytroch", 2, ("unknown framework", "got pytroch", "Did you mean 'pytorch'?")),
    ("doctor extra", 2, ("unexpected", "extra", "mlopt doctor --help")),
    ("schema record", 2, ("COMMAND", "got 'record'", "Name one of")),
    ("recrod", 2, ("recrod", "did you mean 'record'", "mlopt --help")),
)
ROWS = (*TRACES, *BAD_RECIPES, *SIZES, *PLACES, *OTHERS)


@pytest.fixture(scope="module")
def scene(job: Job, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Make everything that rows name."""
    folder = tmp_path_factory.mktemp("scene")
    places = {name: folder / name for name in ("data", "mnt", "text", "missing", "nowhere", "new")}
    shutil.copytree(job.data, places["data"])
    places["mnt"].mkdir()
    places["text"].write_text("hello world\n")
    names = ("trace", "missing", "nothing", "cut", "newer", "text", "foreign", "unread")
    traces = {name: folder / f"{name}.duckdb" for name in names}
    whole = job.trace.read_bytes()
    contents = {"trace": whole, "nothing": b"", "cut": whole[:5000], "newer": whole, "text": b"hello world\n"}
    for name, content in contents.items():
        traces[name].write_bytes(content)
    with duckdb.connect(str(traces["newer"])) as database:
        database.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    with duckdb.connect(str(traces["foreign"])) as database:
        database.execute("CREATE TABLE t(a INTEGER)")
    words = ["record", "-o", str(traces["unread"]), "--source", str(places["mnt"]), "--", "true"]
    assert main(words) == 0
    for name, content in RECIPES.items():
        (folder / f"{name}.yaml").write_bytes(content)
    recipes = {f"r_{name}": folder / f"{name}.yaml" for name in (*RECIPES, "nowhere")}
    return {name: str(path) for name, path in (places | traces | recipes).items()}


def fill(text: str, scene: dict[str, str], line: str) -> str:
    """Put places in. `missing` and `text` are traces where a trace is asked for."""
    wants_trace = line.split()[0] in ("report", "simulate", "learn", "replay", "verify")
    for name in ("missing", "text"):
        path = scene[name]
        is_first = line.split()[1:2] == ["{" + name + "}"]
        chosen = path if wants_trace and is_first else path.removesuffix(".duckdb")
        text = text.replace("{" + name + "}", chosen)
    return text.format_map(scene)


def tree(folder: Path) -> dict[str, bytes]:
    """Read everything below a folder."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def before(scene: dict[str, str]) -> dict[str, bytes]:
    return tree(Path(scene["new"]).parent)


def test_rows_cover_every_command() -> None:
    covered = {line.split()[0] for line, _, _ in ROWS}
    assert {command.name for command in COMMANDS} <= covered


@pytest.mark.strace
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_bad_input_is_named_and_nothing_is_lost(
    row: Row,
    as_json: bool,
    scene: dict[str, str],
    before: dict[str, bytes],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(scene["mnt"])
    line, code, fragments = row
    words = shlex.split(fill(line, scene, line))
    if as_json and words[0] not in WRAPPERS:
        words.append("--json") if "--" not in words else words.insert(words.index("--"), "--json")
    found = main(words)
    printed = capfd.readouterr()
    message = printed.err
    if as_json and words[0] not in WRAPPERS:
        answer = json.loads(printed.out)
        if words[0] == "validate":
            (entry,) = answer["result"]["recipes"]
            first = entry["findings"][0]
            place = ":".join(str(first[key]) for key in ("file", "line", "column") if first[key])
            message = f"{place}: {first['code']} {first['message']} {first['do']}"
        else:
            problem = answer["error"]
            assert problem["code"]
            message = "{where}: {code} {what} (got {value}). {do}".format_map(problem)
    elif words[0] == "validate":
        message = printed.out
    wrapped = words[0] in WRAPPERS and code == 2
    assert found == (125 if wrapped else code), printed
    assert "Traceback" not in printed.out + printed.err
    assert "internal error" not in printed.out + printed.err
    for fragment in fragments:
        assert fill(fragment, scene, line) in message
    assert tree(Path(scene["new"]).parent) == before


def run(*words: str, within: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess[str]:
    """Run mlopt as a process of its own."""
    return subprocess.run(
        [*within, sys.executable, "-m", "mlopt_cli.main", *words],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **environment},
    )  # fmt: skip


#: Shell words that leave a few devices, and not FUSE's, in a mount namespace of its own.
NO_DEVICE = (
    "mount -t tmpfs none /mnt; for name in null zero urandom; do cp -a /dev/$name /mnt/; done; "
    'mount --move /mnt /dev; exec "$@"'
)
WITHOUT_DEVICE = ("unshare", "-m", "sh", "-c", NO_DEVICE, "sh")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("mount {data} {mnt}", 3),
        ("emulate {data} {mnt}", 3),
        ("run --source {data} -- true", 125),
        ("probe --fuse", 3),
    ],
)
def test_a_missing_fuse_device_is_named(line: str, code: int, scene: dict[str, str]) -> None:
    able = subprocess.run([*WITHOUT_DEVICE, "true"], capture_output=True, check=False)
    if able.returncode != 0:
        pytest.skip("no mount namespace can be made here")
    done = run(*shlex.split(line.format_map(scene)), within=WITHOUT_DEVICE)
    assert done.returncode == code, done.stderr
    assert "/dev/fuse" in done.stderr
    assert "mlopt doctor" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_strace_is_named(tmp_path: Path) -> None:
    done = run("record", "-o", str(tmp_path / "t.duckdb"), "--", "/bin/true", PATH=str(tmp_path))
    assert done.returncode == 125
    assert "strace is not installed. Install it: apt-get install strace" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def mounted(scene: dict[str, str], capfd: pytest.CaptureFixture[str]) -> Iterator[Path]:
    """Mount on a folder that is not empty, which is allowed and said."""
    place = Path(scene["new"]).parent / "full"
    place.mkdir()
    (place / "hidden").write_text("still here")
    assert main(["mount", str(scene["data"]), str(place), "--memory", "64MiB"]) == 0
    assert f"{place} is not empty: what it holds is hidden while mounted" in capfd.readouterr().err
    yield place
    assert main(["umount", str(place), "--lazy"]) == 0
    assert (place / "hidden").read_text() == "still here"
    shutil.rmtree(place)


@pytest.mark.fuse
@pytest.mark.strace
@pytest.mark.parametrize("verb", ["mount", "emulate"])
def test_a_mountpoint_in_use_is_refused_and_what_it_hides_is_said(
    verb: str, mounted: Path, scene: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    names = sorted(path.name for path in mounted.iterdir())
    assert main([verb, scene["data"], str(mounted)]) in (1, 2)
    problem = capfd.readouterr().err
    assert str(mounted) in problem
    assert "mlopt umount" in problem or "another" in problem
    assert sorted(path.name for path in mounted.iterdir()) == names
    assert names == ["index.json", "train"]
