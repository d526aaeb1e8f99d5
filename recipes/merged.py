"""Documents of all layers laid over one another, with the sections that were selected.

Within one document a selected section (an environment, a hardware profile) covers the document's own
settings; a stronger document covers both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from recipes.merging import Leaf, Tree, in_force, merge, merge_all, planted, values
from recipes.nodes import Document, Path
from recipes.schema import SettingsModel

__all__ = ["SECTIONS", "Layer", "Merged", "Selection", "merged", "rule_key"]

# Section -> the kind of layer that it is, and the field that names its rules.
SECTIONS = {
    "frameworks": ("framework", "rules"),
    "environments": ("environment", "rules"),
    "hardware_profiles": ("hardware", "optimizations"),
    "strategies": ("strategy", "rules"),
}
_LISTS_OF_IDS = frozenset({"rules", "templates", "optimizations"})
# Levels of mappings that merge key by key; only metadata is nested deeper, by nobody so far.
_DEEP = 8


@dataclass(frozen=True)
class Layer:
    """One document and how strong it is.

    Attributes
    ----------
    kind : str
        ``built-in``, ``framework``, ``environment``, ``hardware`` or ``custom``.
    document : Document
        The document.
    """

    kind: str
    document: Document


@dataclass(frozen=True)
class Selection:
    """What was chosen beside the documents.

    Attributes
    ----------
    frameworks : tuple of str
        Frameworks of the job; the engine decides where empty.
    environment : str or None
        The environment; none applies where None.
    hardware : tuple of str
        Hardware profiles of the machine; the engine decides where empty.
    templates : tuple of str
        Templates; what settings, strategy, framework and environment select where empty.
    flags : Document or None
        ``settings`` and ``parameters`` of the command line.
    """

    frameworks: tuple[str, ...] = ()
    environment: str | None = None
    hardware: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    flags: Document | None = None

    def names(self, section: str) -> tuple[str, ...]:
        """List what is selected of a section.

        Parameters
        ----------
        section : str
            As ``frameworks``.

        Returns
        -------
        tuple of str
            Names.
        """
        environment = (self.environment,) if self.environment else ()
        chosen = {
            "frameworks": self.frameworks,
            "environments": environment,
            "hardware_profiles": self.hardware,
        }
        return chosen.get(section, ())


@dataclass(frozen=True)
class Merged:
    """The merged set.

    Attributes
    ----------
    tree : dict of str to Tree
        Settings by key, rules and templates by id, sections by name, all else by key.
    parameters : dict of str to Tree
        What sections and flags set of templates' parameters, by name.
    selection : Selection
        What was selected.
    named_only : set of str
        Rules of the library that came in because something names them; they apply where it does.
    """

    tree: dict[str, Tree]
    parameters: dict[str, Tree]
    selection: Selection
    named_only: frozenset[str] = field(default=frozenset())

    def entries(self, key: str) -> dict[str, Tree]:
        """Take a mapping of the tree.

        Parameters
        ----------
        key : str
            As ``rules`` or ``frameworks``.

        Returns
        -------
        dict of str to Tree
            By id or name; the tree's own, not to be changed.
        """
        found = self.tree.get(key)
        return found if isinstance(found, dict) else {}

    def leaf(self, key: str, name: str) -> Leaf | None:
        """Find what is in force.

        Parameters
        ----------
        key : str
            ``rules``, ``templates`` or ``settings``.
        name : str
            Id or key.

        Returns
        -------
        Leaf or None
            The strongest.
        """
        return in_force(self.entries(key).get(name))

    def ids(self, section: str, name: str, listed: str) -> dict[str, Leaf]:
        """List the ids that a section names.

        Parameters
        ----------
        section : str
            As ``frameworks``.
        name : str
            As ``pytorch``.
        listed : str
            ``rules``, ``templates`` or ``optimizations``.

        Returns
        -------
        dict of str to Leaf
            Where each is named.
        """
        entry = self.entries(section).get(name)
        ids = entry.get(listed) if isinstance(entry, dict) else None
        return {key: leaf[-1] for key, leaf in ids.items()} if isinstance(ids, dict) else {}

    def plain(self, key: str) -> Any:
        """Take plain values.

        Parameters
        ----------
        key : str
            As ``settings``.

        Returns
        -------
        object
            What is in force.
        """
        return values(self.tree.get(key))


def merged(layers: Sequence[Layer], selection: Selection) -> Merged:
    """Lay documents over one another.

    Parameters
    ----------
    layers : sequence of Layer
        Weakest first.
    selection : Selection
        What was selected.

    Returns
    -------
    Merged
        The merged set.
    """
    trees = [tree for layer in layers for tree in _trees(layer, selection)]
    if selection.flags is not None:
        trees.append(_body(Layer("flags", selection.flags)))
    tree = merge_all(trees)
    strategy = _strategy(tree)
    if strategy is not None:
        # A strategy is a bundle of defaults: whatever is written covers it.
        tree = merge_all([{"settings": strategy.get("settings", {})}, tree])
    parameters = tree.pop("parameters", {})
    if strategy is not None:
        parameters = merge(strategy.get("parameters", {}), parameters)
    return Merged(tree, dict(parameters) if isinstance(parameters, dict) else {}, selection)


def rule_key(rule: Any, index: int) -> str:
    """Name a rule in the tree.

    Parameters
    ----------
    rule : object
        As written.
    index : int
        Its place in its document, for those without a name.

    Returns
    -------
    str
        Id, or name.
    """
    written = rule.get("id") or rule.get("name") if isinstance(rule, dict) else None
    return str(written or f"rule {index + 1}")


def _trees(layer: Layer, selection: Selection) -> Iterator[Tree]:
    yield _body(layer)
    for section, (kind, _) in SECTIONS.items():
        written = layer.document.value.get(section) or {}
        for name in selection.names(section):
            if name in written:
                yield _selected(layer.document, (section, name), written[name], kind)


def _selected(document: Document, path: Path, written: dict[str, Any], kind: str) -> Tree:
    """Take what a selected section sets: settings, whether listed or standing alone, and parameters."""
    alone: Tree = {
        key: planted(document, (*path, key), value, kind, depth=1)
        for key, value in written.items()
        if key in SettingsModel.model_fields
    }
    listed, parameters = (
        planted(document, (*path, key), written.get(key) or {}, kind, depth=2)
        for key in ("settings", "parameters")
    )
    return {"settings": merge(alone, listed), "parameters": parameters}


def _body(layer: Layer) -> dict[str, Tree]:
    document, kind = layer.document, layer.kind
    tree: dict[str, Tree] = {}
    for key, value in document.value.items():
        if key in ("rules", "templates"):
            tree[key] = {
                rule_key(item, index): (_leaf(document, (key, index), item, kind),)
                for index, item in enumerate(value or [])
            }
        elif key in SECTIONS:
            tree[key] = {
                name: {
                    field: _field(document, (key, name, field), item, kind) for field, item in section.items()
                }
                for name, section in (value or {}).items()
            }
        else:
            tree[key] = planted(document, (key,), value, kind, depth=_DEEP)
    return tree


def _field(document: Document, path: Path, value: Any, kind: str) -> Tree:
    if path[-1] in _LISTS_OF_IDS:
        return {item: (_leaf(document, (*path, index), item, kind),) for index, item in enumerate(value)}
    return planted(document, path, value, kind, depth=_DEEP)


def _leaf(document: Document, path: Path, value: Any, kind: str) -> Leaf:
    return Leaf(value, kind, document.source.file, path, document)


def _strategy(tree: dict[str, Tree]) -> dict[str, Tree] | None:
    settings, strategies = tree.get("settings"), tree.get("strategies")
    chosen = in_force(settings.get("default_strategy")) if isinstance(settings, dict) else None
    found = strategies.get(chosen.value) if chosen and isinstance(strategies, dict) else None
    return dict(found) if isinstance(found, dict) else None
