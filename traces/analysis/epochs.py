"""Epochs: where the job begins to read the same set again, over files or inside a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from traces.analysis.accesses import Accesses
from traces.workload import OP_READ

#: Fewer files than this with many reads each: the units of an epoch are pieces of files, not files.
_FEW_FILES = 4
_MANY_READS = 50
#: Share of visits that may lie on the wrong side of a boundary before the set's repetition is no epoch.
_OVERLAP = 0.2
#: Rank correlation of two epochs' orders below which they count as shuffled.
_SHUFFLED_BELOW = 0.5


@dataclass(frozen=True)
class Epochs:
    """Where epochs start and whether their order changes.

    Attributes
    ----------
    start_ns : ndarray of int64, shape (n_epochs,)
        Start of each [ns since the run's start].
    shuffled : bool
        Whether orders differ.
    inside_files : bool
        Whether the units are pieces of files.
    """

    start_ns: NDArray[np.int64]
    shuffled: bool
    inside_files: bool


def detect(accesses: Accesses) -> Epochs:
    """Find the epochs of a job.

    The units that are visited equally often, as most are, form the core. Its e-th visits make epoch e; if
    those of two neighbours overlap by more than a fifth, the job draws at random and there is one epoch.

    Parameters
    ----------
    accesses : Accesses
        Of the whole run.

    Returns
    -------
    Epochs
        At least one where anything was read.
    """
    reads = np.flatnonzero(accesses.op == OP_READ)
    if not len(reads):
        return Epochs(accesses.t_ns[:1].copy(), shuffled=False, inside_files=False)
    n_files = len(np.unique(accesses.file[reads]))
    inside = n_files <= _FEW_FILES and len(reads) >= _MANY_READS * n_files
    unit, at = _visits(accesses, reads, inside)
    first = np.array([accesses.t_ns[0]], np.int64)
    occurrence, count = _occurrences(unit)
    repeated = count[count >= 2]
    if not len(repeated) or len(repeated) < 0.1 * len(count):
        return Epochs(first, shuffled=_is_shuffled_once(accesses, unit, inside), inside_files=inside)
    n_epochs = int(np.bincount(repeated).argmax())
    core = count[unit] == n_epochs
    starts = np.array([at[core & (occurrence == e)].min() for e in range(n_epochs)], np.int64)
    placed = np.searchsorted(starts, at[core], side="right") - 1
    if (placed != occurrence[core]).mean() > _OVERLAP:
        # Processes side by side that read the same files have no epochs either, and an order all the same.
        return Epochs(first, _is_shuffled(unit, occurrence, core), inside)
    starts[0] = first[0]
    return Epochs(_settle(accesses, starts), _is_shuffled(unit, occurrence, core), inside)


def _visits(
    accesses: Accesses, reads: NDArray[np.int64], inside: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each visit's unit, dense, and its time."""
    if inside:
        keys = np.stack([accesses.file[reads], accesses.offset[reads]], axis=1)
        unit = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
        return unit.astype(np.int64), accesses.t_ns[reads]
    # A visit is the first read of an open file description, or a return to the start of the file.
    handle, file, offset = accesses.handle[reads], accesses.file[reads], accesses.offset[reads]
    order = np.lexsort((np.arange(len(reads)), handle, file))
    new = np.ones(len(reads), bool)
    same = (handle[order][1:] == handle[order][:-1]) & (file[order][1:] == file[order][:-1])
    new[order[1:]] = ~(same & ~((offset[order][1:] == 0) & (offset[order][:-1] > 0)))
    visits = reads[new]
    unit = np.unique(accesses.file[visits], return_inverse=True)[1]
    return unit.astype(np.int64), accesses.t_ns[visits]


def _occurrences(unit: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many visits to the same unit came before, and visits of each unit."""
    count = np.bincount(unit)
    order = np.argsort(unit, kind="stable")
    starts = np.concatenate([[0], np.cumsum(count)[:-1]])
    occurrence = np.empty(len(unit), np.int64)
    occurrence[order] = np.arange(len(unit)) - np.repeat(starts, count)
    return occurrence, count


def _settle(accesses: Accesses, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move each start back over the lookups and opens that lead to its first read."""
    settled = starts.copy()
    for e in range(1, len(starts)):
        before = np.flatnonzero((accesses.t_ns < starts[e]) & (accesses.op == OP_READ))
        last_read_end = accesses.end_ns[before].max() if len(before) else 0
        lead = np.flatnonzero((accesses.t_ns >= last_read_end) & (accesses.t_ns <= starts[e]))
        if len(lead):
            settled[e] = accesses.t_ns[lead[0]]
    return settled


def _is_shuffled(unit: NDArray[np.int64], occurrence: NDArray[np.int64], core: NDArray[np.bool_]) -> bool:
    orders = []
    for e in (0, 1):
        sequence = unit[core & (occurrence == e)]
        position = np.empty(int(unit.max()) + 1)
        position[:] = np.nan
        position[sequence] = np.arange(len(sequence))
        orders.append(position)
    both = ~np.isnan(orders[0]) & ~np.isnan(orders[1])
    return _correlation(orders[0][both], orders[1][both]) < _SHUFFLED_BELOW


def _is_shuffled_once(accesses: Accesses, unit: NDArray[np.int64], inside: bool) -> bool:
    """One epoch only: compare with the order of names, or of offsets."""
    if inside:
        return _correlation(np.arange(len(unit), dtype=float), unit.astype(float)) < _SHUFFLED_BELOW
    read = np.unique(accesses.file[accesses.op == OP_READ])
    names = [accesses.files.path[i] for i in read]
    rank = np.empty(len(names))
    rank[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return _correlation(np.arange(len(unit), dtype=float), rank[unit]) < _SHUFFLED_BELOW


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 1.0
    ranks = [np.argsort(np.argsort(x, kind="stable"), kind="stable") for x in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
