"""The conformance suite for framework plugins: subclass it, give it the plugin and some of its files.

::

    class TestMine(FrameworkPluginSuite):
        own_files = (("weights.mine", b"MINE\\0\\1"),)

        @pytest.fixture
        def plugin(self) -> FrameworkPlugin:
            return Mine()

Needs pytest. All plugins that ship pass it (``tests/recipes/plugins/test_built_in.py``).
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from mlopt_engine import FIRST_BYTES, Rules
from recipes.plan import compile_plan
from recipes.plugins.asking import ask_confidence, ask_hints, ask_rules, ask_templates
from recipes.plugins.base import Context, FrameworkPlugin
from recipes.plugins.catalog import Catalog, Entry, catalog
from recipes.plugins.detection import FileGroup, TreeDetection
from recipes.plugins.layer import FrameworkLayer, framework_layer

__all__ = ["FrameworkPluginSuite", "entry_of"]

#: From here on a plugin says that a file is its own.
CERTAIN = 0.5
_SIZES = (1 << 10, 1 << 24, 1 << 32)
_TYPES = (
    "model",
    "dataset",
    "checkpoint",
    "config",
    "tensor",
    "log",
    "tokenizer",
    "index",
    "unknown",
)
# Nobody's files, with content where it matters: prose that names frameworks, a zip that is a document.
_FOREIGN = (
    ("README.md", b"# pytorch, tensorflow, keras, jax, saved_model, safetensors\n"),
    ("torch/train.py", b"import torch\nimport tensorflow as tf\nimport jax\n"),
    ("images/photo.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"),
    ("report.docx", b"PK\x03\x04" + bytes(22) + b"\x13\x00\x00\x00[Content_Types].xml"),
    ("notes.txt", b"notes"),
    ("data.csv", b"a,b\n1,2\n"),
    ("unknown", b""),
)
_HOSTILE_PATHS = (
    "",
    "/",
    ".",
    "a\0b",
    "\udcff\udcfe.bin",
    "x" * 4096,
    "a/" * 2000 + "b",
    "%s%n",
    "\N{SNOWMAN}",
)


def entry_of(plugin: FrameworkPlugin) -> Entry:
    """List a plugin as if its distribution were installed and it were named.

    Parameters
    ----------
    plugin : FrameworkPlugin
        The plugin.

    Returns
    -------
    Entry
        Loaded.
    """
    location = f"{type(plugin).__module__}:{type(plugin).__name__}"
    return Entry(plugin.name, "under test", "0", location, "loaded", plugin=plugin)


class FrameworkPluginSuite:
    """What every framework plugin must do."""

    #: Files of the framework: a path and first bytes each. Every default rule must fit one of them.
    own_files: ClassVar[tuple[tuple[str, bytes], ...]] = ()

    @pytest.fixture
    def plugin(self) -> FrameworkPlugin:
        """Give the plugin under test; to be overridden."""
        raise NotImplementedError("override the fixture 'plugin'")

    def layer(self, plugin: FrameworkPlugin, detection: TreeDetection | None = None) -> FrameworkLayer:
        """Take what the plugin brings, among the plugins that ship.

        Parameters
        ----------
        plugin : FrameworkPlugin
            Under test.
        detection : TreeDetection, optional
            To be asked for hints about.

        Returns
        -------
        FrameworkLayer
            Through all checks of the language.
        """
        others = (entry for entry in catalog().entries if entry.name != plugin.name)
        return framework_layer(plugin.name, Catalog((entry_of(plugin), *others)), detection)

    def test_it_is_a_plugin_with_a_plain_name(self, plugin: FrameworkPlugin) -> None:
        """The five methods are there, and the name can stand on a command line."""
        assert isinstance(plugin, FrameworkPlugin)
        assert plugin.name == plugin.name.lower().strip()
        assert plugin.name.replace("-", "").replace("_", "").replace(".", "").isalnum()

    def test_its_own_files_are_recognised(self, plugin: FrameworkPlugin) -> None:
        """Most files of the framework are told surely; some may be shared with others."""
        assert self.own_files, "own_files is empty: name some files of the framework"
        unsure = [
            path
            for path, first_bytes in self.own_files
            if ask_confidence(plugin, path, first_bytes[:FIRST_BYTES]) < CERTAIN
        ]
        assert len(unsure) <= len(self.own_files) / 2, f"most of its own files are not told: {unsure}"

    def test_files_of_nobody_are_not_claimed(self, plugin: FrameworkPlugin) -> None:
        """Prose that names a framework, programs, pictures and documents are not its files."""
        for path, first_bytes in _FOREIGN:
            assert ask_confidence(plugin, path, first_bytes) < CERTAIN, path

    def test_detect_answers_whatever_it_is_given(self, plugin: FrameworkPlugin) -> None:
        """Any name, any bytes, cut where they may be cut: a number from 0 to 1, and the same one again."""
        contents = [b"", b"\0" * FIRST_BYTES, b"\xff" * FIRST_BYTES, bytes(range(256)) * 4]
        for path, content in self.own_files:
            contents += [content[:length] for length in range(min(len(content), 64))]
            assert plugin.detect(path, content) == plugin.detect(path, content)
        for path, content in itertools.product((*_HOSTILE_PATHS, "a.bin"), contents):
            ask_confidence(plugin, path, content)

    def test_hints_answer_whatever_is_known(self, plugin: FrameworkPlugin) -> None:
        """Nothing known, or anything: hints, each with a reason, the same ones again."""
        asked = 0
        for context in self.contexts(plugin):
            assert ask_hints(plugin, context) == ask_hints(plugin, context)
            asked += 1
        assert asked > len(_TYPES)

    def contexts(self, plugin: FrameworkPlugin) -> Iterator[Context]:
        """Give contexts of many kinds.

        Parameters
        ----------
        plugin : FrameworkPlugin
            Under test.

        Yields
        ------
        Context
            From nothing known to all facts known.
        """
        yield Context()
        for group in self.groups():
            for workload, memory in itertools.product(("training", "inference", None), (1 << 30, None)):
                job = {"workload.type": workload, "workload.framework": plugin.name}
                machine = {"system.available_memory": memory, "system.gpu_count": memory and 8}
                yield Context.of_facts({**group.facts, **job, **machine})

    def groups(self) -> list[FileGroup]:
        """Make groups of files: each type and size, and those of the framework's own files.

        Returns
        -------
        list of FileGroup
            As a sample of a tree would give.
        """
        from mlopt_engine import detect

        kinds: list[tuple[str, str | None, str]] = [(file_type, None, "bin") for file_type in _TYPES]
        for path, content in self.own_files:
            kind = detect(path, content[:FIRST_BYTES])
            kinds.append((kind.type, kind.format, path.rpartition(".")[2].rpartition("/")[2].lower()))
        return [
            FileGroup(
                {
                    "file.type": file_type,
                    "file.format": file_format,
                    "file.extension": extension,
                    "file.size": size,
                    "file.count": 4,
                },
                size,
                size * 2,
            )
            for (file_type, file_format, extension), size in itertools.product(kinds, _SIZES)
        ]

    def test_hints_become_rules_of_the_language(self, plugin: FrameworkPlugin) -> None:
        """What hints ask for passes every check, and nothing of it is lost in silence."""
        detection = TreeDetection({}, (), tuple(self.groups()), 0, {})
        layer = self.layer(plugin, detection)
        for asked in layer.hints:
            assert (asked.rule is None) != (asked.advisory is None)
        rules = layer.hint_recipe.rules if layer.hint_recipe else ()
        assert len(rules) == sum(asked.rule is not None for asked in layer.hints)
        warnings = layer.hint_recipe.warnings if layer.hint_recipe else ()
        assert not [str(each) for each in warnings if "has no parameter" in each.message]

    def test_default_rules_and_templates_are_a_recipe(self, plugin: FrameworkPlugin) -> None:
        """They pass every check, say why they are there, and templates name rules that exist."""
        layer = self.layer(plugin)
        known = {rule["id"] for recipe in layer.recipes for rule in recipe.rules}
        for rule in ask_rules(plugin):
            assert rule.get("description"), f"rule {rule.get('id')} does not say what it is for"
        for template in ask_templates(plugin):
            assert template.get("rules"), template
            assert set(template["rules"]) <= known, template
        assert len(layer.recipe.rules) == len(ask_rules(plugin))

    def test_rules_and_templates_are_plain_data_of_the_callers_own(self, plugin: FrameworkPlugin) -> None:
        """They are JSON, and whoever changes them changes nothing for the next caller."""
        for ask in (ask_rules, ask_templates):
            first = ask(plugin)
            before = copy.deepcopy(first)
            json.dumps(first, allow_nan=False)
            for each in first:
                _spoil(each)
            assert ask(plugin) == before

    def test_each_rule_fits_one_of_its_files(self, plugin: FrameworkPlugin) -> None:
        """No rule is dead: each applies to one of the framework's files, of some size."""
        recipe = self.layer(plugin).recipe
        rules = Rules(compile_plan(recipe, memory_bytes=1 << 30).json)
        alive = set()
        for (path, _), size in itertools.product(self.own_files, _SIZES):
            explained = json.loads(rules.explain(path.encode("utf-8", "surrogateescape"), size))
            alive |= {rule["id"] for rule in explained["rules"] if _may_apply(rule)}
        assert {rule["id"] for rule in recipe.rules} <= alive


def _may_apply(rule: dict[str, Any]) -> bool:
    """Whether it applies, or would once a fact is known that only shows while a job runs."""
    verdicts = {condition["verdict"] for condition in rule["conditions"]}
    return bool(rule["fires"]) or ("unknown" in verdicts and "false" not in verdicts)


def _spoil(value: Any) -> None:
    if isinstance(value, dict):
        for item in value.values():
            _spoil(item)
        value.clear()
    elif isinstance(value, list):
        for item in value:
            _spoil(item)
        value.clear()
