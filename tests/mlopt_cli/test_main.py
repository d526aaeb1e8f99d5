"""The command line as a process: help, version, exit codes."""

import subprocess
import sys


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlopt_cli.main", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_the_five_step_path() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "mlopt record" in done.stdout


def test_unknown_command_is_a_usage_error_without_traceback() -> None:
    done = run("recrod")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "recrod" in done.stderr
