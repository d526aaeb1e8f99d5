"""The layers that frameworks bring: by name, or by what a job's data shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.findings import Finding
from recipes.merged import Layer

if TYPE_CHECKING:
    from recipes.plugins import Catalog, PluginSelection, TreeDetection

__all__ = ["AUTO", "Frameworks"]

AUTO = "auto"


class Frameworks:
    """Frameworks as plugins know them; nothing is imported before a framework is asked for.

    Parameters
    ----------
    tree : Path or None
        The job's data.
    selection : recipes.plugins.PluginSelection or None
        What the operator said about plugins of others; the environment's word if None.
    facts : mapping of str to object, or None
        What is known of job and machine, which plugins are told when they are asked for hints.
    """

    def __init__(
        self,
        tree: Path | None,
        selection: PluginSelection | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.tree = tree
        self.facts = facts
        self._selection = selection
        self._detection: TreeDetection | None = None

    @cached_property
    def _catalog(self) -> Catalog:
        from recipes.plugins import catalog

        return catalog(self._selection)

    @property
    def known(self) -> frozenset[str]:
        """Names that can be selected."""
        return frozenset(entry.name for entry in self._catalog.usable)

    def names(self, asked: tuple[str, ...], findings: list[Finding]) -> tuple[str, ...]:
        """Settle which frameworks are meant.

        Parameters
        ----------
        asked : tuple of str
            Names, or ``auto``.
        findings : list of Finding
            Is told where ``auto`` finds nothing.

        Returns
        -------
        tuple of str
            Names, each once.
        """
        found: dict[str, None] = {}
        for name in asked:
            if name != AUTO:
                found[name] = None
            elif self.tree is None:
                message = "the framework cannot be found out without the job's data"
                findings.append(Finding("MLO171", message, "--framework", do="Name it"))
            elif best := self._detect(self.tree, findings):
                found[best] = None
            else:
                message = f"no framework stands out in {self.tree}: none of their layers is added"
                findings.append(Finding("MLO245", message, "--framework", do="Name it"))
        return tuple(found)

    def layers(self, name: str, findings: list[Finding]) -> Iterator[Layer]:
        """Take what a framework brings.

        Parameters
        ----------
        name : str
            The framework; one that no plugin knows brings nothing.
        findings : list of Finding
            Is told which hints come to nothing.

        Yields
        ------
        Layer
            Weakest first.
        """
        from recipes.plugins import framework_layer

        if name in self.known:
            layer = framework_layer(name, self._catalog, self._detection, self.facts)
            for asked in layer.hints:
                if asked.advisory is not None:
                    message = f"hint '{asked.hint.type}' has no effect: {asked.advisory}"
                    findings.append(Finding("MLO261", message, f"plugin {name}"))
            for recipe in layer.recipes:
                yield from recipe.layers

    def _detect(self, tree: Path, findings: list[Finding]) -> str | None:
        from recipes.plugins import detect_tree

        self._detection = detect_tree(tree, self._catalog)
        for name, problem in self._detection.failures.items():
            remedy = f"See 'mlopt plugins check {name} --plugin {name}'"
            findings.append(Finding("MLO260", f"has no vote: {problem}", f"plugin {name}", do=remedy))
        self._catalog = self._catalog.without(self._detection.failures)
        return self._detection.best
