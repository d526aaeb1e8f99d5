"""Sizes as people write them: ``10GiB``, ``10G``, ``64MB``, or a fraction of the working set."""

from __future__ import annotations

import re

from mlopt_engine.errors import InvalidInputError

UNITS = {
    "": 1, "B": 1,
    "K": 1 << 10, "KIB": 1 << 10, "KB": 10**3,
    "M": 1 << 20, "MIB": 1 << 20, "MB": 10**6,
    "G": 1 << 30, "GIB": 1 << 30, "GB": 10**9,
    "T": 1 << 40, "TIB": 1 << 40, "TB": 10**12,
}  # fmt: skip
#: More than any machine addresses; the engine counts in 64 bits.
LARGEST_BYTES = 1 << 60
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")


def parse_size(text: str, *, flag: str, working_set_bytes: int | None = None) -> int:
    """Read a size in bytes.

    Parameters
    ----------
    text : str
        ``10GiB``, ``10G`` (binary), ``10GB`` (decimal), or ``0.5`` for a fraction of the working set.
    flag : str
        Where it was given, for messages.
    working_set_bytes : int, optional
        What a fraction refers to [bytes]; without it a fraction is an error.

    Returns
    -------
    int
        The size [bytes], at least 1.

    Raises
    ------
    InvalidInputError
        When the text is no size, is zero, negative or beyond 1 EiB, or is a fraction of nothing.
    """
    found = _SIZE.fullmatch(text)
    unit = UNITS.get(found.group(2).upper()) if found else None
    if found is None or unit is None:
        advice = "Write 10GiB or 512M"
        if working_set_bytes is not None:
            advice += ", or 0.5 for half the working set"
        raise InvalidInputError(
            "not a size",
            where=flag,
            value=repr(text),
            do=advice,
        )
    number = float(found.group(1))
    if not found.group(2) and "." in found.group(1):
        if working_set_bytes is None:
            raise InvalidInputError(
                "a fraction needs a trace to refer to",
                where=flag,
                value=text,
                do="Write a size such as 10GiB",
            )
        number *= working_set_bytes
    if number * unit > LARGEST_BYTES:
        raise InvalidInputError(
            "a size is at most 1 EiB", where=flag, value=text, do="Write a size such as 10GiB"
        )
    size = int(number * unit)
    if size < 1:
        raise InvalidInputError(
            "a size must be positive", where=flag, value=text, do="Write a size such as 10GiB"
        )
    return size


def format_size(size: float) -> str:
    """Write a size for people in binary units.

    Parameters
    ----------
    size : float
        A size [bytes].

    Returns
    -------
    str
        As ``1.5 GiB``.
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
