"""Does a plugin keep to the interface: what `mlopt plugins check` asks.

Absent: whether it is right about its files; `recipes.plugins.testing` is for those who have some.
"""

from __future__ import annotations

from mlopt_engine import FIRST_BYTES
from mlopt_engine.errors import UserError
from recipes.plugins.asking import PluginFailure, ask_confidence, ask_hints
from recipes.plugins.base import Context
from recipes.plugins.catalog import Catalog, Entry
from recipes.plugins.layer import framework_layer

__all__ = ["problems_of"]

# Any name and any bytes must be answered.
_PATHS = ("", "a.bin", "a\0b", "\udcff.pt", "a/" * 2000 + "b", "README.md")
_CONTENTS = (b"", bytes(FIRST_BYTES), b"\xff" * FIRST_BYTES, b"PK\x03\x04", bytes(range(256)) * 4)
_CONTEXTS = (
    Context(),
    Context.of_facts({"file.type": "model", "file.size": 1 << 30, "workload.type": "inference"}),
    Context.of_facts({"file.type": "dataset", "file.size": 1 << 10, "workload.type": "training"}),
)


def problems_of(entry: Entry, plugins: Catalog) -> list[str]:
    """Ask a plugin everything once.

    Parameters
    ----------
    entry : Entry
        One of `plugins`.
    plugins : Catalog
        Where the frameworks are that it builds on.

    Returns
    -------
    list of str
        What is wrong; empty when nothing is.
    """
    plugin = entry.plugin
    if plugin is None:
        return [entry.error or f"is {entry.state}"]
    problems = []
    try:
        for path in _PATHS:
            for content in _CONTENTS:
                ask_confidence(plugin, path, content)
    except PluginFailure as failure:
        problems.append(str(failure))
    try:
        for context in _CONTEXTS:
            ask_hints(plugin, context)
    except PluginFailure as failure:
        problems.append(str(failure))
    try:
        framework_layer(entry.name, plugins)
    except UserError as error:
        problems.append(error.what)
    return problems
