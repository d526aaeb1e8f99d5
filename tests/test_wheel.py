"""What the distribution installs: exactly seven import roots, with their data, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"mlopt_cli", "traces", "recipes", "learner", "simulator", "runtime", "mlopt_engine"}


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in the wheel, built from the working tree with the compiled engine that is there already."""
    folder = tmp_path_factory.mktemp("wheel")
    words = [
        sys.executable,
        "-m",
        "maturin",
        "build",
        "--release",
        "--offline",
        "--quiet",
        "--out",
        str(folder),
    ]
    subprocess.run(words, cwd=ROOT, check=True, timeout=280)
    (wheel,) = folder.glob("*.whl")
    assert "-abi3-" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.mark.slow
def test_the_roots_are_the_seven_packages(wheel_names: list[str]) -> None:
    roots = {name.split("/", 1)[0] for name in wheel_names}
    assert {root for root in roots if not root.endswith(".dist-info")} == PACKAGES


@pytest.mark.slow
def test_every_python_file_and_data_file_of_the_packages_is_in(wheel_names: list[str]) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", *sorted(PACKAGES)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    expected = {name for name in tracked.stdout.splitlines() if (ROOT / name).exists()}
    assert expected, "git tracks no package files: the test looked in the wrong place"
    assert expected <= set(wheel_names)


@pytest.mark.slow
def test_the_compiled_engine_and_its_types_are_in(wheel_names: list[str]) -> None:
    assert any(name.startswith("mlopt_engine/_native") and name.endswith(".so") for name in wheel_names)
    assert {"mlopt_engine/_native.pyi", "mlopt_engine/py.typed"} <= set(wheel_names)
