"""A recipe that was read and understood, alone or with the layers around it."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from recipes.findings import Finding, RecipeError
from recipes.meaning import Resolver
from recipes.merged import Layer, Merged, Selection, merged, rule_key
from recipes.merging import Leaf, Origin, Tree, ends, merge_all, planted
from recipes.named import chosen_templates, with_named
from recipes.nodes import Document, parse
from recipes.reach import reach_findings
from recipes.references import reference_findings
from recipes.schema import RecipeModel, RuleModel, SettingsModel
from recipes.scope import Guard, Scope
from recipes.settings import setting_findings
from recipes.source import Source
from recipes.structure import model_findings, validate_structure, validated_rules
from recipes.templates import has_references, settled, substituted

__all__ = ["Recipe", "alone_findings", "apply_template", "build", "read"]


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
        Every key with its type; what applies where several layers took part.
    rules : tuple of dict
        Rules of the plan, in merged order.
    warnings : tuple of Finding
        What is worth knowing.
    document : dict
        Plain values, to be changed and dumped again: as written where it stands alone, else `effective`.
    together : Merged
        All values with the places where they were written.
    layers : tuple of Layer
        The documents that took part, weakest first.
    known_sections : dict of str to frozenset of str
        Frameworks and the like that have files of their own.
    """

    file: str
    layer: str
    model: RecipeModel = field(repr=False)
    rules: tuple[dict[str, Any], ...] = field(repr=False)
    warnings: tuple[Finding, ...]
    document: dict[str, Any] = field(repr=False)
    together: Merged = field(repr=False)
    layers: tuple[Layer, ...] = field(repr=False)
    known_sections: dict[str, frozenset[str]] = field(repr=False)

    @property
    def name(self) -> str:
        """The recipe's own name, or its file's."""
        return self.model.name or self.file

    @property
    def settings(self) -> SettingsModel:
        """Settings with their defaults."""
        return self.model.settings

    @functools.cached_property
    def effective(self) -> dict[str, Any]:
        """Plain values of what applies: rules and settings without sections, parameters in their places."""
        return _effective(self.together, Scope(self.together))

    def origins(self) -> Iterator[tuple[str, Any, tuple[Origin, ...]]]:
        """Tell for each value where it came from.

        Yields
        ------
        tuple of str, object, and tuple of Origin
            Dotted key, the value in force, and who wrote it: the strongest first, then what it replaced.
            Settings that nobody wrote come with the origin ``default``.
        """
        for path, history in ends(self.together.tree):
            origins = tuple(leaf.origin for leaf in reversed(history))
            yield ".".join(path), history[-1].value, origins
        for path, history in ends({"parameters": self._parameters()}):
            yield ".".join(path), history[-1].value, tuple(leaf.origin for leaf in reversed(history))
        written = self.together.entries("settings")
        for key, value in SettingsModel().model_dump().items():
            if key not in written and value is not None:
                yield f"settings.{key}", value, (Origin("default", "", 0),)

    def _parameters(self) -> Tree:
        """Parameters of the selected templates, and what covers them."""
        defaults = []
        for name in chosen_templates(self.together)[0]:
            template = self.together.leaf("templates", name)
            if template is not None:
                path = (*template.path, "parameters")
                written = template.value.get("parameters") or {}
                defaults.append(planted(template.document, path, written, template.layer, depth=1))
        return merge_all([*defaults, self.together.parameters])


