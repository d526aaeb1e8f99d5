"""Codes about framework plugins."""

from __future__ import annotations

from recipes.codes.base import Code, a_recipe

__all__ = ["CODES"]

_PLUGIN = """
from recipes.plugins import Hint

class Plugin:
    name = "mine"
    def detect(self, path, first_bytes):
        {detect}
    def hints(self, context):
        return [Hint("custom_optimization", "for its own loader")]
    def default_rules(self):
        return []
    def default_templates(self):
        return []
"""

CODES = (
    Code(
        "MLO260",
        "A framework plugin has no vote",
        "It failed, or answered what is no number from 0 to 1, while --framework auto looked at the data; it is "
        "left out and the others decide.",
        "Mend the plugin, or do not name it.",
        a_recipe(),
        frameworks=("auto",),
        plugin=_PLUGIN.format(detect="raise RuntimeError('no idea')"),
    ),
    Code(
        "MLO261",
        "A hint of a plugin has no effect",
        "It asks for something that no file system can do; rules come of the others.",
        "Nothing, if the framework does it itself.",
        a_recipe(),
        frameworks=("auto",),
        plugin=_PLUGIN.format(detect="return 1.0"),
    ),
)
