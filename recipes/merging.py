"""The algebra of layers: trees of values that know where they were written, a stronger one covering a weaker.

A tree is a mapping of keys to trees; its ends are histories, whose last entry is in force. Mappings merge
deep; rules and templates are mappings by id here, so that they merge by id and a rule is replaced as a whole:
half of one rule's conditions with half of another's would be a rule that nobody wrote. Lists of ids grow, all
other lists are replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeAlias

from recipes.nodes import Document, Path

__all__ = ["History", "Leaf", "Origin", "Tree", "ends", "in_force", "merge", "merge_all", "planted", "values"]


@dataclass(frozen=True)
class Origin:
    """Where a value was written.

    Attributes
    ----------
    layer : str
        ``built-in``, ``framework``, ``environment``, ``hardware``, ``custom`` or ``flags``; ``default`` for
        what nobody wrote.
    file : str
        As the user named it; empty for a default.
    line : int
        From 1; 0 for a default.
    """

    layer: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.layer} ({self.file}:{self.line})" if self.file else self.layer


@dataclass(frozen=True)
class Leaf:
    """A value and the place where it was written.

    Attributes
    ----------
    value : object
        Plain value.
    layer : str
        Kind of its layer.
    file : str
        The document's file.
    path : tuple of str or int
        Its place there.
    document : Document
        For positions and findings.
    """

    value: Any
    layer: str
    file: str
    path: Path
    document: Document = field(compare=False, repr=False)

    @property
    def origin(self) -> Origin:
        """Layer, file and line."""
        mark = self.document.mark(self.path)
        return Origin(self.layer, self.file, mark.line if mark else 1)


History: TypeAlias = tuple[Leaf, ...]
Tree: TypeAlias = "Mapping[str, Tree] | History"


def merge(weaker: Tree, stronger: Tree) -> Tree:
    """Lay one tree over another.

    Parameters
    ----------
    weaker : Tree
        Below.
    stronger : Tree
        Above.

    Returns
    -------
    Tree
        Keys of the weaker first, in its order. Associative and idempotent for trees of one shape, which the
        schema ensures; where a mapping meets a single value the stronger stands alone.
    """
    if isinstance(stronger, tuple):
        below = weaker if isinstance(weaker, tuple) else ()
        return (*(leaf for leaf in below if leaf not in stronger), *stronger)
    if isinstance(weaker, tuple):
        return stronger
    merged = dict(weaker)
    for key, tree in stronger.items():
        merged[key] = merge(weaker[key], tree) if key in weaker else tree
    return merged


def merge_all(trees: Iterable[Tree]) -> dict[str, Tree]:
    """Lay trees over one another.

    Parameters
    ----------
    trees : iterable of Tree
        Weakest first.

    Returns
    -------
    dict of str to Tree
        The merged tree.
    """
    nothing: Tree = {}
    merged = reduce(merge, trees, nothing)
    return dict(merged) if isinstance(merged, Mapping) else {}


def planted(document: Document, path: Path, value: Any, layer: str, *, depth: int) -> Tree:
    """Make a tree of a value in a document.

    Parameters
    ----------
    document : Document
        Where it is.
    path : tuple of str or int
        Its place.
    value : object
        Plain value.
    layer : str
        Kind of its layer.
    depth : int
        How many levels of mappings merge key by key; what lies deeper is one value.

    Returns
    -------
    Tree
        The tree.
    """
    if isinstance(value, dict) and depth > 0:
        return {
            key: planted(document, (*path, key), item, layer, depth=depth - 1) for key, item in value.items()
        }
    return (Leaf(value, layer, document.source.file, path, document),)


def in_force(tree: Tree | None) -> Leaf | None:
    """Find the leaf in force at the end of a tree.

    Parameters
    ----------
    tree : Tree or None
        A history.

    Returns
    -------
    Leaf or None
        The strongest; None for a mapping or for nothing.
    """
    return tree[-1] if isinstance(tree, tuple) and tree else None


def values(tree: Tree | None) -> Any:
    """Take the plain values in force.

    Parameters
    ----------
    tree : Tree or None
        The tree.

    Returns
    -------
    object
        Mappings of plain values; an empty one for nothing.
    """
    if isinstance(tree, tuple):
        return tree[-1].value
    return {key: values(each) for key, each in (tree or {}).items()}


def ends(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], History]]:
    """Walk over the ends of a tree.

    Parameters
    ----------
    tree : Tree
        The tree.
    path : tuple of str
        Where it hangs.

    Yields
    ------
    tuple of str, and History
        Keys from the top, and what was written there, the strongest last.
    """
    if isinstance(tree, tuple):
        yield path, tree
        return
    for key, each in tree.items():
        yield from ends(each, (*path, key))
