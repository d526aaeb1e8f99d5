"""Write recipes: canonical YAML that reads back to the same values."""

from __future__ import annotations

from typing import Any

import yaml

from recipes.nodes import is_plain_text
from recipes.schema import ActionModel, ConditionModel, RecipeModel, RuleModel, SettingsModel

__all__ = ["dump"]

_WIDTH = 110


class _Flow(dict[str, Any]):
    """A mapping written on one line."""


class _Writer(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Write values out: an alias helps nobody who reads a recipe."""
        del data
        return True


def _write_text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if is_plain_text(text) else '"'
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _write_flow(writer: yaml.SafeDumper, mapping: _Flow) -> yaml.MappingNode:
    return writer.represent_mapping("tag:yaml.org,2002:map", mapping.items(), flow_style=True)


_Writer.add_representer(str, _write_text)
_Writer.add_representer(_Flow, _write_flow)


def dump(document: dict[str, Any], header: str) -> str:
    """Write a recipe.

    Parameters
    ----------
    document : dict
        Plain values, as `Recipe.document` has them.
    header : str
        Lines for a comment on top, without ``#``.

    Returns
    -------
    str
        YAML; keys in the order of the schema, conditions and actions on one line each.
    """
    ordered = _ordered(document, list(RecipeModel.model_fields))
    if isinstance(document.get("settings"), dict):
        ordered["settings"] = _ordered(document["settings"], list(SettingsModel.model_fields))
    if isinstance(document.get("rules"), list):
        ordered["rules"] = [_rule(rule) for rule in document["rules"]]
    text = yaml.dump(ordered, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=_WIDTH)
    comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
    return comment + text


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    written = _ordered(rule, list(RuleModel.model_fields))
    for key, model in (("conditions", ConditionModel), ("actions", ActionModel)):
        if key in written:
            written[key] = [_Flow(_ordered(each, list(model.model_fields))) for each in written[key]]
    return written


def _ordered(mapping: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    known = {key: mapping[key] for key in keys if key in mapping}
    return known | {key: value for key, value in mapping.items() if key not in known}
