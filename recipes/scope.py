"""Which rules of the merged set apply, where each belongs, and the parameters that each gets."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from recipes.findings import Finding, nearest
from recipes.merged import SECTIONS, Merged
from recipes.merging import History, Leaf, in_force
from recipes.named import chosen_templates
from recipes.profiles import comparison, framework_condition
from recipes.schema import ConditionModel
from recipes.templates import Parameters, has_references, reference_remedy, references
from recipes.vocabulary import CONDITION_TYPES

__all__ = ["Guard", "Scope"]

_NO_CLAIMS: dict[str, dict[str, Leaf]] = {section: {} for section in SECTIONS}


@dataclass(frozen=True)
class Guard:
    """A condition that a rule has because of where it belongs.

    Attributes
    ----------
    condition : ConditionModel
        The condition.
    leaf : Leaf
        Where it follows from.
    """

    condition: ConditionModel
    leaf: Leaf


@dataclass
class Scope:
    """Answers for one merged set.

    Attributes
    ----------
    together : Merged
        The merged set.
    findings : list of Finding
        What was found on the way.
    profiles : dict of str to list of Guard
        The conditions of each hardware profile.
    """

    together: Merged
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.templates, self._is_explicit = chosen_templates(self.together)
        self._parameters: dict[str, dict[str, Any]] = {}
        self._owners: dict[str, list[str]] = {}
        for name in self.together.entries("templates"):
            template = self.together.leaf("templates", name)
            if template is not None:
                self._resolve_parameters(name, template)
                for rule in template.value.get("rules") or ():
                    self._owners.setdefault(rule, []).append(name)
        self._claims_of: dict[str, dict[str, dict[str, Leaf]]] = {}
        for section, (_, listed) in SECTIONS.items():
            for name in self.together.entries(section):
                for rule, leaf in self.together.ids(section, name, listed).items():
                    claims = self._claims_of.setdefault(rule, {each: {} for each in SECTIONS})
                    claims[section][name] = leaf
        self._check_overrides()
        self.profiles = {name: self._guards(name) for name in self.together.entries("hardware_profiles")}

    @functools.cached_property
    def rules(self) -> list[tuple[str, Leaf]]:
        """Rules that apply: id and the rule as written, in merged order."""
        return list(self._rules())

    def _rules(self) -> Iterator[tuple[str, Leaf]]:
        named = {rule for rule, owners in self._owners.items() if set(owners) & set(self.templates)}
        for rule in self.together.entries("rules"):
            leaf = self.together.leaf("rules", rule)
            if leaf is None or self._is_switched_off(rule):
                continue
            if self.templates:
                claimed = not self._is_explicit and self._is_claimed_by_selected(rule)
                applies = rule in named or claimed
            else:
                applies = rule not in self.together.named_only or self._is_claimed(rule)
                applies = applies and not self._waits_for_template(rule, leaf)
            if applies:
                yield rule, leaf

    def parameters(self, rule: str) -> dict[str, Any] | None:
        """Find the parameters of a rule.

        Parameters
        ----------
        rule : str
            Its id.

        Returns
        -------
        dict or None
            Of the selected template that names it, else of the first that does; None where none does.
        """
        owners = self._owners.get(rule, [])
        selected = [name for name in self.templates if name in owners]
        name = selected[-1] if selected else next(iter(owners), None)
        return None if name is None else self._parameters.get(name, {})

    def guards(self, rule: str) -> list[tuple[str, list[Guard]]]:
        """Find what must hold because of where a rule belongs.

        Parameters
        ----------
        rule : str
            Its id.

        Returns
        -------
        list of tuple of str and list of Guard
            The variants of the rule: an addition to its id, and conditions. One without either for a rule
            that applies everywhere; one for each hardware profile where several name it.
        """
        base = self._framework_guard(rule)
        profiles = self._claims(rule)["hardware_profiles"]
        if not profiles or set(profiles) & set(self.together.selection.hardware):
            return [("", base)]
        if len(profiles) == 1:
            return [("", base + self.profiles[next(iter(profiles))])]
        return [(f"@{name}", base + self.profiles[name]) for name in profiles]

    def overrides(self, rule: str) -> dict[str, Any]:
        """Find what the environment changes in a rule.

        Parameters
        ----------
        rule : str
            Its id.

        Returns
        -------
        dict
            Keys of the rule.
        """
        environment = self.together.selection.environment
        entry = self.together.entries("environments").get(environment) if environment else None
        overrides = entry.get("overrides") if isinstance(entry, dict) else None
        tree = overrides.get(rule) if isinstance(overrides, dict) else None
        found = {key: in_force(end) for key, end in tree.items()} if isinstance(tree, dict) else {}
        return {key: leaf.value for key, leaf in found.items() if leaf is not None}

    def check_references(self, rule: str, leaf: Leaf) -> None:
        """Report references of a rule's actions to parameters that it cannot have.

        Parameters
        ----------
        rule : str
            Its id.
        leaf : Leaf
            The rule.
        """
        owners = self._owners.get(rule, [])
        for path, name in references(leaf.value.get("actions"), (*leaf.path, "actions")):
            if not owners:
                message = f"'${{{name}}}' stands outside of a template: no template names rule '{rule}'"
                self._report(leaf, "MLO172", message, path, "Write the value, or name the rule in a template")
                continue
            for owner in owners:
                known = self._declared(owner)
                if name not in known:
                    message = f"template '{owner}' has no parameter '{name}'"
                    self._report(leaf, "MLO172", message, path, reference_remedy(name, known))

    def check_use(self) -> None:
        """Report parameters that no rule of their template uses."""
        used: dict[str, set[str]] = {}
        for rule, owners in self._owners.items():
            leaf = self.together.leaf("rules", rule)
            names = {name for _, name in references(leaf.value.get("actions"))} if leaf else set()
            for owner in owners:
                used.setdefault(owner, set()).update(names)
        for name, parameters in self._parameters.items():
            template = self.together.leaf("templates", name)
            declared = self._declared(name)
            within = {other for _, other in references(list(declared.values()))}
            for parameter in parameters if template else ():
                if template and parameter not in used.get(name, set()) | within:
                    message = f"parameter '{parameter}' has no effect: no rule of template '{name}' uses it"
                    place = (*template.path, "parameters", parameter)
                    do = f"Write '${{{parameter}}}' in an action, or remove it"
                    self.findings.append(template.document.finding("MLO242", message, place, do, key=True))

    def _resolve_parameters(self, name: str, template: Leaf) -> None:
        overrides = {
            key: tree for key, tree in self.together.parameters.items() if isinstance(tree, tuple)
        } if name in self.templates else {}  # fmt: skip
        settled = Parameters(template, overrides)
        self._parameters[name] = settled.resolve()
        self.findings += settled.findings

    def _check_overrides(self) -> None:
        """Report parameters that are set and that no selected template has."""
        known = {key for name in self.templates for key in self._declared(name)}
        anywhere = {key for name in self.together.entries("templates") for key in self._declared(name)}
        for name, tree in self.together.parameters.items():
            history: History = tree if isinstance(tree, tuple) else ()
            if name in known or not history:
                continue
            leaf = history[-1]
            meant = nearest(name, known)
            if not self.templates:
                message = f"parameter '{name}' has no effect: no template is selected"
                remedy = "Select one with --template NAME" if anywhere else "No template is defined"
            else:
                message = f"no selected template has a parameter '{name}'"
                remedy = (
                    f"Did you mean '{meant}'?" if meant else f"Known: {', '.join(sorted(known)) or 'none'}"
                )
            code = "MLO172" if leaf.layer == "flags" else "MLO247"
            self.findings.append(leaf.document.finding(code, message, leaf.path, remedy, key=True))

    def _declared(self, template: str) -> dict[str, Any]:
        leaf = self.together.leaf("templates", template)
        return dict(leaf.value.get("parameters") or {}) if leaf else {}

    def _waits_for_template(self, rule: str, leaf: Leaf) -> bool:
        if rule not in self._owners or not has_references(leaf.value.get("actions")):
            return False
        if leaf.layer != "custom":
            return True
        template = self._owners[rule][0]
        message = f"rule '{rule}' uses parameters: it applies where template '{template}' is selected"
        self._report(leaf, "MLO241", message, leaf.path, f"Select it with --template {template}")
        return True

    def _claims(self, rule: str) -> dict[str, dict[str, Leaf]]:
        """Sections that name a rule: names with the places, by section."""
        return self._claims_of.get(rule, _NO_CLAIMS)

    def _is_claimed(self, rule: str) -> bool:
        return any(self._claims(rule).values())

    def _is_claimed_by_selected(self, rule: str) -> bool:
        return any(
            name in self.together.selection.names(section)
            for section, names in self._claims(rule).items()
            for name in names
        )

    def _is_switched_off(self, rule: str) -> bool:
        claims = self._claims(rule)
        environments = claims["environments"]
        if environments and self.together.selection.environment not in environments:
            return True
        frameworks = claims["frameworks"]
        if frameworks and not any(self._is_enabled(name) for name in frameworks):
            return True
        return self.overrides(rule).get("enabled") is False

    def _is_enabled(self, framework: str) -> bool:
        entry = self.together.entries("frameworks").get(framework)
        leaf = in_force(entry.get("enabled")) if isinstance(entry, dict) else None
        return leaf is None or leaf.value is not False

    def _framework_guard(self, rule: str) -> list[Guard]:
        claims = self._claims(rule)["frameworks"]
        frameworks = {name: leaf for name, leaf in claims.items() if self._is_enabled(name)}
        if not frameworks or set(frameworks) & set(self.together.selection.frameworks):
            return []
        return [Guard(framework_condition(list(frameworks)), next(iter(frameworks.values())))]

    def _guards(self, profile: str) -> list[Guard]:
        """Read the comparisons of a hardware profile."""
        entry = self.together.entries("hardware_profiles")[profile]
        written = in_force(entry.get("conditions")) if isinstance(entry, dict) else None
        found: list[Guard] = []
        if written is None:
            return found
        for index, mapping in enumerate(written.value):
            for name, value in mapping.items():
                leaf = replace(written, path=(*written.path, index, name), value=value)
                properties = CONDITION_TYPES["system_context"]
                if name not in properties:
                    meant = nearest(name, properties)
                    remedy = f"Did you mean '{meant}'?" if meant else f"Known: {', '.join(properties)}"
                    message = f"a machine has no property '{name}'"
                    self.findings.append(
                        leaf.document.finding("MLO175", message, leaf.path, remedy, key=True)
                    )
                    continue
                try:
                    found.append(Guard(comparison(name, value), leaf))
                except ValueError as error:
                    self._report(leaf, "MLO175", f"{name}: {error}", leaf.path, "Operators: >= <= > < == !=")
        return found

    def _report(self, leaf: Leaf, code: str, message: str, path: Any, do: str | None) -> None:
        self.findings.append(leaf.document.finding(code, message, path, do))
