"""What ships and could serve a job as it is: templates, recipes, and what the job's own framework brings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import recipes
from learner.rules import Document
from learner.runs import Run
from recipes.named import named
from recipes.plugins import PluginFailure, catalog
from recipes.plugins.asking import ask_confidence
from recipes.schema import ParameterModel

TEMPLATE, FRAMEWORK, SHIPPED = "template", "framework", "shipped"
#: The strategy of a learned recipe that holds the parameters of its template.
STRATEGY = "tuned"
#: Files that are asked which framework they belong to; more of a kind say no more.
NAMES_ASKED = 200
#: Below this mean confidence a framework's files are too few among those that tell something.
LEAST_CONFIDENCE = 0.3


@dataclass(frozen=True)
class Offer:
    """A recipe that nobody had to search for.

    Attributes
    ----------
    name : str
        As ``template training``.
    kind : str
        ``template``, ``framework`` or ``shipped``.
    document : dict
        The recipe.
    template : str or None
        Id of the library's template that it selects.
    parameters : dict of str to object
        Values of the template's parameters that differ from its defaults.
    """

    name: str
    kind: str
    document: Document = field(repr=False)
    template: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def offers(runs: Sequence[Run], settings: Mapping[str, Any], base_name: str) -> Iterator[Offer]:
    """List what ships, in a fixed order.

    Parameters
    ----------
    runs : sequence of Run
        The runs; the names of their files tell the framework, where the record does not.
    settings : mapping
        Settings of the recipe to build on.
    base_name : str
        The recipe to compare with, which is left out.

    Yields
    ------
    Offer
        The library's templates, what the job's frameworks bring, recipes.
    """
    for template in named().entries("templates"):
        yield template_offer(template, settings, {})
    for framework in frameworks_of(runs):
        whole = recipes.resolve(recipes.LayerRequest(frameworks=(framework,)))
        yield _written(f"framework {framework}", FRAMEWORK, whole, settings)
        for template in sorted(set(whole.together.entries("templates")) - set(named().entries("templates"))):
            selected = recipes.resolve(recipes.LayerRequest(frameworks=(framework,), templates=(template,)))
            yield _written(f"template {template}", TEMPLATE, selected, settings)
    for name in recipes.shipped():
        if name != base_name:
            yield _written(f"recipe {name}", SHIPPED, recipes.load(name), settings)


def template_offer(template: str, settings: Mapping[str, Any], parameters: Mapping[str, Any]) -> Offer:
    """Write a recipe that selects a template of the library.

    Parameters
    ----------
    template : str
        Its id.
    settings : mapping
        Other settings.
    parameters : mapping
        What to set of its parameters.

    Returns
    -------
    Offer
        The recipe; the template's rules come from the library.
    """
    chosen: Document = {**settings, "template": [template]}
    document: Document = {"version": "1", "name": f"template {template}", "settings": chosen}
    if parameters:
        chosen["default_strategy"] = STRATEGY
        document["strategies"] = {STRATEGY: {"parameters": dict(parameters)}}
    return Offer(f"template {template}", TEMPLATE, document, template, dict(parameters))


def declared(template: str) -> dict[str, ParameterModel]:
    """Find the parameters of a template of the library.

    Parameters
    ----------
    template : str
        Its id.

    Returns
    -------
    dict of str to ParameterModel
        Type, default and range by name.
    """
    leaf = named().leaf("templates", template)
    written = (leaf.value.get("parameters") or {}) if leaf else {}
    return {
        name: ParameterModel.model_validate(value)
        for name, value in written.items()
        if isinstance(value, dict) and "type" in value
    }


def _written(name: str, kind: str, recipe: recipes.Recipe, settings: Mapping[str, Any]) -> Offer:
    """Write out what applies, each rule with where it comes from."""
    document = {**recipe.effective, "settings": {**recipe.effective["settings"], **settings}}
    document["rules"] = [
        {**rule, "metadata": {**(rule.get("metadata") or {}), "origin": name}} for rule in document["rules"]
    ]
    return Offer(name, kind, document)


def frameworks_of(runs: Sequence[Run]) -> list[str]:
    """Find the job's frameworks: what the record says, else what the names of its files say.

    Parameters
    ----------
    runs : sequence of Run
        The runs.

    Returns
    -------
    list of str
        Names of frameworks that bring something, the surest first.
    """
    usable = {entry.name: entry for entry in catalog().usable if entry.plugin is not None}
    told = {str(run.recorded.facts.get("workload.framework", "")) for run in runs} & usable.keys()
    if told:
        return sorted(told)
    paths = sorted({os.fsdecode(path) for run in runs for path in run.recorded.files.path})
    votes: dict[str, list[float]] = {}
    telling = set()
    for path in paths[:: max(len(paths) // NAMES_ASKED, 1)]:
        for name, entry in usable.items():
            try:
                confidence = ask_confidence(entry.plugin, path, b"") if entry.plugin else 0.0
            except PluginFailure:
                continue
            if confidence > 0:
                votes.setdefault(name, []).append(confidence)
                telling.add(path)
    scores = {name: sum(each) / len(telling) for name, each in votes.items()}
    return sorted(
        (name for name, score in scores.items() if score >= LEAST_CONFIDENCE),
        key=lambda name: (-scores[name], name),
    )
