"""Reading columns out of Parquet files, several passes: the footer first, then the ranges of two columns."""

from __future__ import annotations

import random
import sys
from pathlib import Path

FILES = 12
ROWS = 120_000
COLUMNS = 6
WANTED = ["c1", "c4"]
PASSES = 3


def make(root: Path) -> None:
    """Write tables of random columns."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(5)
    root.mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        table = pa.table({f"c{column}": rng.random(ROWS) for column in range(COLUMNS)})
        pq.write_table(table, root / f"part-{number:04}.parquet", compression="none", use_dictionary=False)


def run(root: Path) -> None:
    """Read two columns of each table, in a new order each pass."""
    import pyarrow.parquet as pq

    names = sorted(root.glob("*.parquet"))
    for number in range(PASSES):
        random.Random(number).shuffle(names)
        for name in names:
            with pq.ParquetFile(name) as table:
                table.read(columns=WANTED, use_threads=False).num_rows  # noqa: B018 - what counts is the read


if __name__ == "__main__":
    {"make": make, "run": run}[sys.argv[1]](Path(sys.argv[2]))
