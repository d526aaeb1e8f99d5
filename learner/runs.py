"""The recorded runs that a recipe is learned from, cut into what it may see and what judges it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from learner.epochs import count_epochs, first_epochs, first_part
from mlopt_engine.errors import InvalidInputError, RefusedError
from traces.workload import OP_READ, Workload, assume_epochs

#: Three epochs to train (the first has no reuse) and one to judge.
MIN_EPOCHS = 4
#: Of a job that reads its data once, this share of the bytes trains.
TRAINING_SHARE = 0.75
#: A file of which more than this multiple of its size was read was read again.
REREAD = 1.5


@dataclass(frozen=True)
class Run:
    """One trace, ready to learn from.

    Attributes
    ----------
    name : str
        The trace's file name.
    sha256 : str
        Of the trace.
    recorded : Workload
        As recorded.
    whole : Workload
        All of it, assumed epochs included.
    training : Workload
        What the learner may see.
    recorded_epochs : int
        Epochs in the trace.
    assumed_epochs : int
        Epochs that were made from the recorded ones.
    reads_again : bool
        Whether a noticeable share of the bytes is read more than once.
    """

    name: str
    sha256: str
    recorded: Workload
    whole: Workload
    training: Workload
    recorded_epochs: int
    assumed_epochs: int
    reads_again: bool

    @property
    def epochs(self) -> int:
        """Epochs to learn from, assumed ones included."""
        return self.recorded_epochs + self.assumed_epochs

    @property
    def once(self) -> bool:
        """Whether the job reads its data once."""
        return self.epochs == 1 and not self.reads_again

    @property
    def is_single(self) -> bool:
        """Whether the job has no epochs and reads data again: nothing of it is like what is left of it."""
        return self.epochs == 1 and self.reads_again

    @property
    def judged(self) -> str:
        """What judges, in words."""
        if self.once:
            return "last quarter of the job"
        return "whole job" if self.is_single else "epoch"


def make_run(
    workload: Workload, *, name: str, sha256: str, assumed_epochs: int | None = None, seed: int = 0
) -> Run:
    """Cut a recorded job into training and hold-out.

    With two or three epochs the missing ones are made from the recorded. One epoch is taken for what it is,
    unless `assumed_epochs` says otherwise: a job that reads its data once, or one that reads it again without
    epochs, such as processes that load one model.

    Parameters
    ----------
    workload : Workload
        The job.
    name : str
        The trace's file name.
    sha256 : str
        Of the trace.
    assumed_epochs : int, optional
        Epochs that the job has in truth; 1 means that it reads its data once.
    seed : int
        For the order of assumed epochs.

    Returns
    -------
    Run
        Ready to learn from.

    Raises
    ------
    InvalidInputError
        When `assumed_epochs` is fewer than four and not 1.
    RefusedError
        When nothing was read.
    """
    reads = (workload.op == OP_READ) & (workload.length > 0)
    if not reads.any():
        raise RefusedError(
            "the trace holds no read of a file below the source, so there is nothing to learn",
            where=name,
            do="Record the job again with 'mlopt record --source DIR -- CMD', DIR being where its data is",
            code="no-reads",
        )
    recorded = count_epochs(workload)
    if assumed_epochs is not None and (assumed_epochs < 1 or 1 < assumed_epochs < MIN_EPOCHS):
        raise InvalidInputError(
            "three epochs are needed to train and one to judge",
            where="--assume-epochs",
            value=str(assumed_epochs),
            do=f"Give {MIN_EPOCHS} or more, or 1 for a job that reads its data once",
            code="too-few-epochs",
        )
    if recorded == 1 and assumed_epochs is None and _reads_again(workload):
        # loads of a model: the first are cold and the later ones warm, so no part can stand for another
        return Run(name, sha256, workload, workload, workload, 1, 0, reads_again=True)
    if recorded == 1 and assumed_epochs in (None, 1):
        part = first_part(workload, TRAINING_SHARE)
        return Run(
            name, sha256, workload, workload, part if len(part.op) else workload, 1, 0, reads_again=False
        )
    target = max(recorded, MIN_EPOCHS if assumed_epochs is None else assumed_epochs)
    whole = workload if target == recorded else assume_epochs(workload, target, seed)
    training = first_epochs(whole, target - 1)
    return Run(name, sha256, workload, whole, training, recorded, target - recorded, reads_again=True)


def _reads_again(workload: Workload) -> bool:
    """Say whether a noticeable share of the bytes is read more than once in the record."""
    reads = workload.op == OP_READ
    read = np.bincount(
        workload.file[reads].astype(np.int64),
        weights=workload.length[reads].astype(np.float64),
        minlength=len(workload.files.path),
    )
    size = workload.files.size.astype(np.float64)
    again = (read > REREAD * size) & (size > 0)
    return float(size[again].sum()) > 0.05 * float(size[read > 0].sum())


def working_set_bytes(runs: Sequence[Run]) -> int:
    """Find the largest working set among the runs.

    Parameters
    ----------
    runs : sequence of Run
        The runs.

    Returns
    -------
    int
        Unique bytes of the files read [bytes].
    """
    return max(run.whole.working_set_bytes for run in runs)
