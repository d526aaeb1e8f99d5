"""Jobs to measure recipes on: each an ordinary program of one file that makes its data and then reads it.

``python FILE make ROOT`` writes the data, ``python FILE run ROOT`` is the job. A job knows nothing of mlopt.
A new one is one file and one line in `JOBS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["JOBS", "Job"]

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes
    ----------
    name : str
        What recipes call it in ``metadata.job``.
    summary : str
        Who reads what, in which order.
    memory : str
        The budget, a share of the working set as ``--memory`` takes it.
    storage : str
        The kind of storage that such jobs read from, as `benchmarks.recipes` emulates it.
    """

    name: str
    summary: str
    memory: str
    storage: str

    @property
    def program(self) -> Path:
        """Where its program is."""
        return _HERE / f"{self.name.replace('-', '_')}.py"


FILES, OBJECTS = "file server", "object store"
JOBS: dict[str, Job] = {
    job.name: job
    for job in (
        Job(
            "images",
            "four workers read 800 image files in a new order each epoch, with an index",
            "0.5",
            FILES,
        ),
        Job(
            "tar-shards",
            "two workers stream tar shards, the shards in a new order each epoch",
            "0.5",
            OBJECTS,
        ),
        Job("mds-shards", "two workers read samples of MDS shards in a shuffled order", "0.5", OBJECTS),
        Job("tfrecords", "two workers stream record files in small reads, in a new order", "0.5", OBJECTS),
        Job("model-load", "six short processes, three at a time, each read the same model", "1.0", OBJECTS),
        Job("tables", "three passes over Parquet files: the footer, then two columns", "0.5", FILES),
        Job("once", "one pass over large files in order, small results of each kept", "0.5", OBJECTS),
    )
}
