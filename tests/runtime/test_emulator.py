"""The emulator against its own specification: promises by arithmetic, real times only within wide bounds."""

from __future__ import annotations

import itertools
import json
import mmap
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlopt_engine.errors import InvalidInputError, MissingPrerequisiteError, RefusedError
from runtime import emulator
from runtime.emulator import Emulator, EmulatorSpec
from runtime.state import state_of

pytestmark = pytest.mark.fuse
MS = 1_000_000
FILES = 24
FILE_BYTES = 110_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "train").mkdir(parents=True)
    for index in range(FILES):
        (source / "train" / f"{index:03}.bin").write_bytes(bytes([index]) * FILE_BYTES)
    (source / "large").write_bytes(os.urandom(3_000_000))
    (source / "link").symlink_to("train/000.bin")
    return source


@pytest.fixture
def mountpoint(tmp_path: Path) -> Iterator[Path]:
    mountpoint = tmp_path / "slow"
    mountpoint.mkdir()
    yield mountpoint
    left = emulator.find(mountpoint)
    if left is not None:
        left.stop(lazy=True)


def started(source: Path, mountpoint: Path, spec: EmulatorSpec) -> Emulator:
    try:
        return emulator.start(source, mountpoint, spec)
    except MissingPrerequisiteError as error:
        pytest.skip(str(error))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_mounted(mountpoint: Path) -> bool:
    return str(mountpoint) in Path("/proc/self/mountinfo").read_text()


def test_bytes_names_and_links_are_the_sources(source: Path, mountpoint: Path) -> None:
    with started(source, mountpoint, EmulatorSpec(0, None, 16)):
        for path in ["large", "train/007.bin", "link"]:
            assert (mountpoint / path).read_bytes() == (source / path).read_bytes()
        assert names_in(mountpoint / "train") == names_in(source / "train")
        assert (mountpoint / "link").readlink() == Path("train/000.bin")
        assert (mountpoint / "large").stat().st_mtime_ns == (source / "large").stat().st_mtime_ns
        with pytest.raises(FileNotFoundError):
            (mountpoint / "missing").read_bytes()
        with pytest.raises(OSError, match="Read-only"):
            (mountpoint / "new").write_bytes(b"")
        with mmap.mmap(os.open(mountpoint / "large", os.O_RDONLY), 0, prot=mmap.PROT_READ) as mapped:
            assert mapped[:] == (source / "large").read_bytes()
    assert not is_mounted(mountpoint)


def test_direct_reads_are_whole_and_as_large_as_the_kernel_allows(source: Path, mountpoint: Path) -> None:
    with started(source, mountpoint, EmulatorSpec(0, None, 16)) as slow:
        file = os.open(mountpoint / "large", os.O_RDONLY | os.O_DIRECT)
        buffer = mmap.mmap(-1, 1 << 20)
        read = b""
        while length := os.preadv(file, [buffer], len(read)):
            read += buffer[:length]
            if len(read) % mmap.PAGESIZE:
                break
        os.close(file)
        assert read == (source / "large").read_bytes()
        sizes = [entry["bytes"] for entry in slow.log() if entry["operation"] == "read"]
    assert sizes[:2] == [1 << 20, 1 << 20]
    assert sum(sizes) == len(read)


def test_each_operation_pays_what_is_specified(source: Path, mountpoint: Path) -> None:
    spec = EmulatorSpec(latency_ns=2 * MS, bandwidth=100e6, concurrency=4, jitter=0.0)
    with started(source, mountpoint, spec) as slow:
        (mountpoint / "train/003.bin").read_bytes()
        slow.reset()
        begun = time.monotonic_ns()
        (mountpoint / "train/003.bin").read_bytes()
        took = time.monotonic_ns() - begun
        operations, log = slow.status()["operations"], slow.log()
    # Names and attributes are known by now: one OPEN, one READ.
    assert {name: of["count"] for name, of in operations.items() if of["scheduled_ns"]} == {
        "open": 1,
        "read": 1,
    }
    assert operations["read"]["bytes"] == FILE_BYTES
    assert [entry["done_ns"] - entry["arrival_ns"] for entry in log] == [2 * MS, 2 * MS + FILE_BYTES * 10]
    assert 4 * MS + FILE_BYTES * 10 <= took < 1000 * MS


