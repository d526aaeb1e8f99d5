"""Write a file as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

__all__ = ["write_atomically"]


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's text, or make the file; whoever reads it sees the old text or the new one.

    Parameters
    ----------
    path : Path
        Where. A symbolic link stays one: what it names is replaced.
    text : str
        What.

    Raises
    ------
    OSError
        When it cannot be written; the old file is then untouched.
    """
    path = path.resolve()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    partial = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        _dress(partial, path)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # the new name, too, must outlive a crash
    finally:
        os.close(folder)


def _dress(partial: Path, path: Path) -> None:
    """Give it owner and mode of the file that is there, or what this process gives a new file."""
    try:
        known = path.stat()
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o666 & ~umask)
        return
    with contextlib.suppress(PermissionError):  # only root can give a file away
        os.chown(partial, known.st_uid, known.st_gid)
    partial.chmod(known.st_mode & 0o7777)
