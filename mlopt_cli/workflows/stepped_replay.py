"""A replay in a process of its own that stands still behind each epoch until its parent has counted.

``python -m mlopt_cli.workflows.stepped_replay TRACE DIR`` writes ``{"epoch": N}`` behind each epoch and
waits for a line on standard input; at the end it writes ``{"result": {...}}`` as ``mlopt replay`` has it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from mlopt_engine.errors import MloptError


def main(arguments: list[str]) -> int:
    """Replay a trace step by step.

    Parameters
    ----------
    arguments : list of str
        The trace and the directory.

    Returns
    -------
    int
        1 when the replay could not be done or the parent went away.
    """
    from mlopt_cli.workflows.replay import replay
    from traces.analysis import workload
    from traces.store import Trace

    def step(epoch: int) -> None:
        _say({"epoch": epoch})
        if not sys.stdin.readline():
            raise BrokenPipeError

    try:
        with Trace.open(Path(arguments[0])) as opened:
            job = workload(opened)
        result = replay(job, Path(arguments[1]), on_epoch=step)
    except (MloptError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _say({"result": asdict(result)})
    return 0


def _say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
