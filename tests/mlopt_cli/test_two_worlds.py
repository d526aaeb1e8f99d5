"""One job in both worlds: a real mount's journal and the simulator's tell of like reads.

Like means, for one reader: files come in the same order in each epoch, and each time a file is read the READs
have the same extents; two READs that are under way together may change places. For several readers, who
overtake one another: each file has the same READs, but for a tenth of all, as drops race with readers.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import recipes
from mlopt_cli.workflows.replay import replay as replay_for_real
from runtime.session import MountOptions, mounted
from simulator import Scenario
from simulator.fuse_costs import FuseCosts
from simulator.replay import journal
from simulator.storage import StorageModel
from traces.workload import OP_OPEN, OP_READ, Files, Workload

MIB = 1 << 20
LOCAL = StorageModel("local", 1e5, 0.0, 1e4, 1e9, 1e9, 32, client_request_cpu_ns=1.0)
#: name, size, bytes of one read; whole files, parts of a read-ahead window, more than one window, odd ends.
SHAPES = (
    ("small", 30_000, MIB),
    ("parts", 700_000, 65_536),
    ("large", 5 * MIB + 123, MIB),
    ("tiny", 10, 4096),
)
EPOCHS, OF_EACH = 2, 4

Reads = list[tuple[str, int, int]]

pytestmark = pytest.mark.fuse


def job(workers: int, epochs: int = EPOCHS) -> Workload:
    """Each epoch reads all files in an order of its own, dealt to the workers, a pause before each file."""
    random = np.random.default_rng(3)
    files = [(f"{name}-{number}", size, step) for number in range(OF_EACH) for name, size, step in SHAPES]
    rows = []
    for epoch in range(epochs):
        for turn, file in enumerate(random.permutation(len(files))):
            _, size, step = files[file]
            rows.append((turn % workers, OP_OPEN, file, 0, 0, epoch, 20_000_000))
            rows += [
                (turn % workers, OP_READ, file, offset, min(step, size - offset), epoch, 0)
                for offset in range(0, size, step)
            ]
    worker, op, file, offset, length, epoch, wait = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    return Workload(
        files=Files(
            [name.encode() for name, _, _ in files],
            np.array([size for _, size, _ in files], np.int64),
            np.zeros(len(files), np.int64),
        ),
        worker=worker.astype(np.uint32), op=op.astype(np.uint8), file=file.astype(np.uint32),
        offset=offset.astype(np.int64), length=length.astype(np.int64), cpu_ns=np.full(n, 1000, np.int64),
        wait_ns=wait.astype(np.int64), duration_ns=np.zeros(n, np.int64), epoch=epoch.astype(np.int32),
        batch=np.full(n, -1, np.int32), lock=np.full(workers, -1, np.int32), consumer=None,
        epoch_seconds=np.ones(epochs), epoch_tail_cpu_ns=np.zeros(epochs, np.int64), shuffled=True,
        sources=["/data"],
    )  # fmt: skip


def reads(entries: list[dict[str, Any]], names: dict[int, str]) -> Reads:
    """Pick the READs out of a journal: file, offset, length."""
    told = [entry["event"] for entry in entries if entry["event"]["event"] == "read"]
    extents = [event["extent"] for event in told]
    return [(names[extent["file"]], extent["offset"], extent["length"]) for extent in extents]


def in_both(workload: Workload, folder: Path, recipe: str) -> tuple[Reads, Reads]:
    """Run the job behind a real mount and behind a simulated one; the READs of both."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or may not be opened: the two worlds were NOT compared")
    source, mountpoint = folder / "source", folder / "mount"
    source.mkdir()
    mountpoint.mkdir()
    for path, size in zip(workload.files.path, workload.files.size, strict=True):
        (source / os.fsdecode(path)).write_bytes(os.urandom(int(size)))
    memory = 256 * MIB
    plan = recipes.compile_plan(recipes.load(recipe), memory_bytes=memory).json
    written = folder / "journal"
    with mounted(source, mountpoint, plan, MountOptions(journal=written)):
        outcome = replay_for_real(workload, mountpoint)
    assert outcome.errors == 0
    entries = [json.loads(line) for line in written.read_text().splitlines()[1:]]
    seen = [entry["event"] for entry in entries if entry["event"]["event"] == "seen"]
    names = {event["file"]: name_of(event["facts"]["path"]) for event in seen}
    scenario = Scenario(
        workload=workload, plan_json=plan, baseline=None, storage=LOCAL, fuse=FuseCosts.default(),
        memory_bytes=memory, cpus=len(os.sched_getaffinity(0)), seeds=(1,), replays=True, with_bounds=False,
    )  # fmt: skip
    virtual = {number: os.fsdecode(path) for number, path in enumerate(workload.files.path)}
    return reads(entries, names), reads(journal(scenario), virtual)


