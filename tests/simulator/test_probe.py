"""The probe's conclusions from made-up times, and real measurements within bounds that noise cannot reach."""

from __future__ import annotations

import heapq
import json
from pathlib import Path

import numpy as np
import pytest

from mlopt_cli.main import main
from mlopt_engine.errors import InvalidInputError, MissingPrerequisiteError
from runtime import emulator
from simulator import probe as probing
from simulator.fuse_costs import FuseCosts
from simulator.fuse_probe import probe_fuse
from simulator.probe import probe
from simulator.storage import StorageModel

LATENCY_NS, SIGMA, BANDWIDTH, SLOTS = 5e6, 0.2, 60e6, 16


def made_up_run(size: int, readers: int, seconds: float = 2.0, *, slots: int = SLOTS) -> probing._Run:
    """Readers in a closed loop on a storage of that specification: slots, then latency, then the one link."""
    random = np.random.default_rng(size + readers)
    free, link = [0.0] * slots, 0.0
    waiting = [(0.0, reader) for reader in range(readers)]
    start, end = [], []
    while waiting[0][0] < seconds * 1e9:
        now, reader = heapq.heappop(waiting)
        begin = max(now, heapq.heappop(free))
        link = (
            max(begin + LATENCY_NS * np.exp(SIGMA * random.standard_normal()), link) + size / BANDWIDTH * 1e9
        )
        heapq.heappush(free, link)
        start.append(now)
        end.append(link + probing.WAKE_NS)
        heapq.heappush(waiting, (end[-1], reader))
    return probing._Run(size, readers, np.asarray(start, np.uint64), np.asarray(end, np.uint64), 0.0, 0.0)


def concluded(slots: int = SLOTS) -> tuple[StorageModel, dict[str, tuple[float, float]], list[str]]:
    runs = [made_up_run(size, 1) for size in probing.SIZES]
    runs += [
        made_up_run(size, readers, slots=slots)
        for size in (probing.SMALL, probing.LARGE)
        for readers in probing.THREADS
    ]
    notes = probing._Notes()
    opens = np.full(20, LATENCY_NS + probing.WAKE_NS)
    model, intervals = probing._conclude(runs, opens, notes)
    return model, intervals, notes.warnings


def test_a_storage_is_recognised_from_its_times() -> None:
    model, intervals, warnings = concluded()
    assert model.latency_ns == pytest.approx(LATENCY_NS, rel=0.05)
    assert model.latency_sigma == pytest.approx(SIGMA, abs=0.04)
    assert model.metadata_latency_ns == pytest.approx(LATENCY_NS, rel=0.01)
    assert model.bandwidth == pytest.approx(BANDWIDTH, rel=0.03)
    assert model.stream_bandwidth == pytest.approx(BANDWIDTH, rel=0.1)
    assert abs(model.concurrency - SLOTS) <= 1
    assert intervals["latency_ns"][0] < model.latency_ns < intervals["latency_ns"][1]
    assert warnings == []


def test_slots_that_were_never_all_taken_are_a_lower_bound_and_said_to_be() -> None:
    model, _, warnings = concluded(slots=256)
    assert model.concurrency == max(probing.THREADS)
    assert any("at least 64" in words for words in warnings)


