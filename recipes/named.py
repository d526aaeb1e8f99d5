"""Rules and templates of the library that apply where something names them, and nowhere else."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from recipes.merged import SECTIONS, Layer, Merged, Selection, merged
from recipes.nodes import parse
from recipes.source import Source

__all__ = ["LIBRARY", "chosen_templates", "with_named"]

LIBRARY = Path(__file__).parent / "library"
_FOLDERS = ("rules", "templates")


@functools.cache
def named() -> Merged:
    """Read the library's rules and templates.

    Returns
    -------
    Merged
        The same object each time.
    """
    files = [path for folder in _FOLDERS for path in sorted((LIBRARY / folder).glob("*.yaml"))]
    layers = [Layer("built-in", parse(Source.read(path, path.stem))) for path in files]
    return merged(layers, Selection())


def with_named(together: Merged) -> Merged:
    """Add what the merged set names and does not define, as far as the library has it.

    Parameters
    ----------
    together : Merged
        The merged set.

    Returns
    -------
    Merged
        The set with those rules and templates, weaker than all others.
    """
    templates = dict(together.entries("templates"))
    library = named()
    for name in {*chosen_templates(together)[0], *_listed(together, "templates")}:
        if name not in templates and name in library.entries("templates"):
            templates[name] = library.entries("templates")[name]
    together = replace(together, tree={**together.tree, "templates": templates})
    rules = together.entries("rules")
    wanted = dict.fromkeys(_named_rules(together))
    missing = {name: library.entries("rules")[name] for name in wanted
               if name not in rules and name in library.entries("rules")}  # fmt: skip
    if not missing:
        return together
    tree = {**together.tree, "rules": {**rules, **missing}}
    return replace(together, tree=tree, named_only=frozenset(missing))


def chosen_templates(together: Merged) -> tuple[list[str], bool]:
    """List the templates that are selected.

    Parameters
    ----------
    together : Merged
        The merged set.

    Returns
    -------
    tuple of list of str, and bool
        Ids; whether they were chosen as such (on the command line, by ``settings.template`` or by the
        strategy) and not by a framework or an environment.
    """
    if together.selection.templates:
        return list(together.selection.templates), True
    setting = together.leaf("settings", "template")
    if setting is not None and setting.value:
        return [setting.value] if isinstance(setting.value, str) else list(setting.value), True
    strategy = together.leaf("settings", "default_strategy")
    if strategy is not None and (ids := together.ids("strategies", strategy.value, "templates")):
        return list(ids), True
    found: dict[str, None] = {}
    for section in ("frameworks", "environments"):
        for name in together.selection.names(section):
            found |= dict.fromkeys(together.ids(section, name, "templates"))
    return list(found), False


def _named_rules(together: Merged) -> Iterable[str]:
    for name in together.entries("templates"):
        template = together.leaf("templates", name)
        yield from (template.value.get("rules") or ()) if template else ()
    for section, (_, listed) in SECTIONS.items():
        for name in together.entries(section):
            yield from together.ids(section, name, listed)


def _listed(together: Merged, listed: str) -> Iterable[str]:
    for section in SECTIONS:
        for name in together.entries(section):
            yield from together.ids(section, name, listed)
