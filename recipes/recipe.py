"""A recipe that was read and understood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from recipes.findings import Finding, RecipeError
from recipes.meaning import Resolver
from recipes.nodes import Document, parse
from recipes.schema import ADVISORY_SECTIONS, ADVISORY_SETTINGS, RecipeModel
from recipes.source import Source
from recipes.structure import validate_structure, validated_rules

__all__ = ["Recipe", "read"]


@dataclass(frozen=True)
class Recipe:
    """A recipe without errors.

    Attributes
    ----------
    file : str
        As the user named it.
    layer : str
        ``built-in`` for those that ship, else ``custom``.
    model : RecipeModel
        As written.
    rules : tuple of dict
        Rules of the plan, in the order of the file.
    warnings : tuple of Finding
        What is worth knowing.
    document : dict
        Plain values, to be changed and dumped again.
    """

    file: str
    layer: str
    model: RecipeModel = field(repr=False)
    rules: tuple[dict[str, Any], ...] = field(repr=False)
    warnings: tuple[Finding, ...]
    document: dict[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """The recipe's own name, or its file's."""
        return self.model.name or self.file

    @property
    def settings(self) -> Any:
        """Settings with their defaults."""
        return self.model.settings


def read(source: Source, *, layer: str = "custom") -> Recipe:
    """Understand a recipe.

    Parameters
    ----------
    source : Source
        Its text.
    layer : str
        Where it comes from.

    Returns
    -------
    Recipe
        Without errors; its warnings are kept.

    Raises
    ------
    RecipeError
        With everything that was found.
    """
    document = parse(source)
    model, findings = validate_structure(document)
    written = enumerate(model.rules) if model else validated_rules(document)
    resolver = Resolver(document, model.settings.confidence_threshold if model else 0.5)
    rules = [_with_origin(document, resolver, index, rule, layer) for index, rule in written]
    findings += resolver.findings
    findings += _document_findings(document)
    if model is None or any(finding.severity == "error" for finding in findings):
        raise RecipeError(findings)
    return Recipe(source.file, layer, model, tuple(rules), tuple(findings), document.value)


def _with_origin(document: Document, resolver: Resolver, index: int, rule: Any, layer: str) -> dict[str, Any]:
    mark = document.mark(("rules", index))
    # Only the file's own name: the plan's identity must not depend on the folder it was compiled in.
    file = document.source.file.rsplit("/", 1)[-1]
    origin = {"layer": layer, "file": file, "line": mark.line if mark else 1}
    return resolver.rule(index, rule) | {"origin": origin}


def _document_findings(document: Document) -> list[Finding]:
    value = document.value
    findings = [
        document.finding("MLO210", f"'{key}' is missing", (), f"Add '{key}:'")
        for key in ("version", "name")
        if value.get(key) is None
    ]
    version = value.get("version")
    if isinstance(version, str | int | float) and str(version).split(".")[0].lstrip("v") != "1":
        message = f"version {version} is not understood"
        findings.append(document.finding("MLO123", message, ("version",), 'Write version: "1"'))
    for section in ADVISORY_SECTIONS:
        if value.get(section):
            message = f"section '{section}' is not enforced yet"
            findings.append(document.finding("MLO203", message, (section,), key=True))
    settings = value.get("settings")
    written = settings if isinstance(settings, dict) else {}
    for setting in ADVISORY_SETTINGS:
        if setting in written:
            message = f"setting '{setting}' has no effect yet"
            findings.append(document.finding("MLO203", message, ("settings", setting), key=True))
    if not value.get("rules"):
        message = "holds no rules: every file is streamed"
        findings.append(document.finding("MLO211", message, ("rules",) if "rules" in value else ()))
    return findings
