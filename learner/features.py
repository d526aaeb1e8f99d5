"""What a job does with each file: how often, how much, in which order, and what it waits for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from traces.workload import OP_OPEN, OP_READ, OP_STAT, Workload

#: Upper ends of the size buckets [bytes]: a small file is one block, a large one is worth ranged reads.
SMALL_BYTES = 1 << 20
LARGE_BYTES = 64 << 20
BUCKETS = ("small", "medium", "large")

#: The columns of the table that `file_features` makes, one row per path.
COLUMNS = (
    "path", "directory", "extension", "size", "bucket", "runs", "epochs", "epochs_read", "reads",
    "bytes_read", "wait_ns", "sequential_ratio", "position", "next_position",
)  # fmt: skip


@dataclass(frozen=True)
class ReadOrder:
    """Where in its first two epochs a file is first read.

    Attributes
    ----------
    first : ndarray of float64, shape (n_files,)
        Position in the first epoch that reads the file, 0 to 1; NaN when it is never read.
    second : ndarray of float64, shape (n_files,)
        The same in the next epoch that reads it; NaN when there is none.
    """

    first: NDArray[np.float64]
    second: NDArray[np.float64]


def file_features(workloads: Sequence[Workload]) -> pd.DataFrame:
    """Describe each file that was read, one row per path over all runs.

    Parameters
    ----------
    workloads : sequence of Workload
        The runs to learn from; equal paths are the same file.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, sorted by path. ``epochs`` counts the epochs of the runs that know the file and
        ``epochs_read`` those that read it [1]; ``reads`` and ``bytes_read`` are totals over them [1, bytes];
        ``wait_ns`` is the recorded time in open, stat and read [ns]; ``sequential_ratio`` is the share of
        reads that start at the file's first byte or where the last one ended [1]; ``position`` and
        ``next_position`` are those of `ReadOrder`.
    """
    table = pd.concat([_run_features(workload) for workload in workloads], ignore_index=True)
    if len(workloads) > 1:
        table = _merge_runs(table)
    if table.empty:
        return pd.DataFrame({name: [] for name in COLUMNS})
    table = table.sort_values("path", kind="stable").reset_index(drop=True)
    parts = [path.rpartition("/") for path in table["path"]]
    # plain objects: pandas' own strings refuse the lone surrogates of names that are no UTF-8
    table["directory"] = pd.Series([directory for directory, _, _ in parts], dtype=object)
    table["extension"] = pd.Series([_extension(name) for _, _, name in parts], dtype=object)
    bucket = np.digitize(table["size"].to_numpy(), [SMALL_BYTES, LARGE_BYTES])
    table["bucket"] = [BUCKETS[index] for index in bucket]
    return table[list(COLUMNS)]


def _extension(name: str) -> str:
    """Find the extension as recipes see it: without the dot, in lower case, empty for none."""
    stem, dot, extension = name.rpartition(".")
    return extension.lower() if dot and stem else ""


def _run_features(workload: Workload) -> pd.DataFrame:
    n_files = len(workload.files.path)
    is_read = (workload.op == OP_READ) & (workload.length > 0)
    file = workload.file[is_read].astype(np.int64)
    if len(file) == 0:
        return pd.DataFrame()
    n_epochs = int(workload.epoch.max()) + 1
    epoch = workload.epoch[is_read].astype(np.int64)
    reads = np.bincount(file, minlength=n_files)
    touched = np.isin(workload.op, (OP_OPEN, OP_READ, OP_STAT))
    waits = np.bincount(
        workload.file[touched].astype(np.int64),
        weights=workload.duration_ns[touched].astype(np.float64),
        minlength=n_files,
    )
    pairs = np.unique(file * n_epochs + epoch)
    order = read_order(file, epoch, n_files)
    table = pd.DataFrame(
        {
            "path": pd.Series([os.fsdecode(path) for path in workload.files.path], dtype=object),
            "size": workload.files.size,
            "runs": 1,
            "epochs": n_epochs,
            "epochs_read": np.bincount(pairs // n_epochs, minlength=n_files),
            "reads": reads,
            "bytes_read": np.bincount(
                file, weights=workload.length[is_read].astype(np.float64), minlength=n_files
            ).astype(np.int64),
            "wait_ns": waits.astype(np.int64),
            "sequential_ratio": _sequential_ratio(workload, is_read, reads),
            "position": order.first,
            "next_position": order.second,
        }
    )
    return table[reads > 0]


def read_order(file: NDArray[np.int64], epoch: NDArray[np.int64], n_files: int) -> ReadOrder:
    """Find where in its first two epochs each file is first read.

    Parameters
    ----------
    file : ndarray of int64, shape (n_reads,)
        The file of each read, in the order of the reads.
    epoch : ndarray of int64, shape (n_reads,)
        The epoch of each read.
    n_files : int
        How many files there are.

    Returns
    -------
    ReadOrder
        Positions as a share of the epoch's reads.
    """
    lengths = np.bincount(epoch)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    by_epoch = np.argsort(epoch, kind="stable")
    rank = np.empty(len(epoch), np.int64)
    rank[by_epoch] = np.arange(len(epoch))
    position = (rank - starts[epoch]) / np.maximum(lengths[epoch], 1)
    n_epochs = len(lengths)
    key, index = np.unique(file * n_epochs + epoch, return_index=True)
    owner = key // n_epochs
    nth = np.arange(len(key)) - np.searchsorted(owner, owner)
    found = [np.full(n_files, np.nan), np.full(n_files, np.nan)]
    for which, positions in enumerate(found):
        positions[owner[nth == which]] = position[index[nth == which]]
    return ReadOrder(*found)


def _sequential_ratio(
    workload: Workload, is_read: NDArray[np.bool_], reads: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Find the share of each file's reads that start at 0 or where the same worker's last one ended."""
    file = workload.file[is_read].astype(np.int64)
    worker = workload.worker[is_read].astype(np.int64)
    offset, end = workload.offset[is_read], (workload.offset + workload.length)[is_read]
    by_cursor = np.lexsort((np.arange(len(file)), worker, file))
    same = np.zeros(len(file), bool)
    same[1:] = (np.diff(file[by_cursor]) == 0) & (np.diff(worker[by_cursor]) == 0)
    last_end = np.concatenate([[0], end[by_cursor][:-1]])
    follows = (offset[by_cursor] == 0) | (same & (offset[by_cursor] == last_end))
    counted = np.bincount(file[by_cursor], weights=follows.astype(np.float64), minlength=len(reads))
    return np.asarray(counted / np.maximum(reads, 1), dtype=np.float64)


def _merge_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Join the rows of one path over several runs."""
    table = table.assign(sequential_reads=table["sequential_ratio"] * table["reads"])
    # grouped by number: pandas' index refuses the lone surrogates of names that are no UTF-8
    number = {path: index for index, path in enumerate(dict.fromkeys(table["path"]))}
    table = table.assign(number=[number[path] for path in table["path"]])
    merged = table.groupby("number", as_index=False, sort=True).agg(
        size=("size", "max"),
        runs=("runs", "sum"),
        epochs=("epochs", "sum"),
        epochs_read=("epochs_read", "sum"),
        reads=("reads", "sum"),
        bytes_read=("bytes_read", "sum"),
        wait_ns=("wait_ns", "sum"),
        sequential_reads=("sequential_reads", "sum"),
        position=("position", "first"),
        next_position=("next_position", "first"),
    )
    merged["sequential_ratio"] = merged["sequential_reads"] / merged["reads"]
    merged["path"] = pd.Series(list(number), dtype=object)
    return merged.drop(columns=["sequential_reads", "number"])
