"""The command line as a process: help, version, exit codes."""

import subprocess
import sys

import pytest

from mlopt_cli.main import COMMANDS


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
    assert "did you mean 'record'. See 'mlopt --help'" in done.stderr


def test_without_words_the_five_steps_are_shown() -> None:
    done = run()
    steps = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("  mlopt ")]
    assert (done.returncode, steps) == (0, ["record", "report", "simulate", "learn", "run"])


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_each_help_starts_with_examples_and_has_no_sections_for_developers(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0, done.stderr
    head, options = done.stdout.split("\nOptions:", 1)
    assert f"\n  mlopt {command}" in head
    assert "--help" in options
    assert "-------" not in done.stdout