def test_bandwidth_and_slots_are_shared_by_all_readers(source: Path, mountpoint: Path) -> None:
    # Eight readers, four slots: at most four at once, and the link sends one byte per 20 ns whatever they do.
    spec = EmulatorSpec(latency_ns=1 * MS, bandwidth=50e6, concurrency=4, jitter=0.3, seed=7)
    names = [mountpoint / "train" / f"{index:03}.bin" for index in range(FILES)]
    with started(source, mountpoint, spec) as slow:
        names_in(mountpoint / "train")
        slow.reset()
        with ThreadPoolExecutor(8) as readers:
            read = list(readers.map(Path.read_bytes, names))
        status, log = slow.status(), slow.log()
    assert [len(data) for data in read] == [FILE_BYTES] * FILES
    assert 1 < status["busy_slots_max"] <= 4
    reads = sorted(
        (entry for entry in log if entry["operation"] == "read"), key=lambda entry: entry["done_ns"]
    )
    assert len(reads) == FILES
    for before, after in itertools.pairwise(reads):
        assert after["done_ns"] - before["done_ns"] >= after["bytes"] * 20 - 1
    for entry in log:
        running = [other for other in log if other["start_ns"] <= entry["start_ns"] < other["done_ns"]]
        assert len(running) <= 4
        assert entry["done_ns"] >= entry["start_ns"] + entry["latency_ns"] + entry["bytes"] * 20 - 1
        assert entry["answered_ns"] >= entry["done_ns"]
    late = [entry["answered_ns"] - entry["done_ns"] for entry in log]
    assert statistics.median(late) < 50 * MS


def test_the_drawn_latencies_have_the_median_and_spread_asked_for(source: Path, mountpoint: Path) -> None:
    spec = EmulatorSpec(latency_ns=200_000, bandwidth=None, concurrency=16, jitter=0.5, seed=3)
    with started(source, mountpoint, spec) as slow:
        for _ in range(8):
            for index in range(FILES):
                os.close(os.open(mountpoint / "train" / f"{index:03}.bin", os.O_RDONLY))
        drawn = [entry["latency_ns"] for entry in slow.log()]
    assert len(drawn) > 8 * FILES
    assert 0.8 < statistics.median(drawn) / 200_000 < 1.25
    assert 1.2 < statistics.quantiles(drawn, n=4)[2] / statistics.median(drawn) < 1.7  # exp(.67 x .5) = 1.40


@pytest.mark.parametrize(("keep_cache", "reads"), [(False, 3), (True, 1)], ids=["dropped", "kept"])
def test_pages_live_from_open_to_open_only_when_kept(
    source: Path, mountpoint: Path, keep_cache: bool, reads: int
) -> None:
    with started(source, mountpoint, EmulatorSpec(0, None, 4, keep_cache=keep_cache)) as slow:
        for _ in range(3):
            (mountpoint / "train/001.bin").read_bytes()
        assert slow.status()["operations"]["read"]["count"] == reads


def test_a_busy_mount_is_refused_unless_lazy(source: Path, mountpoint: Path) -> None:
    slow = started(source, mountpoint, EmulatorSpec(0, None, 4))
    with (mountpoint / "large").open("rb") as file:
        with pytest.raises(RefusedError, match="busy"):
            slow.stop()
        slow.stop(lazy=True)
        assert not is_mounted(mountpoint)
        assert len(file.read()) == 3_000_000


