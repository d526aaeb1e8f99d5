"""What FUSE itself costs on this machine; the simulator charges it to the cores."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path


@dataclass(frozen=True)
class FuseCosts:
    """CPU time of the messages and orders of a mount, reader and daemon together.

    The default is what `mlopt probe --fuse` measured, as CPU time of both processes, on a virtual machine of
    2 cores with Linux 6.18: the lower of what repeated probes find, with reader and daemon on one core. Where
    each message wakes an idle core, LOOKUP, OPEN and READ took up to 40 us each. Rates by the clock are no
    source for these numbers: they contain time in which nobody computes, and came out 4 to 13 times higher.

    Attributes
    ----------
    lookup_us : float
        One LOOKUP [us].
    open_us : float
        One OPEN and its RELEASE [us].
    read_us : float
        One READ without its bytes [us].
    read_us_per_mib : float
        The bytes of a READ [us/MiB].
    fill_us : float
        Pushing pages into the kernel, once [us].
    fill_us_per_mib : float
        The bytes that are pushed [us/MiB].
    serve_us : float
        What a READ costs the mount's daemon beyond the bare answer: the core's decision, and timer, order and
        answer of the drop that follows [us].
    drop_us : float
        Dropping the pages of one block, in the warden [us].
    silent_us : float
        Opening a file that the kernel holds, above a native open [us].
    silent_us_per_mib : float
        Reading what the kernel holds, above a native read [us/MiB].
    client_share : float
        Part of a message that the reader pays, the daemon pays the rest [1].
    origin : str
        ``default`` or ``measured``.
    """

    lookup_us: float = 11.0
    open_us: float = 10.0
    read_us: float = 10.0
    read_us_per_mib: float = 325.0
    fill_us: float = 3.0
    fill_us_per_mib: float = 390.0
    serve_us: float = 5.0
    drop_us: float = 23.0
    silent_us: float = 0.0
    silent_us_per_mib: float = 75.0
    client_share: float = 0.6
    origin: str = field(default="default", compare=False)

    @classmethod
    def default(cls) -> FuseCosts:
        """Return the costs that ship.

        Returns
        -------
        FuseCosts
            Measured elsewhere: results should say so.
        """
        return cls()

    @classmethod
    def load_or_default(cls, path: Path | None = None) -> FuseCosts:
        """Return the costs measured on this machine, or those that ship.

        Parameters
        ----------
        path : Path, optional
            The file; that of this kernel and CPU in the user's cache directory if omitted.

        Returns
        -------
        FuseCosts
            With origin ``measured`` where `mlopt probe --fuse` was run under this kernel on this CPU.
        """
        try:
            values = json.loads((path or cache_file()).read_text())["costs"]
            known = {each.name for each in fields(cls)} - {"origin"}
            numbers = {name: float(value) for name, value in values.items() if name in known}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls.default()
        if any(value < 0 for value in numbers.values()):
            return cls.default()
        return cls(**numbers, origin="measured")

    def save(self, path: Path | None = None) -> Path:
        """Keep measured costs for later predictions.

        Parameters
        ----------
        path : Path, optional
            The file; that of this kernel and CPU in the user's cache directory if omitted.

        Returns
        -------
        Path
            Where they are.
        """
        target = path or cache_file()
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(".tmp")
        temporary.write_text(json.dumps({"machine": machine(), "costs": self.to_dict()}, indent=2) + "\n")
        temporary.replace(target)
        return target

    def to_dict(self) -> dict[str, float]:
        """Return the numbers alone.

        Returns
        -------
        dict of str to float
            By attribute, without the origin.
        """
        values = asdict(self)
        values.pop("origin")
        return values


def machine() -> str:
    """Name kernel and CPU: costs measured under another are not ours.

    Returns
    -------
    str
        As ``6.18.5 AMD EPYC 7B13``.
    """
    cpu = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                cpu = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{platform.release()} {cpu}"


def cache_file() -> Path:
    """Find the file of this machine's costs.

    Returns
    -------
    Path
        Below the user's cache directory; it need not exist.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    folder = Path(base) if base else Path.home() / ".cache"
    name = "".join(letter if letter.isalnum() else "-" for letter in machine())
    return folder / "mlopt" / f"fuse-{name}.json"
