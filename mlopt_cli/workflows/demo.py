"""The demo: the whole loop on a real training job behind a slow storage, by the commands a user types."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from mlopt_cli.demo import data
from mlopt_cli.workflows.job import JobSpec, Measured, run_job
from mlopt_cli.workflows.memory_cgroup import OutOfMemoryError, is_available, memory_cgroup
from mlopt_cli.workflows.picture import Bar, draw
from mlopt_engine.errors import InvalidInputError, RefusedError
from runtime import emulator
from simulator.storage import StorageModel

LATENCY, BANDWIDTH, CONCURRENCY = "3ms", "60MB/s", 16
SPEC = emulator.EmulatorSpec(latency_ns=3_000_000, bandwidth=60e6, concurrency=CONCURRENCY)
EPOCHS = 4
#: Says that a folder is the demo's, whose files the next demo may replace.
MARKER = ".mlopt-demo"
#: Names of the rows; the same in table, picture and JSON.
SOURCE, PAGE_CACHE, DEFAULT, TUNED = "source", "page cache", "default", "tuned"

Say = Callable[[str], None]

#: The job's own memory is sampled and its peak can be missed: what its cgroup gets beside it, the next where
#: the last was too little [bytes].
_SPARE_BYTES = (0, 16 << 20, 64 << 20)


@dataclass(frozen=True)
class DemoOptions:
    """How to run the demo.

    Attributes
    ----------
    folder : Path
        Where everything goes.
    say : callable
        Told each step, and each command before it runs.
    advance : callable
        Told what the running step has done: text and share 0..1.
    data : DataSpec
        How much data the job reads.
    """

    folder: Path
    say: Say
    advance: Callable[[str, float], None]
    data: data.DataSpec = field(default_factory=data.DataSpec)


@dataclass
class DemoResult:
    """What came out.

    Attributes
    ----------
    memory_bytes : int
        The budget: half of the shuffled data [bytes].
    rows : list of dict
        ``name``, ``predicted`` and ``measured`` with ``epoch_s``, ``hit_ratio``, ``source_bytes``, and
        ``error_ratio`` and ``spread_ratio``.
    picture : Path or None
        The picture.
    recipe : Path or None
        The learned recipe; None when nothing beat the default.
    same_result : bool or None
        Whether all rows ended with the same model and checksum; None when only one ran.
    notes : list of str
        What was left out, and why.
    seconds : float
        The whole demo [s].
    """

    memory_bytes: int
    rows: list[dict[str, Any]]
    picture: Path | None = None
    recipe: Path | None = None
    same_result: bool | None = None
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def can_mount() -> bool:
    """Tell whether this process can open /dev/fuse.

    Returns
    -------
    bool
        False without the device or the right to it: the demo leaves out the mounts then.
    """
    return os.access("/dev/fuse", os.R_OK | os.W_OK)


def run(options: DemoOptions) -> DemoResult:
    """Run the demo.

    Parameters
    ----------
    options : DemoOptions
        Where, and whom to tell.

    Returns
    -------
    DemoResult
        The table's figures.

    Raises
    ------
    InvalidInputError
        When the folder cannot be used, or holds other things.
    RefusedError
        When a step fails, or the rows do not end with the same model.
    """
    began = time.monotonic()
    folder = _folder(options.folder)
    options = replace(options, folder=folder)
    options.say("Making the data: images cut from those that ship with scikit-learn")
    made = data.make(folder / "data", options.data, lambda share: options.advance("making data", share))
    demo = _Demo(options, made, made.train_bytes // 2)
    with contextlib.ExitStack() as stack:
        source = made.root
        if can_mount():
            source = demo.slow(stack, "slow", keep_cache=False)
        else:
            demo.notes.append(
                "without /dev/fuse there is no mount: the job is recorded on a plain directory and predicted "
                f"for a storage of {LATENCY}, {BANDWIDTH}, {CONCURRENCY} at once; nothing was measured"
            )
        trace = demo.record(source)
        demo.probe(source)
        recipe = demo.learn(trace)
        predicted = demo.predict(trace, recipe)
        measured = demo.measure(source, recipe) if can_mount() else {}
    rows = [_row(name, predicted.get(name), measured.get(name), demo.epoch_bytes) for name in predicted]
    result = DemoResult(memory_bytes=demo.memory_bytes, rows=rows, recipe=recipe, notes=demo.notes)
    result.picture = folder / "demo.png"
    draw([_bar(row) for row in rows], result.picture, demo.title())
    if measured:
        found = {(run.model, run.checksum) for run in measured.values()}
        result.same_result = len(found) == 1 if len(measured) > 1 else None
    if result.same_result is False:
        raise RefusedError("the rows did not end with the same model", value=str(found), code="demo-differs")
    result.seconds = time.monotonic() - began
    return result


def _folder(path: Path) -> Path:
    """Make the demo's folder, or take one that an earlier demo made; never one with other things in it."""
    folder = path.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_foreign = any(folder.iterdir()) and not (folder / MARKER).exists()
        if not is_foreign:
            (folder / MARKER).touch()
    except OSError as error:
        raise InvalidInputError(
            f"the folder cannot be used: {error.strerror}",
            where="--keep",
            value=str(path),
            do="Name a directory that you may write to",
        ) from error
    if is_foreign:
        raise InvalidInputError(
            "the folder is not empty and no demo made it; nothing in it was touched",
            where="--keep",
            value=str(path),
            do="Name another, or remove it",
        )
    return folder


