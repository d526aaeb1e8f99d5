"""References within the merged set: rules, templates, frameworks and the like that something names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from recipes.findings import Finding, nearest
from recipes.merged import SECTIONS, Merged
from recipes.merging import Leaf
from recipes.named import chosen_templates, named

__all__ = ["reference_findings"]

_FLAGS = {"frameworks": "--framework", "environments": "--environment", "hardware_profiles": "--hardware"}
_NOUNS = {"frameworks": "framework", "environments": "environment", "hardware_profiles": "hardware profile"}


def reference_findings(together: Merged, known_sections: dict[str, frozenset[str]]) -> list[Finding]:
    """Check every reference.

    Parameters
    ----------
    together : Merged
        The merged set, with what the library adds.
    known_sections : dict of str to frozenset of str
        Names of frameworks, environments and profiles that have files of their own, by section.

    Returns
    -------
    list of Finding
        Errors for names that were probably misspelled and for those that are selected; warnings for the rest.
    """
    return [
        *_selected_sections(together, known_sections),
        *_selected_templates(together),
        *_template_rules(together),
        *_section_lists(together),
        *_overrides(together),
        *_unselected(together),
    ]


def _selected_sections(together: Merged, known_sections: dict[str, frozenset[str]]) -> Iterator[Finding]:
    for section, flag in _FLAGS.items():
        known = {*together.entries(section), *known_sections.get(section, ())}
        for name in together.selection.names(section):
            if name not in known:
                message = f"there is no {_NOUNS[section]} '{name}'"
                yield Finding("MLO171", message, flag, do=_remedy(name, known))


def _selected_templates(together: Merged) -> Iterator[Finding]:
    known = together.entries("templates")
    strategy = together.leaf("settings", "default_strategy")
    strategies = together.entries("strategies")
    if strategy is not None and strategy.value not in strategies and strategies:
        message = f"there is no strategy '{strategy.value}'"
        yield _at(strategy, "MLO171", message, _remedy(strategy.value, strategies))
    for name in chosen_templates(together)[0]:
        if name in known:
            continue
        message = f"there is no template '{name}'"
        remedy = _remedy(name, {*known, *named().entries("templates")})
        setting = together.leaf("settings", "template")
        if together.selection.templates or setting is None:
            yield Finding("MLO171", message, "--template", do=remedy)
        else:
            yield _at(setting, "MLO171", message, remedy)


def _template_rules(together: Merged) -> Iterator[Finding]:
    chosen = chosen_templates(together)[0]
    for name in together.entries("templates"):
        leaf = together.leaf("templates", name)
        for index, rule in enumerate((leaf.value.get("rules") or ()) if leaf else ()):
            if leaf is not None and rule not in together.entries("rules"):
                place = Leaf(rule, leaf.layer, leaf.file, (*leaf.path, "rules", index), leaf.document)
                yield _unknown("rule", rule, place, _rules(together), is_selected=name in chosen)


def _section_lists(together: Merged) -> Iterator[Finding]:
    templates = {*together.entries("templates"), *named().entries("templates")}
    for section, (_, listed) in SECTIONS.items():
        for name in together.entries(section):
            is_selected = name in together.selection.names(section)
            for rule, leaf in together.ids(section, name, listed).items():
                if rule not in together.entries("rules"):
                    yield _unknown("rule", rule, leaf, _rules(together), is_selected=is_selected)
            for template, leaf in together.ids(section, name, "templates").items():
                if template not in templates:
                    yield _unknown("template", template, leaf, templates, is_selected=is_selected)


def _overrides(together: Merged) -> Iterator[Finding]:
    for name, entry in together.entries("environments").items():
        overrides = entry.get("overrides") if isinstance(entry, dict) else None
        for rule, tree in overrides.items() if isinstance(overrides, dict) else ():
            ends = tree.values() if isinstance(tree, dict) else ()
            leaf = next((end[-1] for end in ends if isinstance(end, tuple)), None)
            if rule not in together.entries("rules") and leaf is not None:
                is_selected = name == together.selection.environment
                yield _unknown("rule", rule, leaf, _rules(together), is_selected=is_selected)


def _unselected(together: Merged) -> Iterator[Finding]:
    """Templates that nothing selects or could select, and rules that a selection leaves out for good.

    Of the custom layer only: what frameworks and the built-in layer bring is there to be chosen from.
    """
    chosen, _ = chosen_templates(together)
    rules_of_templates: set[str] = set()
    selectable = {
        template
        for section in SECTIONS
        for name in together.entries(section)
        for template in together.ids(section, name, "templates")
    }
    for name in together.entries("templates"):
        leaf = together.leaf("templates", name)
        if leaf is None:
            continue
        rules_of_templates |= set(leaf.value.get("rules") or ())
        if not chosen and name not in selectable and leaf.layer == "custom":
            message = f"template '{name}' is selected by nothing: its rules apply by themselves or not at all"
            yield _at(leaf, "MLO243", message, f"Select it: --template {name}, or settings.template")
    for rule in together.entries("rules") if chosen else ():
        leaf = together.leaf("rules", rule)
        if leaf is None or leaf.layer != "custom" or rule in rules_of_templates:
            continue
        if not _claimed(together, rule):
            message = f"rule '{rule}' is in no template: with a template selected it never applies"
            yield _at(leaf, "MLO249", message, "Name it in a template, or remove it")


def _claimed(together: Merged, rule: str) -> bool:
    return any(
        rule in together.ids(section, name, listed)
        for section, (_, listed) in SECTIONS.items()
        for name in together.entries(section)
    )


def _rules(together: Merged) -> set[str]:
    return {*together.entries("rules"), *named().entries("rules")}


def _unknown(noun: str, name: str, leaf: Leaf, known: Iterable[str], *, is_selected: bool) -> Finding:
    meant = nearest(name, known)
    if meant is not None:
        return _at(leaf, "MLO170", f"there is no {noun} '{name}'", f"Did you mean '{meant}'?")
    message = f"there is no {noun} '{name}' in this recipe, its layers or the library"
    return _at(leaf, "MLO170" if is_selected else "MLO240", message, "Define it, or do not name it")


def _at(leaf: Leaf, code: str, message: str, do: str | None) -> Finding:
    return leaf.document.finding(code, message, leaf.path, do)


def _remedy(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    meant = nearest(name, names)
    if meant:
        return f"Did you mean '{meant}'?"
    return (
        f"Known: {', '.join(names)}" if names else "None is defined: give --config-dir or a recipe with one"
    )