def name_of(path: str | list[int]) -> str:
    """Read a path as the journal has it."""
    return path if isinstance(path, str) else os.fsdecode(bytes(path))


def by_file(found: Reads) -> dict[str, list[tuple[int, int]]]:
    """Group extents by file, in order."""
    grouped: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for name, offset, length in found:
        grouped[name].append((offset, length))
    return dict(grouped)


def visits(found: Reads) -> list[tuple[str, list[tuple[int, int]]]]:
    """Group the READs of one reader by visit of a file, in order of the visits."""
    return [
        (name, sorted((offset, length) for _, offset, length in group))
        for name, group in groupby(found, key=lambda read: read[0])
    ]


def test_one_reader_sends_the_same_reads_in_the_same_order(tmp_path: Path) -> None:
    real, virtual = in_both(job(1), tmp_path, "lru")
    # it exercised something: every file, files in several READs, two epochs
    assert len(by_file(real)) == OF_EACH * len(SHAPES)
    assert max(len(extents) for extents in by_file(real).values()) > 4
    assert visits(virtual) == visits(real)
    assert len(visits(real)) == EPOCHS * OF_EACH * len(SHAPES)


#: Too small a cache for two epochs, whose reads are all messages; all in the kernel from then on.
BY_EPOCH = """
version: "1"
name: by-epoch
rules:
  - id: show
    conditions: [{type: workload_context, property: epoch, operator: less_than, value: 2}]
    actions: [{type: cache, parameters: {policy: lru, share: 0.01}}]
  - id: hold
    match: all
    conditions:
      - {type: workload_context, property: epoch, operator: greater_equal, value: 2}
      - {type: workload_context, property: phase, value: training}
    actions: [{type: cache, parameters: {policy: pinned}}]
"""


def test_rules_on_epoch_and_phase_act_alike_at_the_same_read(tmp_path: Path) -> None:
    recipe = tmp_path / "by-epoch.yaml"
    recipe.write_text(BY_EPOCH)
    real, virtual = in_both(job(1, epochs=5), tmp_path, str(recipe))
    each = OF_EACH * len(SHAPES)
    orders = [[name for name, _ in visits(found)] for found in (real, virtual)]
    assert orders[0][: 2 * each] == orders[1][: 2 * each]
    # each file in three epochs; then those that came before the third was noticed, and pages that moved
    for order in orders:
        assert 3 * each <= len(order) < 4 * each
    assert abs(len(orders[0]) - len(orders[1])) <= 0.3 * each


def test_several_readers_send_each_file_the_same_reads(tmp_path: Path) -> None:
    workload = job(4)
    real, virtual = in_both(workload, tmp_path, "lru")
    expected, found = by_file(virtual), by_file(real)
    assert set(found) == set(expected)
    assert len(found) == OF_EACH * len(SHAPES)
    apart = sum(((Counter(found[name]) - Counter(expected[name])).total() for name in found), 0)
    missing = sum(((Counter(expected[name]) - Counter(found[name])).total() for name in found), 0)
    assert apart + missing <= 0.1 * len(virtual)
