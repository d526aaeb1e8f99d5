"""A storage as a queueing model: what `probe` measures, `fit` infers and the simulator charges."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from mlopt_engine.errors import InvalidInputError

REMEDY = "Write one with 'mlopt probe DIR -o FILE'"
NS_PER_S = 1_000_000_000


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
    request_cpu_ns : float
        CPU that this machine spends outside the job for each request: a client in user space, a server on the
        same cores [ns].
    mib_cpu_ns : float
        The same for each MiB [ns].
    client_request_cpu_ns : float
        CPU inside the reading thread for each request; a part of what was recorded, taken out where a read
        does not reach the storage [ns].
    client_mib_cpu_ns : float
        The same for each MiB [ns].
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
    request_cpu_ns: float = 0.0
    mib_cpu_ns: float = 0.0
    client_request_cpu_ns: float = 0.0
    client_mib_cpu_ns: float = 0.0

    def to_json(self) -> str:
        """Write the model as JSON.

        Returns
        -------
        str
            One object, keys as the attributes.
        """
        return json.dumps(asdict(self), indent=2)

    def facts(self) -> dict[str, str | int]:
        """Tell what conditions can ask of the storage.

        Returns
        -------
        dict
            Its bandwidth [bytes/s], and the requests that it serves at once over the time of one [1/s].
        """
        facts: dict[str, str | int] = {"system.network_bandwidth": int(self.bandwidth)}
        if self.latency_ns > 0:
            facts["system.storage_iops"] = int(self.concurrency * NS_PER_S / self.latency_ns)
        return facts

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

        Raises
        ------
        InvalidInputError
            When the file cannot be read or holds something else.
        """
        try:
            return _read(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise InvalidInputError(
                f"the storage model cannot be read: {error.strerror}",
                where=str(path),
                do="Check path and permissions",
            ) from error
        except UnicodeDecodeError as error:
            raise InvalidInputError(
                "not a storage model", where=str(path), value="binary data", do=REMEDY
            ) from error


def names() -> list[str]:
    """List the storages that ship.

    Returns
    -------
    list of str
        In alphabetical order.
    """
    return sorted(
        entry.name.removesuffix(".json") for entry in _shipped().iterdir() if entry.name.endswith(".json")
    )


def named(name: str) -> StorageModel:
    """Look up a storage that ships; typical of its kind, not measured on yours.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    StorageModel
        The model.

    Raises
    ------
    InvalidInputError
        When there is no storage of that name.
    """
    if name not in names():
        raise InvalidInputError(
            "unknown storage",
            where="--storage",
            value=repr(name),
            do=f"Name one of {', '.join(names())}, a file that 'mlopt probe DIR -o FILE' wrote, or 'fit'",
        )
    return _read((_shipped() / f"{name}.json").read_text(), name)


def _shipped() -> Traversable:
    return files("simulator") / "storages"


def _read(text: str, where: str) -> StorageModel:
    try:
        model = json.loads(text)["model"]
        known = {each.name for each in fields(StorageModel)}
        unknown = sorted(set(model) - known)
        if unknown:
            raise InvalidInputError(
                f"unknown field '{unknown[0]}'",
                where=where,
                do="Measure again with 'mlopt probe DIR -o FILE'",
            )
        storage = StorageModel(**model)
    except ValueError as error:
        raise InvalidInputError(
            f"not a storage model: no JSON, {error}", where=where, value=repr(text[:20]), do=REMEDY
        ) from error
    except (KeyError, TypeError) as error:
        raise InvalidInputError("not a storage model", where=where, value=str(error), do=REMEDY) from error
    _check(storage, where)
    return storage


def _check(storage: StorageModel, where: str) -> None:
    positive = ("bandwidth", "stream_bandwidth", "concurrency", "request_bytes")
    for each in fields(StorageModel):
        value = getattr(storage, each.name)
        if each.name in {"name", "origin", "keeps_page_cache"}:
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or value < 0 or (each.name in positive and value <= 0):
            raise InvalidInputError(
                f"'{each.name}' must be a {'positive ' if each.name in positive else ''}number",
                where=where,
                value=repr(value),
                do="Measure again with 'mlopt probe DIR -o FILE'",
            )
