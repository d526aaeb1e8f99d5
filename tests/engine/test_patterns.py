"""What reads show of their order, as a trace and a mount see it; the ancestor's own tests asked the same."""

from __future__ import annotations

import numpy as np
import pytest

from mlopt_engine import observe_reads

KIB = 1024
Read = tuple[int, int, int]


def seen(reads: list[Read], files: int = 1, size: int = 1 << 30) -> list[tuple[str | None, int, int]]:
    """Pattern, reads and bytes of each file after reads of (file, offset, length) by one reader."""
    file, offset, length = (np.array(column) for column in zip(*reads, strict=True))
    return observe_reads(
        [b"data/%03d.bin" % number for number in range(files)],
        np.full(files, size, np.int64),
        np.ones(len(reads), np.uint32),
        file.astype(np.uint32),
        offset.astype(np.int64),
        length.astype(np.int64),
    )


def in_order(file: int, count: int, length: int = 128 * KIB) -> list[Read]:
    return [(file, number * length, length) for number in range(count)]


SCATTERED = [(1, place << 20, 4 * KIB) for place in (5, 90, 13, 71, 2, 44, 60, 8)]


def test_of_a_first_read_nothing_is_said() -> None:
    assert seen(in_order(0, 1)) == [(None, 1, 128 * KIB)]


@pytest.mark.parametrize("length", [4 * KIB, 128 * KIB, 2 << 20], ids=["4 KiB", "128 KiB", "2 MiB"])
def test_four_reads_in_a_row_are_a_sequence_whatever_their_size(length: int) -> None:
    assert [seen(in_order(0, count, length))[0][0] for count in (2, 3, 4)] == [None, None, "sequential"]


def test_a_second_pass_after_150_reads_is_still_a_sequence_and_is_counted() -> None:
    assert seen(in_order(0, 150) + in_order(0, 1)) == [("sequential", 151, 151 * 128 * KIB)]


def test_files_are_told_apart_and_their_reads_are_counted() -> None:
    turns = [read for pair in zip(in_order(0, 8), SCATTERED, strict=True) for read in pair]
    assert seen(turns, files=2) == [("sequential", 8, 8 * 128 * KIB), ("random", 8, 8 * 4 * KIB)]
    of_nine = seen(in_order(0, 4) + SCATTERED[:5], files=2)
    assert [reads for _, reads, _ in of_nine] == [4, 5]
    assert sum(reads for _, reads, _ in of_nine) == 9


def test_a_constant_stride_is_no_sequence() -> None:
    assert seen([(0, number * 5120, 4096) for number in range(8)])[0][0] == "strided"


def test_each_read_counts_once() -> None:
    assert seen([(0, 0, KIB)] * 5)[0][1] == 5


def test_small_files_read_in_the_order_of_their_names_are_a_sequence() -> None:
    reads = [(number, 0, 64 * KIB) for number in range(40)]
    assert {pattern for pattern, _, _ in seen(reads, files=40, size=64 * KIB)} == {"sequential"}
