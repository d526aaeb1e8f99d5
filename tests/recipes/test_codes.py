"""Every code is in the catalogue, and every example in the catalogue gives its code."""

import re
import sys
from pathlib import Path

import pytest

import recipes
from recipes import RecipeError
from recipes.codes import CODES, Code
from recipes.formatting import format_recipe
from recipes.plugins import GROUP, PluginSelection
from recipes.source import Source

ROOT = Path(__file__).parents[2]
# Findings that cannot be had alone: a rule that can never fire has a pattern that nothing observes; without
# the plugin's vote nothing in the folder of an example tells a framework.
COMPANIONS = {"MLO181": {"MLO111"}, "MLO208": {"MLO204"}, "MLO260": {"MLO245"}}


def codes_of(code: Code, folder: Path, *, strict: bool) -> set[str]:
    path = folder / code.file
    if code.example is not None:
        path.write_text(code.example)
    if code.reported_by == "mlopt recipe fmt":
        with pytest.raises(RecipeError) as caught:
            format_recipe(Source.read(path, str(path)))
        return {finding.code for finding in caught.value.findings}
    root = folder / "layers" if code.layers else None
    for name, text in code.layers:
        (folder / "layers" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "layers" / name).write_text(text)
    around = recipes.LayerRequest(
        config_dir=root,
        sets=code.flags,
        frameworks=code.frameworks,
        tree=folder,
        plugins=PluginSelection(("mine",), allow_as_root=True) if code.plugin else None,
    )
    checked = recipes.check(str(path), strict=strict, around=around)
    found = {finding.code for finding in checked.findings}
    if code.reported_by == "mlopt mount":
        assert checked.recipe is not None
        assert found == set(), "mlopt validate reports it"
        plan = recipes.compile_plan(checked.recipe, memory_bytes=1 << 30)
        found = {warning["code"] for warning in plan.warnings}
    return found


def install_plugin(source: str, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a distribution with the plugin on the path, as an installer leaves it."""
    monkeypatch.delitem(sys.modules, "plugin_of_an_example", raising=False)
    info = site / "plugin_of_an_example-1.dist-info"
    info.mkdir(parents=True)
    (site / "plugin_of_an_example.py").write_text(source)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-of-an-example\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nmine = plugin_of_an_example:Plugin\n")
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.name)
def test_the_example_gives_its_code_and_no_other(
    code: Code, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if code.plugin:
        install_plugin(code.plugin, tmp_path / "site", monkeypatch)
    expected = {code.name} | COMPANIONS.get(code.name, set())
    is_strict = code.reported_by == "mlopt validate --strict"
    assert codes_of(code, tmp_path, strict=is_strict) == expected
    if is_strict:
        assert codes_of(code, tmp_path, strict=False) == set()


def test_every_code_in_use_is_catalogued_and_every_catalogued_code_is_in_use() -> None:
    folders = ("recipes", "mlopt_cli", "learner", "runtime", "simulator")
    python = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    rust = (ROOT / "engine").rglob("*.rs")
    used = {
        code
        for path in [*python, *rust]
        if (ROOT / "recipes" / "codes") not in path.parents
        for code in re.findall(r"\bMLO[0-9]{3}\b", path.read_text())
    }
    assert len(used) > 40
    assert used == set(CODES)


def test_entries_are_sentences() -> None:
    for code in CODES.values():
        ends = [text[-1:] for text in (code.title, code.meaning, code.do)]
        assert ends[0] not in ("", "."), code.name
        assert ends[1:] == [".", "."], code.name
