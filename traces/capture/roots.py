"""Which directories hold the data that a job reads, when nobody said so."""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from dataclasses import dataclass

#: Directories of the system and of interpreters: what lies below is program, not data.
SYSTEM_PREFIXES = (
    b"/usr/", b"/lib/", b"/lib64/", b"/lib32/", b"/bin/", b"/sbin/", b"/etc/", b"/run/", b"/boot/",
    b"/var/lib/", b"/var/cache/", b"/dev/", b"/proc/", b"/sys/", b"/nix/store/", b"/snap/",
)  # fmt: skip
_PROGRAM = re.compile(
    rb"/(site-packages|dist-packages|__pycache__|node_modules|\.git|\.venv|venv|\.pyenv|\.config|\.cache/(pip|matplotlib))/"
    rb"|/lib/python[0-9.]+/|\.(py|pyc|pyo|so|pth|egg-link)$|\.so\.[0-9.]+$|/pyvenv\.cfg$|/\.python-version$"
)
#: A directory with less than this share of bytes and of files is not a source of its own.
_SMALL_SHARE = 0.02


@dataclass(frozen=True)
class ReadFile:
    """A file that the job read and did not write.

    Attributes
    ----------
    path : bytes
        Absolute.
    read_bytes : int
        Bytes read from it [bytes].
    """

    path: bytes
    read_bytes: int


def is_program(path: bytes) -> bool:
    """Tell whether a file belongs to the system, an interpreter or a package rather than to data.

    Parameters
    ----------
    path : bytes
        Absolute.

    Returns
    -------
    bool
        True for what no source directory may be inferred from.
    """
    own = (os.fsencode(sys.prefix) + b"/", os.fsencode(sys.base_prefix) + b"/")
    return path.startswith(SYSTEM_PREFIXES + own) or _PROGRAM.search(path) is not None


def infer_roots(files: list[ReadFile], *, cwd: bytes, mountpoints: list[bytes]) -> list[bytes]:
    """Find the longest common directories of the data files.

    A directory is too general to be a source when it is the working directory or above it, a home, `/tmp`,
    or has less than two components; then its children are looked at one by one.

    Parameters
    ----------
    files : list of ReadFile
        What was read.
    cwd : bytes
        Working directory of the job.
    mountpoints : list of bytes
        Of file systems other than the system's: never too general.

    Returns
    -------
    list of bytes
        Source directories, those with most bytes first.
    """
    data = [file for file in files if not is_program(file.path)]
    if not data:
        return []
    found = _split(data, cwd=cwd, mountpoints=mountpoints)
    return [root for root, _ in sorted(found, key=lambda pair: (-pair[1], pair[0]))]


def _split(files: list[ReadFile], *, cwd: bytes, mountpoints: list[bytes]) -> list[tuple[bytes, int]]:
    total = sum(file.read_bytes for file in files)
    common = os.path.commonpath([os.path.dirname(file.path) for file in files])  # noqa: PTH120 - bytes
    if not _too_general(common, cwd, mountpoints):
        return [(common, total)]
    children: dict[bytes, list[ReadFile]] = defaultdict(list)
    start = len(common.rstrip(b"/")) + 1
    for file in files:
        name, slash, _ = file.path[start:].partition(b"/")
        if slash:
            children[name].append(file)
    found: list[tuple[bytes, int]] = []
    for inside in children.values():
        share = max(sum(f.read_bytes for f in inside) / max(total, 1), len(inside) / len(files))
        if share >= _SMALL_SHARE:
            found.extend(_split(inside, cwd=cwd, mountpoints=mountpoints))
    if not found and total:
        return [(common, total)] if common.count(b"/") > 1 or common in mountpoints else []
    return found


def _too_general(directory: bytes, cwd: bytes, mountpoints: list[bytes]) -> bool:
    if directory in mountpoints:
        return False
    home = os.fsencode(os.path.expanduser("~"))  # noqa: PTH111 - bytes, and no home is no error
    inside = (cwd + b"/").startswith(directory.rstrip(b"/") + b"/")
    return inside or directory == home or directory.count(b"/") < 2 or directory in (b"/var/tmp",)
