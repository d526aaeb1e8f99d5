"""Lines per second from strace's text to a finished DuckDB trace, and of the parser alone.

The text is made: four workers that read files of 110 kB, four fifths of the lines halves,
as in real recordings.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from mlopt_engine._native import Tap
from traces.store import TraceWriter

LINES = 2_000_000
ROUNDS = 5
_WORKERS = 4
_FILES = 5_000


def text() -> bytes:
    """Make the text of a job: each worker opens, stats, reads to the end and closes file after file."""
    bodies = (
        ('openat(AT_FDCWD, "/data/train/class{c:02d}/{f:06d}.jpg", O_RDONLY|O_CLOEXEC', " = 3"),
        ('newfstatat(3, "", {{st_mode=S_IFREG|0644, st_size=110000, ...}}, AT_EMPTY_PATH', " = 0"),
        ("lseek(3, 0, SEEK_CUR", " = 0"),
        ('read(3, ""..., 110001', " = 110000"),
        ('read(3, "", 1', " = 0"),
        ("close(3", " = 0"),
    )
    lines = [
        f"100 1000.0 clone(child_stack=NULL, flags=SIGCHLD) = {101 + w} <0.0001>" for w in range(_WORKERS)
    ]
    step, at = 0, 0
    while len(lines) < LINES:
        shape, outcome = bodies[step % len(bodies)]
        heads = []
        for w in range(_WORKERS):
            f = (step // len(bodies) * _WORKERS + w) % _FILES
            heads.append(shape.format(c=f % 20, f=f))
        at += 50_000
        stamp = [
            f"{1000 + (at + 100 * i) // 10**9}.{(at + 100 * i) % 10**9:09d}" for i in range(2 * _WORKERS)
        ]
        lines.extend(f"{101 + w} {stamp[w]} {heads[w]} <unfinished ...>" for w in range(_WORKERS - 1))
        w = _WORKERS - 1
        lines.append(f"{101 + w} {stamp[w]} {heads[w]}){outcome} <0.000040000>")
        for w in range(_WORKERS - 1):
            name = heads[w].split("(")[0]
            lines.append(f"{101 + w} {stamp[4 + w]} <... {name} resumed>){outcome} <0.000040000>")
        step += 1
    return ("\n".join(lines) + "\n").encode()


def measure(content: bytes, directory: Path) -> tuple[float, float, float, float]:
    """Return seconds of the parser, of all to the database, CPU seconds of all, bytes per access."""
    start, cpu = time.perf_counter(), time.process_time()
    tap = Tap(b"/", [])
    for at in range(0, len(content), 1 << 20):
        tap.feed(content[at : at + (1 << 20)])
    tap.finish()
    parsed = time.perf_counter()
    path = directory / "t.duckdb"
    writer = TraceWriter(path)
    rows = tap.rows_waiting
    writer.add_accesses(0, 0, tap.take_rows())
    writer.finish({})
    done, cpu = time.perf_counter(), time.process_time() - cpu
    assert tap.counts()["unreadable"] == 0
    size = path.stat().st_size
    path.unlink()
    return parsed - start, done - start, cpu, size / rows


def main() -> None:
    """Measure, print, and keep the result."""
    content = text()
    lines = content.count(b"\n")
    with tempfile.TemporaryDirectory() as scratch:
        rounds = [measure(content, Path(scratch)) for _ in range(ROUNDS)]
    result = {
        "name": "strace_parse",
        "figures": {
            "parse_m_lines_per_s": round(lines / statistics.median(r[0] for r in rounds) / 1e6, 2),
            "to_duckdb_m_lines_per_s": round(lines / statistics.median(r[1] for r in rounds) / 1e6, 2),
            "best_to_duckdb_m_lines_per_s": round(lines / min(r[1] for r in rounds) / 1e6, 2),
            "to_duckdb_m_lines_per_cpu_s": round(lines / min(r[2] for r in rounds) / 1e6, 2),
            "bytes_per_access": round(rounds[0][3], 1),
            "load_average": round(os.getloadavg()[0], 1),
            "lines": lines,
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}",
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
        ).stdout.strip(),
    }
    target = Path(__file__).parent / "results" / "strace_parse.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
