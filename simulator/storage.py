"""A storage as a queueing model: what `probe` measures, `fit` infers and the simulator charges."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class StorageModel:
    """Latency, bandwidth and concurrency of one storage.

    A read of b bytes takes a slot of `concurrency`, waits one latency, then shares the link:
    ``t = max(now + latency, link_free) + b / bandwidth``; one stream alone gets at most `stream_bandwidth`.

    Attributes
    ----------
    name : str
        What to call it in results.
    latency_ns : float
        Median time to the first byte of a read [ns].
    latency_sigma : float
        Spread of that latency: standard deviation of its natural logarithm [1].
    metadata_latency_ns : float
        Median time of open, stat or lookup [ns].
    bandwidth : float
        Shared by all streams [bytes/s].
    stream_bandwidth : float
        Upper limit of one stream [bytes/s].
    concurrency : int
        Requests served at once.
    request_bytes : int
        Largest request that reaches the storage in one piece [bytes].
    keeps_page_cache : bool
        Whether pages read once stay in the client's page cache when the file is opened again.
    origin : str
        ``probe``, ``fit``, ``named`` or ``specification``.
    """

    name: str
    latency_ns: float
    latency_sigma: float
    metadata_latency_ns: float
    bandwidth: float
    stream_bandwidth: float
    concurrency: int
    request_bytes: int = 1 << 20
    keeps_page_cache: bool = False
    origin: str = "named"

    def to_json(self) -> str:
        """Write the model as JSON.

        Returns
        -------
        str
            One object, keys as the attributes.
        """
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_file(cls, path: Path) -> StorageModel:
        """Read a model that `mlopt probe -o` wrote.

        Parameters
        ----------
        path : Path
            The file.

        Returns
        -------
        StorageModel
            The model.
        """
        return cls(**json.loads(path.read_text())["model"])
