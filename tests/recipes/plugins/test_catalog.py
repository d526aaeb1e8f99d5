"""Which plugins there are, and that a stranger's plugin never runs unasked and never breaks anything."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlopt_engine.errors import InvalidInputError, MissingPrerequisiteError
from recipes.plugins import PluginSelection, catalog, detect_tree, framework_layer
from recipes.plugins.catalog import BUILT_IN, Catalog, Entry

Install = Callable[..., None]

GOOD = """
class Plugin:
    name = "mine"
    def detect(self, path, first_bytes):
        return 1.0 if path.endswith(".mine") else 0.0
    def hints(self, context):
        return []
    def default_rules(self):
        return [{"id": "mine-all", "description": "all", "conditions": [
            {"type": "file_context", "property": "extension", "operator": "equals", "value": "mine"}],
            "actions": [{"type": "cache", "parameters": {"policy": "pinned"}}]}]
    def default_templates(self):
        return []
"""


def with_method(line: str) -> str:
    """The good plugin with one more line in its class, which wins over what stands before it."""
    return GOOD + f"    {line}\n"


def chosen(*names: str) -> Catalog:
    return catalog(PluginSelection(names, allow_as_root=True))


def entry(name: str, *names: str) -> Entry:
    return next(each for each in chosen(*names).entries if each.name == name)


def test_without_others_there_are_those_that_ship(install: Install) -> None:
    assert install
    entries = catalog().entries
    assert [each.state for each in entries] == ["built-in"] * len(BUILT_IN)
    assert {each.origin for each in entries} == {"mlopt-cli"}


def test_listing_is_not_loading(install: Install) -> None:
    install("acme-mine", "mine", "raise SystemExit('must not be imported')\n")
    found = entry("mine")
    assert (found.state, found.origin, found.version) == ("not loaded", "acme-mine", "1.2")
    assert found.location == "acme_mine:Plugin"
    assert found.plugin is None
    assert "acme_mine" not in sys.modules


def test_a_named_plugin_is_loaded_and_has_a_vote(install: Install, tmp_path: Path) -> None:
    install("acme-mine", "mine", GOOD)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.mine").write_bytes(b"x")
    assert entry("mine", "mine").state == "loaded"
    assert detect_tree(tmp_path / "data", chosen("mine")).best == "mine"
    assert detect_tree(tmp_path / "data", chosen()).best is None
    layer = framework_layer("mine", chosen("mine"))
    (rule,) = layer.recipe.rules
    assert rule["origin"]["layer"] == "framework"
    assert rule["origin"]["file"] == "plugin mine (rules)"


def test_an_instance_may_be_registered_as_well_as_a_class(install: Install) -> None:
    install("acme-mine", "mine", GOOD + "\nINSTANCE = Plugin()\n", "INSTANCE")
    assert entry("mine", "mine").state == "loaded"


def test_the_operator_may_name_plugins_in_the_environment(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme-mine", "mine", GOOD)
    monkeypatch.setenv("MLOPT_PLUGINS", " mine, ")
    assert PluginSelection.of_environment() == PluginSelection(names=("mine",))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert catalog().get("mine").state == "loaded"


def test_the_switch_disables_all_but_what_ships(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("acme-mine", "mine", GOOD)
    monkeypatch.setenv("MLOPT_PLUGINS", "mine")
    monkeypatch.setenv("MLOPT_NO_PLUGINS", "1")
    found = {each.name: each for each in catalog().entries}
    assert found["mine"].state == "disabled"
    assert found["pytorch"].plugin is not None
    with pytest.raises(InvalidInputError, match="is disabled"):
        catalog().get("mine")


def test_root_loads_no_strangers_code_without_leave(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme-mine", "mine", "raise SystemExit('must not be imported')\n")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(MissingPrerequisiteError, match=r"acme-mine 1\.2.*--allow-plugins-as-root"):
        catalog(PluginSelection(("mine",)))
    assert catalog(PluginSelection()).usable


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import not_there_at_all\n", "ModuleNotFoundError"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("class Other: pass\n", "AttributeError"),
        ("class Plugin:\n    name = 'mine'\n", "has no detect() and no hints()"),
        ("Plugin = 7\n", "int has no detect()"),
        (GOOD.replace('"mine"\n', '"yours"\n', 1), "calls itself 'yours' and is registered as 'mine'"),
        (GOOD.replace('"mine"\n', "7\n", 1), "its name is 7"),
        (with_method("def __init__(self): raise OSError('no')"), "OSError: no"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_shown_and_breaks_nothing(
    install: Install, code: str, problem: str, tmp_path: Path
) -> None:
    install("acme-mine", "mine", code)
    found = entry("mine", "mine")
    assert found.state == "failed"
    assert problem in (found.error or "")
    assert found.plugin is None
    (tmp_path / "a.safetensors").write_bytes(b"")
    assert detect_tree(tmp_path, chosen("mine")).best == "huggingface"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("def detect(self, path, first_bytes): return 1.5", "gave 1.5, expected a number from 0 to 1"),
        ("def detect(self, path, first_bytes): return float('nan')", "gave nan"),
        ("def detect(self, path, first_bytes): return None", "gave None"),
        ("def detect(self, path, first_bytes): return True", "gave True"),
        ("def detect(self, path, first_bytes): raise KeyError(path)", "detect() raised KeyError"),
        ("def detect(self, path, first_bytes): raise SystemExit", "detect() raised SystemExit"),
        ("def detect(self): return 0.5", "detect() raised TypeError"),
    ],
)
def test_a_plugin_that_fails_in_the_vote_loses_it(
    install: Install, line: str, problem: str, tmp_path: Path
) -> None:
    install("acme-mine", "mine", with_method(line))
    (tmp_path / "a.safetensors").write_bytes(b"")
    plugins = chosen("mine")
    found = detect_tree(tmp_path, plugins)
    assert problem in found.failures["mine"]
    assert found.best == "huggingface"
    left = plugins.without(found.failures)
    assert next(each for each in left.entries if each.name == "mine").state == "failed"
    assert "mine" not in {each.name for each in left.usable}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("def default_rules(self): return 'rules'", "default_rules() gave str"),
        ("def default_rules(self): return [1]", "default_rules() gave int among its items"),
        ("def default_rules(self): return [{'id': object()}]", "its rules cannot be written"),
        ("def default_rules(self): return [{'id': 'a', 'actoins': []}]", "actoins"),
        ("def default_rules(self): 1 / 0", "default_rules() raised ZeroDivisionError"),
        ("def default_templates(self): return {}", "default_templates() gave dict"),
        ("def hints(self, context): return [7]", "int is no Hint"),
        ("def hints(self, context): return None", "hints() gave NoneType"),
        ("recipe_file = '/etc/passwd'", "recipe_file is str"),
    ],
)
def test_what_a_plugin_brings_is_held_against_the_language(
    install: Install, line: str, problem: str, tmp_path: Path
) -> None:
    install("acme-mine", "mine", with_method(line))
    (tmp_path / "a.mine").write_bytes(b"")
    plugins = chosen("mine")
    with pytest.raises(InvalidInputError) as caught:
        framework_layer("mine", plugins, detect_tree(tmp_path, plugins))
    assert problem in str(caught.value)
    assert "plugin mine of acme-mine 1.2" in str(caught.value)


def test_what_a_plugin_prints_does_not_reach_stdout(
    install: Install, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    install(
        "acme-mine",
        "mine",
        "print('hello from import')\n" + GOOD.replace("return 1.0", "return print(path) or 1.0"),
    )
    (tmp_path / "a.mine").write_bytes(b"")
    assert detect_tree(tmp_path, chosen("mine")).best == "mine"
    assert capsys.readouterr().out == ""


def test_two_with_one_name_are_named_both(install: Install) -> None:
    install("acme-mine", "mine", GOOD)
    install("bolt-mine", "mine", GOOD)
    found = [each for each in catalog(PluginSelection()).entries if each.name == "mine"]
    assert [each.state for each in found] == ["duplicate", "duplicate"]
    for each in found:
        assert "acme-mine 1.2" in (each.error or "")
        assert "bolt-mine 1.2" in (each.error or "")
    with pytest.raises(
        InvalidInputError, match=r"acme-mine 1\.2.*bolt-mine 1\.2|bolt-mine 1\.2.*acme-mine 1\.2"
    ):
        chosen("mine")


def test_a_name_that_ships_stays_with_what_ships(install: Install) -> None:
    install("acme-torch", "pytorch", GOOD.replace("mine", "pytorch"))
    ours, theirs = (each for each in catalog(PluginSelection()).entries if each.name == "pytorch")
    assert (ours.state, theirs.state) == ("built-in", "duplicate")
    assert "acme-torch 1.2 and mlopt-cli" in (theirs.error or "")
    assert catalog(PluginSelection()).get("pytorch").plugin is ours.plugin or catalog().get("pytorch").plugin
    with pytest.raises(InvalidInputError, match="acme-torch"):
        chosen("pytorch")


def test_an_unknown_name_has_a_remedy(install: Install) -> None:
    install("acme-mine", "mine", GOOD)
    with pytest.raises(InvalidInputError, match="Did you mean 'mine'"):
        chosen("mime")
    with pytest.raises(InvalidInputError, match="Did you mean 'pytorch'"):
        catalog(PluginSelection()).get("pytroch")
    with pytest.raises(InvalidInputError, match="--plugin mine"):
        catalog(PluginSelection()).get("mine")