@pytest.mark.fuse
def test_an_emulated_storage_is_measured(tmp_path: Path) -> None:
    """Real times can only be longer than specified; bounds are wide, the arithmetic is checked above."""
    source, mountpoint = tmp_path / "source", tmp_path / "slow"
    source.mkdir()
    mountpoint.mkdir()
    for number in range(6):
        (source / str(number)).write_bytes(bytes(1 << 20))
    spec = emulator.EmulatorSpec(latency_ns=10_000_000, bandwidth=200e6, concurrency=8, jitter=0.0)
    try:
        slow = emulator.start(source, mountpoint, spec)
    except MissingPrerequisiteError as error:
        pytest.skip(str(error))
    with slow:
        shares: list[float] = []
        found = probe(mountpoint, server_pid=slow.status()["pid"], on_progress=shares.append, haste=4)
        assert slow.status()["operations"]["read"]["count"] > 100
    assert 5e6 < found.model.latency_ns < 100e6
    assert 9e6 < found.model.metadata_latency_ns < 200e6
    assert 10e6 < found.model.bandwidth < 400e6
    assert 2 <= found.model.concurrency <= 32
    assert not found.model.keeps_page_cache
    assert found.model.request_cpu_ns > 0
    assert found.is_direct
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_model_is_written_whole_and_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "_ALONE_S", 0.02)
    monkeypatch.setattr(probing, "_TOGETHER_S", 0.02)
    data = tmp_path / "data"
    data.mkdir()
    (data / "file").write_bytes(bytes(1 << 20))
    out = tmp_path / "storage.json"
    out.write_text('{"model": {}}')  # an earlier measurement is replaced
    assert main(["probe", str(data), "-o", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    model = StorageModel.from_file(out)
    assert model.origin == "probe"
    assert result["result"]["storage"]["model"]["latency_ns"] == model.latency_ns
    assert result["result"]["fuse"] is None
    other = tmp_path / "precious.txt"
    other.write_text("mine")
    assert main(["probe", str(data), "-o", str(other)]) == 2
    assert other.read_text() == "mine"
    assert "precious.txt" in capsys.readouterr().err


@pytest.mark.fuse
def test_the_cost_of_fuse_is_measured_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    mounts = Path("/proc/self/mountinfo").read_text().count("mlopt:probe")
    try:
        found = probe_fuse(rounds=1)
    except MissingPrerequisiteError as error:
        pytest.skip(str(error))
    costs = found.costs
    # A message crosses into another process and back: never below 1 us, nor 10 ms of CPU.
    measured = (costs.lookup_us, costs.open_us, costs.read_us_per_mib, costs.fill_us_per_mib, costs.drop_us)
    for value in measured:
        assert 1.0 < value < 10_000.0
    assert 0.0 < costs.client_share < 1.0
    assert found.daemon_us["stat"] < found.daemon_us["lookup"]
    assert found.daemon_us["served"] > found.daemon_us["read small"]
    assert found.daemon_us["silent large"] < found.daemon_us["read large"]
    costs.save()
    kept = FuseCosts.load_or_default()
    assert kept.origin == "measured"
    assert kept == costs
    assert Path("/proc/self/mountinfo").read_text().count("mlopt:probe") == mounts


@pytest.mark.parametrize(
    ("files", "sizes"),
    [
        ([50_000] * 40, [4096, 49_152]),  # whole small files: 4 KiB reads cannot tell a bandwidth
        ([100_000 + 1000 * n for n in range(40)], [4096, 126_976]),
        ([5000] * 40, [4096]),
        ([50_000] * 40 + [8 << 20] * 4, [4096, 65_536, 262_144, 1 << 20]),
        ([64 << 20], [4096, 65_536, 262_144, 1 << 20]),
        ([16 << 20] * 3 + [66_000, 400, 200], [4096, 65_536, 262_144, 1 << 20]),  # a model of three shards
    ],
)
def test_reads_are_as_large_as_the_files_allow(files: list[int], sizes: list[int]) -> None:
    assert probing._sizes(files) == sizes


def test_unmeasurable_directories_say_why(tmp_path: Path) -> None:
    (tmp_path / "tiny").write_bytes(b"x")
    for directory, words in [
        (tmp_path / "missing", "not there"),
        (tmp_path / "tiny", "not a directory"),
        (tmp_path, "no file of 4 KiB"),
    ]:
        with pytest.raises(InvalidInputError, match=words) as caught:
            probe(directory)
        assert caught.value.do
        assert caught.value.where == str(directory)


def test_small_and_few_files_are_warned_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_ALONE_S", 0.01)
    monkeypatch.setattr(probing, "_TOGETHER_S", 0.01)
    (tmp_path / "one").write_bytes(bytes(8192))
    found = probe(tmp_path)
    assert any("the largest file has 8192 bytes" in words for words in found.warnings)
    assert any("only 1 files" in words for words in found.warnings)
    assert {point.bytes for point in found.points} == {4096, 8192}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [([], 2), (["--fuse", "-o", "x.json"], 2), (["/nonexistent"], 2), (["/tmp", "-o", "/nonexistent/x"], 2)],  # noqa: S108
    ids=["nothing", "no model to write", "no directory", "no folder"],
)
def test_bad_input_has_its_exit_code(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", *arguments]) == code
    assert capsys.readouterr().err.startswith("error: ")
