"""The guide from the ancestor is followed from top to bottom: files written, commands run, words found.

``yaml``, ``python`` and ``toml`` blocks are written to the file that they name. In a ``console`` block a line
after ``$`` is a command; the lines below it, up to the next, must be part of what it says. What a block needs
(``needs=fuse``, ``strace``) decides in which test it runs.
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from example_wheel import install

from mlopt_cli.main import main

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs" / "guide" / "from_the_ancestor.md"
SEED_BLOCKS = sorted((ROOT / "tests" / "data" / "seed_blocks").glob("*.yaml"))
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.S | re.M)
#: The port that the guide names; the test takes a free one in its place.
PORT = "9333"
#: These start processes of their own, or must see a plugin that was installed after this process had started.
APART = (
    "mlopt record",
    "mlopt run",
    "mlopt mount",
    "mlopt umount",
    "mlopt verify",
    "custom_framework",
    "plugins",
)


@dataclass(frozen=True)
class Step:
    """A command of the page: what it must return, what must be part of what it says, what it needs."""

    command: str
    code: int
    expected: tuple[str, ...]
    needs: frozenset[str]


@dataclass
class Follower:
    """Somebody who follows the page in a folder.

    Attributes
    ----------
    folder : Path
        Where files are written and commands run.
    outcome_here : callable
        Runs mlopt's words in this process: exit code and what was said.
    """

    folder: Path
    outcome_here: Callable[[list[str]], tuple[int, str]]
    port: str = field(default_factory=lambda: free_port())

    def do(self, step: Step) -> None:
        """Do a step and compare."""
        code, said = self.outcome(step.command.replace(PORT, self.port))
        assert code == step.code, f"{step.command}\nreturned {code} and said\n{said}"
        for line in step.expected:
            assert line.replace(PORT, self.port).strip() in said, f"{step.command}\nsaid\n{said}\nnot\n{line}"

    def outcome(self, command: str) -> tuple[int, str]:
        """Run a command: its exit code and what it said."""
        if command.startswith("pip install ./"):
            install(self.folder / command.removeprefix("pip install ./"), self.folder / "site")
            return 0, ""
        if "--plugin" in command and os.geteuid() == 0:
            command += " --allow-plugins-as-root"
        if command.startswith("mlopt ") and not any(word in command for word in APART):
            return self.outcome_here(shlex.split(command.removeprefix("mlopt ")))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=os.environ | {"PATH": path, "PYTHONPATH": str(self.folder / "site"), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def steps(folder: Path) -> Iterator[Step]:
    """Write the files of the page as they come, and yield the commands."""
    for language, info, text in BLOCK.findall(GUIDE.read_text()):
        options = dict(pair.split("=", 1) for pair in info.split())
        if "file" in options:
            file = folder / options["file"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            continue
        assert language == "console", f"a block of {language} is not run"
        needs = frozenset(filter(None, options.get("needs", "").split(",")))
        for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
            command, *expected = part.splitlines()
            yield Step(command, int(options.get("exit", "0")), tuple(expected), needs)


@pytest.fixture
def follower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Follower]:
    """Somebody in an empty folder, whose mount is ended with the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")

    def here(words: list[str]) -> tuple[int, str]:
        code = main(words)
        captured = capfd.readouterr()
        return code, captured.out + captured.err

    yield Follower(tmp_path, here)
    if os.path.ismount(tmp_path / "fast"):
        main(["umount", "fast", "--lazy"])


def test_the_guide_can_be_followed(follower: Follower) -> None:
    done = 0
    for step in steps(follower.folder):
        if not step.needs:
            follower.do(step)
            done += 1
    assert done >= 40


@pytest.mark.fuse
@pytest.mark.strace
@pytest.mark.slow
def test_the_guide_can_be_followed_with_its_mounts_and_its_record(follower: Follower) -> None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("the guide's mounts are not followed: /dev/fuse is missing or may not be opened")
    for tool in ("strace", "curl"):
        if shutil.which(tool) is None:
            pytest.skip(f"the guide's mounts and record are not followed: there is no {tool}")
    done = 0
    prepares = re.compile(r"(mkdir|for|head|truncate|cp) ")
    for step in steps(follower.folder):
        if step.needs or prepares.match(step.command):
            follower.do(step)
            done += bool(step.needs)
    assert done >= 20


def test_the_guide_prints_the_thirteen_blocks_of_the_ancestor_as_they_were_and_in_order() -> None:
    blocks = [text for language, _, text in BLOCK.findall(GUIDE.read_text()) if language == "yaml"]
    printed = [path.read_text() for path in SEED_BLOCKS]
    assert len(printed) == 13
    assert [text for text in blocks if text in printed] == printed


def test_the_guide_has_a_heading_for_each_part_of_the_ancestors_readme_in_its_order() -> None:
    headings = re.findall(r"^##+ (.+)$", GUIDE.read_text(), re.M)
    assert [heading for heading in headings if heading in PARTS] == list(PARTS)


PARTS = (
    "Core concepts",
    "Rules",
    "Templates",
    "Plugins",
    "Basic usage",
    "Research and experimentation",
    "Production training",
    "Real-time inference",
    "Configuration reference",
    "Rule structure",
    "Condition types",
    "Action types",
    "Advanced features",
    "Environments",
    "Performance benefits",
    "Monitoring and debugging",
    "Metrics collection",
    "Real-time monitoring",
    "Plugin development",
    "Custom plugin",
    "Configuration management",
    "Directory structure",
    "Loading priority",
    "Migration guide",
    "Roadmap",
    "Contributing",
    "Adding new rules",
    "Developing plugins",
    "Configuration contributions",
    "Examples and recipes",
    "Troubleshooting",
    "Debug mode",
    "Validation tools",
)
