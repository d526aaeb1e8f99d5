"""What simulations of a recorded job are asked with: its trace, the storage, compiled recipes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlopt_engine.errors import RefusedError

if TYPE_CHECKING:
    from mlopt_cli.output import Report
    from recipes import Recipe
    from simulator.storage import StorageModel
    from traces.workload import Workload

#: Of --storage: take it from the durations in the trace.
FIT = "fit"


def job_of(trace: Path) -> Workload:
    """Read the recorded job.

    Parameters
    ----------
    trace : Path
        What ``mlopt record`` wrote.

    Returns
    -------
    Workload
        With reads.

    Raises
    ------
    RefusedError
        When the trace holds no read.
    TraceUnreadableError
        When the trace cannot be read.
    """
    from traces.analysis import workload
    from traces.store import Trace

    with Trace.open(trace) as opened:
        job = workload(opened)
    if not job.working_set_bytes:
        raise RefusedError("the trace holds no read of a file below a source", where=str(trace),
                           do="Record with --source DIR", code="no-reads")  # fmt: skip
    return job


def source_of(job: Workload) -> Path | None:
    """Find the data that a job read, where it still is: frameworks are looked for there.

    Parameters
    ----------
    job : Workload
        The recorded job.

    Returns
    -------
    Path or None
        Its source; None where there are several, or it is not on this machine.
    """
    if len(job.sources) != 1:
        return None
    source = Path(job.sources[0])
    return source if source.is_dir() else None


def named_storage(name: str) -> StorageModel | None:
    """Find a storage model before a trace is read, so that a misspelt name costs no time.

    Parameters
    ----------
    name : str
        One that ships, a file of ``mlopt probe -o``, or ``fit``.

    Returns
    -------
    StorageModel or None
        None for ``fit``.
    """
    from simulator.storage import StorageModel, named, names

    if name == FIT:
        return None
    path = Path(name)
    return StorageModel.from_file(path) if name not in names() and path.is_file() else named(name)


def fitted_storage(job: Workload, report: Report) -> StorageModel:
    """Take the storage from the durations in a trace.

    Parameters
    ----------
    job : Workload
        The recorded job.
    report : Report
        Gets the doubts as warnings.

    Returns
    -------
    StorageModel
        The model.
    """
    from simulator.fit import fit

    found = fit(job)
    for warning in found.warnings:
        report.warn("storage-fit", warning)
    return found.model


def compiled(memory_bytes: int, *, recipe: Recipe, report: Report) -> str:
    """Compile a recipe for a budget.

    Parameters
    ----------
    memory_bytes : int
        The budget [bytes].
    recipe : Recipe
        The recipe.
    report : Report
        Gets each warning once.

    Returns
    -------
    str
        The plan as JSON.
    """
    import recipes

    plan = recipes.compile_plan(recipe, memory_bytes=memory_bytes)
    for warning in plan.warnings:
        if warning not in report.warnings:
            report.warn(warning["code"], warning["message"])
    return plan.json
