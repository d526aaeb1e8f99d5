"""Frameworks: how they are recognised, and what rules they bring. Plugins never run while files are read."""

from recipes.plugins.asking import PluginFailure
from recipes.plugins.base import GROUP, Context, FrameworkPlugin, Hint
from recipes.plugins.catalog import Catalog, Entry, PluginSelection, catalog
from recipes.plugins.detection import TreeDetection, detect_tree
from recipes.plugins.formats import FormatPlugin
from recipes.plugins.layer import FrameworkLayer, framework_layer, recipe_of

__all__ = [
    "GROUP",
    "Catalog",
    "Context",
    "Entry",
    "FormatPlugin",
    "FrameworkLayer",
    "FrameworkPlugin",
    "Hint",
    "PluginFailure",
    "PluginSelection",
    "TreeDetection",
    "catalog",
    "detect_tree",
    "framework_layer",
    "recipe_of",
]
