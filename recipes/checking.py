"""Everything that is wrong with a recipe, or worth knowing, without using it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from recipes.findings import Finding, RecipeError
from recipes.layers import LayerRequest
from recipes.loader import find, resolve
from recipes.nodes import parse
from recipes.recipe import Recipe
from recipes.strict import strict_findings

__all__ = ["Checked", "check"]


@dataclass(frozen=True)
class Checked:
    """What became of one recipe.

    Attributes
    ----------
    recipe : Recipe or None
        None when it cannot be used.
    findings : tuple of Finding
        Errors first, then in the order of the file.
    """

    recipe: Recipe | None
    findings: tuple[Finding, ...]


def check(name_or_path: str, *, strict: bool = False, around: LayerRequest | None = None) -> Checked:
    """Check a recipe.

    Parameters
    ----------
    name_or_path : str
        Name of a recipe that ships, or a file.
    strict : bool
        Also report what the recipe leaves to its reader.
    around : LayerRequest, optional
        The layers around it.

    Returns
    -------
    Checked
        The recipe if it can be used, and everything that was found.
    """
    recipe = None
    findings: list[Finding] = []
    try:
        if strict:
            findings += strict_findings(parse(find(name_or_path)[0]))
        recipe = resolve(replace(around or LayerRequest(), recipe=name_or_path))
        findings += recipe.warnings
    except RecipeError as error:
        findings += error.findings
    return Checked(recipe, tuple(sorted(findings, key=lambda finding: finding.sort_key)))
