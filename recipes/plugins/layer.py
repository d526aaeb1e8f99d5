"""The layer of a framework: its rules and templates, and the rules that its hints became, as recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlopt_engine.errors import InvalidInputError
from recipes.findings import RecipeError
from recipes.plugins.asking import PluginFailure, ask_recipe_file, ask_rules, ask_templates
from recipes.plugins.catalog import Catalog, Entry, catalog
from recipes.plugins.detection import TreeDetection
from recipes.plugins.hints import AskedHint, ask_about, rules_of_hints
from recipes.recipe import Recipe, read
from recipes.source import Source
from recipes.writing import dump

__all__ = ["LAYER", "FrameworkLayer", "framework_layer", "recipe_of"]

#: What the origin of each of its rules says.
LAYER = "framework"


@dataclass(frozen=True)
class FrameworkLayer:
    """What one framework brings.

    Attributes
    ----------
    entry : Entry
        The plugin.
    recipe : Recipe
        Its default rules and templates.
    bases : tuple of Recipe
        Those of the frameworks that it builds on.
    hints : tuple of AskedHint
        What it advised on the files that were looked at.
    hint_recipe : Recipe or None
        The rules that hints became; None where there are none.
    """

    entry: Entry
    recipe: Recipe
    bases: tuple[Recipe, ...]
    hints: tuple[AskedHint, ...]
    hint_recipe: Recipe | None

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """What to merge, weakest first."""
        own = (self.recipe,) if self.hint_recipe is None else (self.recipe, self.hint_recipe)
        return (*self.bases, *own)


def framework_layer(
    name: str,
    plugins: Catalog | None = None,
    detection: TreeDetection | None = None,
    facts: Mapping[str, Any] | None = None,
) -> FrameworkLayer:
    """Take what a framework brings.

    Parameters
    ----------
    name : str
        The framework.
    plugins : Catalog, optional
        Where it is looked for; the operator's defaults if omitted.
    detection : TreeDetection, optional
        The files that it is asked for hints about; without it no hints are asked for.
    facts : mapping of str to object, optional
        What is known of job and machine, by full name, as ``system.gpu_count``.

    Returns
    -------
    FrameworkLayer
        Its recipes have the layer ``framework``.

    Raises
    ------
    InvalidInputError
        When there is no such plugin, it fails, or what it brings is no recipe; the message names its origin.
    """
    chosen = catalog() if plugins is None else plugins
    entry = chosen.get(name)
    try:
        bases = [recipe_of(chosen.get(base)) for base in getattr(entry.plugin, "builds_on", ())]
        recipe = recipe_of(entry)
        hints = _hints(entry, detection, facts or {})
        rules = rules_of_hints(hints)
        hint_recipe = _of_values(entry, {"rules": rules}, "hints") if rules else None
    except PluginFailure as failure:
        raise _failed(entry, str(failure)) from failure
    except RecipeError as error:
        if entry.state == "built-in":
            raise
        raise _failed(entry, str(error)) from error
    return FrameworkLayer(entry, recipe, tuple(bases), tuple(hints), hint_recipe)


def _hints(entry: Entry, detection: TreeDetection | None, facts: Mapping[str, Any]) -> list[AskedHint]:
    if entry.plugin is None or detection is None:
        return []
    return ask_about(entry.plugin, detection.groups, {"workload.framework": entry.name, **facts})


def recipe_of(entry: Entry) -> Recipe:
    """Load the default rules and templates of a framework.

    Parameters
    ----------
    entry : Entry
        A usable plugin.

    Returns
    -------
    Recipe
        Of its YAML, with lines, where it has a ``recipe_file``; else of what its methods give.

    Raises
    ------
    PluginFailure
        When the plugin fails.
    RecipeError
        When what it brings is no recipe.
    """
    plugin = entry.plugin
    if plugin is None:
        raise PluginFailure(entry.error or f"is {entry.state}")
    file = ask_recipe_file(plugin)
    if file is not None:
        return read(Source.read(file, f"{LAYER}s/{file.name}"), layer=LAYER)
    values = {"rules": ask_rules(plugin), "templates": ask_templates(plugin)}
    return _of_values(entry, values, "rules")


def _of_values(entry: Entry, values: Mapping[str, list[dict[str, Any]]], what: str) -> Recipe:
    """Through the text, so that each check of the language holds for what code gives as well."""
    document: dict[str, Any] = {"version": "1", "name": f"{entry.name}-{what}"}
    document |= {key: value for key, value in values.items() if value}
    try:
        text = dump(document, f"{what} of {entry.name}")
    except Exception as error:
        raise PluginFailure(f"its {what} cannot be written: {type(error).__name__}") from error
    return read(Source.of_text(text, f"plugin {entry.name} ({what})"), layer=LAYER)


def _failed(entry: Entry, problem: str) -> InvalidInputError:
    where = f"plugin {entry.name} of {entry.origin} {entry.version}"
    return InvalidInputError(problem, where=where, do="See 'mlopt plugins check'", code="plugin-failed")
