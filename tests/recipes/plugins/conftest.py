"""Distributions as an installer leaves them: a module and a ``.dist-info`` folder on the path."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.plugins import GROUP

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution with one plugin, found by its entry point and nothing else."""
    monkeypatch.delenv("MLOPT_PLUGINS", raising=False)
    monkeypatch.delenv("MLOPT_NO_PLUGINS", raising=False)
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def add(distribution: str, framework: str, code: str, target: str = "Plugin") -> None:
        module = distribution.replace("-", "_")
        monkeypatch.delitem(sys.modules, module, raising=False)  # of the test before
        (site / f"{module}.py").write_text(code)
        info = site / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{framework} = {module}:{target}\n")

    return add