def read(source: Source, *, layer: str = "custom") -> Recipe:
    """Understand a recipe that stands alone.

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
    return build([Layer(layer, parse(source))])


def apply_template(recipe: Recipe, name: str, **parameters: Any) -> Recipe:
    """Select a template of a recipe.

    Parameters
    ----------
    recipe : Recipe
        It, its layers or the library define the template.
    name : str
        The template's id.
    **parameters : object
        Values for the template's parameters.

    Returns
    -------
    Recipe
        With the template's rules only; its `document` has the parameters in their places.

    Raises
    ------
    RecipeError
        When there is no such template or parameter, or a value does not fit.
    """
    before = recipe.together.selection.flags
    value: dict[str, Any] = copy.deepcopy(before.value) if before else {}
    value["parameters"] = value.get("parameters", {}) | parameters
    source = before.source if before else Source.of_text("", f"template {name}")
    flags = replace(before, value=value) if before else Document(source, value)
    selection = replace(recipe.together.selection, templates=(name,), flags=flags)
    return build(recipe.layers, selection, recipe.known_sections)


def build(
    layers: Sequence[Layer],
    selection: Selection | None = None,
    known_sections: dict[str, frozenset[str]] | None = None,
    found_before: Sequence[Finding] = (),
) -> Recipe:
    """Lay documents over one another and understand the whole.

    Parameters
    ----------
    layers : sequence of Layer
        At least one, weakest first.
    selection : Selection, optional
        What was selected beside them.
    known_sections : dict of str to frozenset of str, optional
        Frameworks, environments and profiles that have files of their own, by section.
    found_before : sequence of Finding, optional
        What was found when the documents were collected.

    Returns
    -------
    Recipe
        Without errors; its warnings are kept.

    Raises
    ------
    RecipeError
        With everything that was found in all documents.
    """
    selection = selection or Selection()
    models, findings = _structure(layers, selection, found_before)
    together = with_named(merged(layers, selection))
    # A framework's own document may name rules of a framework that it builds on: it is never the whole.
    if any(layer.kind != "framework" for layer in layers):
        findings += reference_findings(together, known_sections or {})
    scope = Scope(together)
    settings = SettingsModel.model_validate(together.plain("settings"))
    kinds = {id(layer.document): layer.kind for layer in layers}
    reading = _Reading(scope, settings.confidence_threshold, kinds)
    for layer, model in zip(layers, models, strict=True):
        reading.document(layer.document, model)
    rules = [rule for name, leaf in scope.rules for rule in reading.variants(name, leaf)]
    for order, rule in enumerate(rules):
        rule["order"] = order
    ordered = tuple(rules)
    scope.check_use()
    findings += scope.findings + reading.findings() + list(setting_findings(together))
    last = layers[-1]
    if not any(finding.severity == "error" for finding in findings):
        findings += reach_findings(ordered, settings, reading.places)
    if not ordered:
        message = "holds no rules: every file is streamed" if not together.entries("rules") else _NONE_APPLIES
        path = ("rules",) if "rules" in last.document.value else ()
        findings.append(last.document.finding("MLO211", message, path))
    if any(finding.severity == "error" for finding in findings):
        raise RecipeError(findings)
    alone = len(layers) == 1 and selection == Selection()
    document = last.document.value if alone else _effective(together, scope)
    model = models[0] if alone else RecipeModel.model_validate(document)
    return Recipe(
        file=last.document.source.file,
        layer=last.kind,
        model=model.model_copy(update={"settings": settings}),
        rules=ordered,
        warnings=tuple(findings),
        document=document,
        together=together,
        layers=tuple(layers),
        known_sections=known_sections or {},
    )


_NONE_APPLIES = "none of its rules applies here: every file is streamed"


class _Reading:
    """Reads the rules of all documents, each once and with its parameters, whether it applies or not."""

    def __init__(self, scope: Scope, threshold: float, kinds: dict[int, str]) -> None:
        self.scope = scope
        self.kinds = kinds
        self.threshold = threshold
        self.places: dict[str, Leaf] = {}
        self._resolvers: dict[int, Resolver] = {}
        self._resolved: dict[tuple[int, Any], dict[str, Any]] = {}

    def document(self, document: Document, model: RecipeModel) -> None:
        """Read all rules of a document."""
        for index, rule in enumerate(model.rules):
            self._read(document, index, rule, rule_key(document.value["rules"][index], index))

    def variants(self, name: str, leaf: Leaf) -> Iterator[dict[str, Any]]:
        """Give the plan's rules for one that applies: one, or one for each profile that names it."""
        index = leaf.path[-1]
        if (id(leaf.document), index) not in self._resolved:  # it came from the library
            self._read(leaf.document, index, RuleModel.model_validate(leaf.value), name)
        rule = self._resolved[id(leaf.document), index]
        changes = {key: value for key, value in self.scope.overrides(name).items() if key != "enabled"}
        for addition, guards in self.scope.guards(name):
            conditions = [self._guard(guard) for guard in guards]
            identifier = rule["id"] + addition
            self.places[identifier] = leaf
            yield rule | changes | {"id": identifier, "conditions": [*rule["conditions"], *conditions]}

    def findings(self) -> list[Finding]:
        """Collect what was found in the rules."""
        return [finding for resolver in self._resolvers.values() for finding in resolver.findings]

    def _read(self, document: Document, index: Any, rule: RuleModel, name: str) -> None:
        leaf = Leaf(document.value["rules"][index], "", document.source.file, ("rules", index), document)
        if has_references(leaf.value.get("actions")):
            self.scope.check_references(name, leaf)
            rule = self._with_parameters(rule, self.scope.parameters(name) or {})
        self._resolved[id(document), index] = self._resolver(document).rule(index, rule) | {
            "origin": _origin(document, index, self.kinds.get(id(document), "built-in"))
        }

    def _with_parameters(self, rule: RuleModel, parameters: dict[str, Any]) -> RuleModel:
        actions = [
            action.model_copy(update={"parameters": settled(substituted(action.parameters, parameters))})
            for action in rule.actions
        ]
        return rule.model_copy(update={"actions": actions})

    def _guard(self, guard: Guard) -> dict[str, Any]:
        return self._resolver(guard.leaf.document).condition(guard.leaf.path, guard.condition)

    def _resolver(self, document: Document) -> Resolver:
        if id(document) not in self._resolvers:
            self._resolvers[id(document)] = Resolver(document, self.threshold)
        return self._resolvers[id(document)]


