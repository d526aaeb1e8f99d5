"""The warden's process: holds, drops and counts the kernel's pages of one mount for its daemon."""

from __future__ import annotations

import signal
import sys

from mlopt_engine import _native


def main(arguments: list[str]) -> int:
    """Serve the daemon until it closes the pipe.

    Parameters
    ----------
    arguments : list of str
        The mountpoint.

    Returns
    -------
    int
        The exit code.
    """
    # Ctrl-C reaches the whole foreground group; only the end of the pipe ends a warden.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _native.serve_warden(arguments[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