def test_sigterm_unmounts_and_leaves_nothing(source: Path, mountpoint: Path) -> None:
    slow = started(source, mountpoint, EmulatorSpec(0, None, 4))
    folder = state_of(mountpoint).directory
    assert folder.stat().st_mode & 0o777 == 0o700
    os.kill(slow.status()["pid"], signal.SIGTERM)
    deadline = time.monotonic() + 20
    while (is_mounted(mountpoint) or folder.exists()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_mounted(mountpoint)
    assert not folder.exists()


def test_a_killed_emulator_is_cleared_by_the_next(source: Path, mountpoint: Path) -> None:
    pid = started(source, mountpoint, EmulatorSpec(0, None, 4)).status()["pid"]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while emulator.find(mountpoint) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    with emulator.start(source, mountpoint, EmulatorSpec(0, None, 4)):
        assert (mountpoint / "large").stat().st_size == 3_000_000
    assert not is_mounted(mountpoint)


def test_a_live_mount_is_not_stolen(source: Path, mountpoint: Path) -> None:
    with started(source, mountpoint, EmulatorSpec(0, None, 4)):
        with pytest.raises(RefusedError, match="already"):
            emulator.start(source, mountpoint, EmulatorSpec(0, None, 4))
        assert (mountpoint / "large").stat().st_size == 3_000_000


def test_readers_of_one_mount_do_not_wait_for_one_another(source: Path, mountpoint: Path) -> None:
    """Eight opens of 300 ms each overlap: far less than the 2.4 s that one after the other would take."""
    spec = EmulatorSpec(latency_ns=300 * MS, bandwidth=None, concurrency=8, jitter=0.0)
    with started(source, mountpoint, spec) as slow:
        names = names_in(mountpoint / "train")[:8]
        slow.reset()
        threads = [
            threading.Thread(target=lambda name=name: (mountpoint / "train" / name).open("rb").close())
            for name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log = slow.log()
        assert slow.status()["busy_slots_max"] > 1
    span = max(entry["done_ns"] for entry in log) - min(entry["arrival_ns"] for entry in log)
    assert 300 * MS <= span < 2400 * MS


BAD = {
    "latency negative": (EmulatorSpec(-1, None, 4), "--latency"),
    "no bandwidth": (EmulatorSpec(0, 0.0, 4), "--bandwidth"),
    "no slot": (EmulatorSpec(0, None, 0), "--concurrency"),
    "jitter negative": (EmulatorSpec(0, None, 4, jitter=-0.1), "--jitter"),
}


@pytest.mark.parametrize(("spec", "flag"), BAD.values(), ids=BAD.keys())
def test_bad_numbers_name_their_flag(source: Path, mountpoint: Path, spec: EmulatorSpec, flag: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        emulator.start(source, mountpoint, spec)
    assert caught.value.where == flag
    assert not is_mounted(mountpoint)


def test_bad_places_are_named(source: Path, mountpoint: Path, tmp_path: Path) -> None:
    spec = EmulatorSpec(0, None, 4)
    for wrong_source, wrong_mountpoint in [
        (tmp_path / "missing", mountpoint),
        (source / "large", mountpoint),
        (source, tmp_path / "missing"),
        (source, source / "large"),
        (source, source / "train"),
        (source / "train", source),
        (source, source),
    ]:
        with pytest.raises(InvalidInputError) as caught:
            emulator.start(wrong_source, wrong_mountpoint, spec)
        assert caught.value.do
        assert str(caught.value.where) in {str(wrong_source), str(wrong_mountpoint)}
    with pytest.raises(InvalidInputError, match="no emulator"):
        emulator.status(mountpoint)


def test_the_command_serves_until_interrupted(source: Path, mountpoint: Path) -> None:
    started(source, mountpoint, EmulatorSpec(0, None, 4)).stop()
    arguments = ["emulate", str(source), str(mountpoint), "--latency", "1ms", "--foreground", "--json"]
    program = "import sys; from mlopt_cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE)
    assert command.stdout is not None
    lines = iter(command.stdout.readline, b"}\n")
    printed = json.loads(b"".join(lines) + b"}")
    assert printed["result"]["specification"]["latency_ns"] == MS
    assert (mountpoint / "large").stat().st_size == 3_000_000
    command.send_signal(signal.SIGINT)
    assert command.wait(20) == 130
    command.stdout.close()
    assert not is_mounted(mountpoint)
