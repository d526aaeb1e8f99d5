"""Sizes, durations and rates as recipes write them: ``64MiB``, ``10G``, ``5ms``, ``60s``, ``60MB/s``."""

from __future__ import annotations

import re

__all__ = [
    "DURATION_PATTERN",
    "FOREVER_NS",
    "RATE_PATTERN",
    "SIZE_PATTERN",
    "parse_duration_ns",
    "parse_rate_bytes_per_s",
    "parse_size_bytes",
]

# What the plan means by "immutable": the largest value of its 64 bits.
FOREVER_NS = (1 << 64) - 1

_SIZES = {
    "": 1, "b": 1,
    "k": 1 << 10, "kib": 1 << 10, "kb": 10**3,
    "m": 1 << 20, "mib": 1 << 20, "mb": 10**6,
    "g": 1 << 30, "gib": 1 << 30, "gb": 10**9,
    "t": 1 << 40, "tib": 1 << 40, "tb": 10**12,
}  # fmt: skip
_DURATIONS = {"": 10**9, "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}
_QUANTITY = re.compile(r"\s*([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*)\s*")


def _pattern(units: dict[str, int]) -> str:
    """Write down the same for JSON Schema, whose regular expressions cannot ignore case."""
    words = ("".join(f"[{letter.upper()}{letter}]" for letter in unit) for unit in units if unit)
    return rf"^\s*[0-9]{{1,18}}(\.[0-9]{{1,9}})?\s*({'|'.join(words)})?\s*$"


SIZE_PATTERN = _pattern(_SIZES)
RATE_PATTERN = SIZE_PATTERN.removesuffix("$") + r"/\s*[sS]\s*$"
DURATION_PATTERN = f"^immutable$|{_pattern(_DURATIONS)}"


def parse_size_bytes(value: object) -> int:
    """Read a size.

    Parameters
    ----------
    value : object
        An integer [bytes] or a text such as ``64MiB``, ``10G`` (binary), ``10GB`` (decimal).

    Returns
    -------
    int
        The size [bytes].

    Raises
    ------
    ValueError
        When it is none; the text says what is expected.
    """
    return _parse(value, _SIZES, "a size such as 64MiB or a number of bytes", bare=1)


def parse_duration_ns(value: object) -> int:
    """Read a duration.

    Parameters
    ----------
    value : object
        A number [s], a text such as ``60s`` or ``5ms``, or ``immutable``.

    Returns
    -------
    int
        The duration [ns]; `FOREVER_NS` for ``immutable``.

    Raises
    ------
    ValueError
        When it is none; the text says what is expected.
    """
    if value == "immutable":
        return FOREVER_NS
    return _parse(value, _DURATIONS, "a duration such as 60s, 10min or 5ms", bare=10**9)


def parse_rate_bytes_per_s(value: object) -> int:
    """Read a rate.

    Parameters
    ----------
    value : object
        An integer [bytes/s] or a text such as ``60MB/s``.

    Returns
    -------
    int
        The rate [bytes/s].

    Raises
    ------
    ValueError
        When it is none; the text says what is expected.
    """
    expected = "a rate such as 60MB/s or a number of bytes per second"
    if isinstance(value, str):
        amount, slash, per = value.rpartition("/")
        if not slash or per.strip().lower() != "s":
            raise ValueError(f"{value!r} is not {expected}")
        value = amount
    return _parse(value, _SIZES, expected, bare=1)


def _parse(value: object, units: dict[str, int], expected: str, *, bare: int) -> int:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < 0:
            raise ValueError(f"{value} is negative, expected {expected}")
        quantity = value * bare
    else:
        found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
        unit = units.get(found.group(2).lower()) if found else None
        if found is None or unit is None:
            raise ValueError(f"{value!r} is not {expected}")
        quantity = (float(found.group(1)) if "." in found.group(1) else int(found.group(1))) * unit
    if quantity >= FOREVER_NS:
        raise ValueError(f"{value!r} does not fit into 64 bits")
    return int(quantity)