def _origin(document: Document, index: Any, layer: str) -> dict[str, Any]:
    mark = document.mark(("rules", index))
    # Only the file's own name: the plan's identity must not depend on the folder it was compiled in.
    file = document.source.file.rsplit("/", 1)[-1]
    return {"layer": layer, "file": file, "line": mark.line if mark else 1}


def alone_findings(document: Document) -> list[Finding]:
    """Check a document that takes no part, as far as it stands alone.

    Parameters
    ----------
    document : Document
        The document.

    Returns
    -------
    list of Finding
        Errors and warnings.
    """
    model, findings = validate_structure(document)
    return [*findings, *_document_findings(document), *_rule_findings(document, model)]


def _structure(
    layers: Sequence[Layer], selection: Selection, found_before: Sequence[Finding]
) -> tuple[list[RecipeModel], list[Finding]]:
    """Hold each document against the schema; if one does not fit, say all that can be said and stop."""
    checked = [(layer.document, *validate_structure(layer.document)) for layer in layers]
    findings = list(found_before)
    for document, _, found in checked:
        findings += found + _document_findings(document)
    flags = selection.flags
    if flags is not None:
        findings += model_findings(flags, SettingsModel, flags.value.get("settings", {}), ("settings",))
    if any(finding.severity == "error" for finding in findings):
        for document, model, _ in checked:
            findings += _rule_findings(document, model)
        raise RecipeError(findings)
    return [model for _, model, _ in checked if model is not None], findings


def _rule_findings(document: Document, model: RecipeModel | None) -> list[Finding]:
    """Look at the rules of a document whose set does not hold together, as far as they stand alone."""
    resolver = Resolver(document, model.settings.confidence_threshold if model else 0.5)
    for index, rule in enumerate(model.rules) if model else validated_rules(document):
        if not has_references([action.parameters for action in rule.actions]):
            resolver.rule(index, rule)
    return resolver.findings


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
    if value.get("plugins"):
        message = "section 'plugins' has no effect: a recipe cannot load code, plugins are installed packages"
        findings.append(document.finding("MLO203", message, ("plugins",), key=True))
    seen: dict[Any, int] = {}
    templates = value.get("templates")
    for index, template in enumerate(templates if isinstance(templates, list) else []):
        name = template.get("id") if isinstance(template, dict) else None
        mark = document.mark(("templates", index))
        if isinstance(name, str) and name in seen:
            message = f"template id '{name}' is taken by the template in line {seen[name]}"
            findings.append(document.finding("MLO176", message, ("templates", index, "id"), "Rename one"))
        if isinstance(name, str):
            seen.setdefault(name, mark.line if mark else 0)
    return findings


def _effective(together: Merged, scope: Scope) -> dict[str, Any]:
    """Write out what applies: one recipe without sections, its parameters in their places."""
    document: dict[str, Any] = {"version": "1"}
    for key in ("name", "description"):
        leaf = together.tree.get(key)
        if isinstance(leaf, tuple):
            document[key] = leaf[-1].value
    chosen = together.plain("settings")
    document["settings"] = {
        key: value for key, value in chosen.items() if key not in ("template", "default_strategy")
    }
    document["rules"] = [rule for name, leaf in scope.rules for rule in _written(scope, name, leaf)]
    return document


def _written(scope: Scope, name: str, leaf: Leaf) -> Iterator[dict[str, Any]]:
    rule = leaf.value | {key: value for key, value in scope.overrides(name).items() if key != "enabled"}
    parameters = scope.parameters(name)
    if parameters:
        rule |= {"actions": substituted(rule.get("actions", []), parameters)}
    for addition, guards in scope.guards(name):
        written = [guard.condition.model_dump() for guard in guards]
        own = {"id": f"{name}{addition}", "conditions": [*rule.get("conditions", []), *written]}
        yield rule | (own if guards else {})