class _Demo:
    """The steps, and what they share."""

    def __init__(self, options: DemoOptions, made: data.DataSet, memory_bytes: int) -> None:
        self.options = options
        self.made = made
        self.memory_bytes = memory_bytes
        self.notes: list[str] = []
        self.epoch_bytes = 0.0
        self.storage = self.options.folder / "storage.json"
        self.emulators: dict[str, emulator.Emulator] = {}

    def title(self) -> str:
        """Say in one line what was run."""
        return (
            f"{self.made.files:,} files behind {LATENCY}, {BANDWIDTH}, {CONCURRENCY} at once; "
            f"{self.memory_bytes / 2**20:.0f} MiB of memory"
        )

    def slow(self, stack: contextlib.ExitStack, name: str, *, keep_cache: bool) -> Path:
        """Start an emulator in front of the data."""
        mountpoint = self.options.folder / name
        mountpoint.mkdir(exist_ok=True)
        self.options.say(
            f"$ mlopt emulate {self.made.root} {mountpoint} --latency {LATENCY} --bandwidth {BANDWIDTH} "
            f"--concurrency {CONCURRENCY}{' --keep-cache' if keep_cache else ''}"
        )
        spec = emulator.EmulatorSpec(
            latency_ns=SPEC.latency_ns, bandwidth=SPEC.bandwidth, concurrency=SPEC.concurrency,
            keep_cache=keep_cache,
        )  # fmt: skip
        self.emulators[name] = stack.enter_context(emulator.start(self.made.root, mountpoint, spec))
        return mountpoint

    def mlopt(self, *words: str, command: list[str] | None = None) -> list[str]:
        """Say a command as the user would type it; return the words that run it."""
        tail = ["--", *command] if command else []
        shown = ["--", Path(command[0]).name, *command[1:]] if command else []
        self.options.say("$ mlopt " + " ".join([*words, *shown]))
        return [sys.executable, "-P", "-m", "mlopt_cli.main", *words, *tail]

    def ask(self, *words: str) -> dict[str, Any]:
        """Run a command that answers in JSON; return its envelope."""
        done = subprocess.run(
            [*self.mlopt(*words), "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            envelope: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise RefusedError(
                f"{words[0]} ended with {done.returncode}: {done.stderr[-500:]}", code="demo"
            ) from None
        return envelope

    def job(self, source: Path) -> JobSpec:
        """Describe the job on a source."""
        return JobSpec(data=source, output=self.options.folder / "checkpoints", epochs=EPOCHS)

    def counters(self, source: Path) -> Callable[[], dict[str, Any]]:
        """Find who counts what a source serves."""
        found = self.emulators.get(source.name)
        return found.status if found else lambda: {"operations": {"read": {"bytes": 0, "count": 0}}}

    def run(self, label: str, words: list[str], source: Path, **more: Any) -> Measured:
        """Run the job, showing its epochs."""
        self.options.advance(label, 0.0)

        def show(line: dict[str, Any]) -> None:
            if "epoch" in line:
                self.options.advance(label, (line["epoch"] + 1) / EPOCHS)

        return run_job(words, self.counters(source), show, **more)

    def record(self, source: Path) -> Path:
        """Record the job, once more untraced for true CPU times."""
        trace = self.options.folder / "run.duckdb"
        words = self.mlopt(
            "record", "-o", str(trace), "--force", "--calibrate", "--source", str(source),
            command=self.job(source).command(),
        )  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RefusedError(f"recording ended with {done.returncode}: {done.stderr[-500:]}", code="demo")
        report = self.ask("report", str(trace))["result"]
        epochs = report["epochs"][1:] or report["epochs"]
        self.epoch_bytes = median(float(epoch["read_bytes"]) for epoch in epochs)
        return trace

    def probe(self, source: Path) -> None:
        """Measure the source, and FUSE's own cost on this machine; without mounts, state the source."""
        self.storage.unlink(missing_ok=True)
        if can_mount():
            self.ask("probe", str(source), "-o", str(self.storage), "--fuse")
            return
        latency, bandwidth = float(SPEC.latency_ns), float(SPEC.bandwidth or 0)
        model = StorageModel(
            "slow", latency, SPEC.jitter, latency, bandwidth, bandwidth, CONCURRENCY, origin="specification"
        )
        self.storage.write_text(json.dumps({"model": asdict(model)}, indent=2), encoding="utf-8")

    def learn(self, trace: Path) -> Path | None:
        """Learn a recipe; None when nothing beats the default."""
        recipe = self.options.folder / "tuned.yaml"
        recipe.unlink(missing_ok=True)
        answer = self.ask(
            "learn",
            str(trace),
            "-o",
            str(recipe),
            "--memory",
            str(self.memory_bytes),
            "--storage",
            str(self.storage),
        )
        if "error" in answer:
            self.notes.append(f"nothing learned: {answer['error']['what']}")
            return None
        return recipe

    def predict(self, trace: Path, recipe: Path | None) -> dict[str, dict[str, float]]:
        """Predict each row: mean of the epochs after the first."""
        named = {DEFAULT: DEFAULT} | ({TUNED: str(recipe)} if recipe else {})
        flags = [word for name in named.values() for word in ("-r", name)]
        answer = self.ask(
            "simulate", str(trace), *flags, "--memory", str(self.memory_bytes), "--storage", str(self.storage)
        )
        names = {value: key for key, value in named.items()}
        rows = {}
        for row in answer["result"]["rows"]:
            steady = slice(1, None) if len(row["epoch_s"]) > 1 else slice(None)
            rows[names.get(row["recipe"], row["recipe"])] = {
                "epoch_s": median(row["epoch_s"][steady]),
                "source_bytes": median(row["source_bytes"][steady]),
            }
        order = (SOURCE, PAGE_CACHE, DEFAULT, TUNED)
        return {name: rows[name] for name in order if name in rows}

    def measure(self, source: Path, recipe: Path | None) -> dict[str, Measured]:
        """Run the job in each way."""
        command = self.job(source).command()
        rows: dict[str, Measured] = {}
        self.options.say("$ " + " ".join([Path(command[0]).name, *command[1:]]))
        if is_available():
            with memory_cgroup("mlopt-demo") as group:
                rows[SOURCE] = self.run("source as it is", command, source, cgroup=group)
            with contextlib.ExitStack() as stack, memory_cgroup("mlopt-demo-cache") as group:
                cached = self.slow(stack, "cached", keep_cache=True)
                words = self.job(cached).command()
                for spare in _SPARE_BYTES:
                    group.limit(rows[SOURCE].anonymous_bytes + self.memory_bytes + spare)
                    with contextlib.suppress(OutOfMemoryError):
                        rows[PAGE_CACHE] = self.run("behind a page cache", words, cached, cgroup=group)
                        break
                    self.notes.append(
                        f"the job did not fit beside a page cache of the budget and {spare >> 20} MiB more"
                    )
        else:
            rows[SOURCE] = self.run("source as it is", command, source)
            self.notes.append(
                "not root: no page cache of a given budget was measured (it needs a memory cgroup)"
            )
        for name, found in ((DEFAULT, DEFAULT), (TUNED, str(recipe) if recipe else None)):
            if found is not None:
                words = self.mlopt(
                    "run", "--source", str(source), "-r", found, "--memory", str(self.memory_bytes),
                    command=command,
                )  # fmt: skip
                rows[name] = self.run(f"under {name}", words, source)
        return rows


def _row(
    name: str, predicted: dict[str, float] | None, measured: Measured | None, epoch_bytes: float
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "predicted": None,
        "measured": None,
        "error_ratio": None,
        "spread_ratio": None,
    }
    if predicted:
        row["predicted"] = predicted | {"hit_ratio": _hits(predicted["source_bytes"], epoch_bytes)}
    if measured:
        steady = measured.epoch_s[1:]
        seconds, served = median(steady), float(median(measured.source_bytes[1:]))
        row["measured"] = {
            "epoch_s": seconds,
            "source_bytes": served,
            "hit_ratio": _hits(served, epoch_bytes),
            "epochs_s": measured.epoch_s,
        }
        row["spread_ratio"] = (max(steady) - min(steady)) / seconds
        if predicted:
            row["error_ratio"] = predicted["epoch_s"] / seconds - 1
    return row


def _hits(source_bytes: float, epoch_bytes: float) -> float:
    return max(0.0, 1 - source_bytes / epoch_bytes)


def _bar(row: dict[str, Any]) -> Bar:
    def pair(key: str) -> tuple[float | None, float | None]:
        first, second = (row[side][key] if row[side] else None for side in ("predicted", "measured"))
        return first, second

    return Bar(row["name"], pair("epoch_s"), pair("hit_ratio"), pair("source_bytes"))
