"""Codes of strict mode: defaults that were left to the reader."""

from __future__ import annotations

from recipes.codes.base import Code, a_recipe

__all__ = ["CODES"]

CODES = (
    Code(
        "MLO212",
        "A condition has no operator",
        "It is read as 'equals', or as 'in' for a list. Other readers of such files take it for false.",
        "Write 'operator:'.",
        a_recipe(condition="{type: file_context, property: extension, value: .pt, weight: 1.0}"),
        reported_by="mlopt validate --strict",
    ),
    Code(
        "MLO213",
        "A condition has no weight",
        "It counts 1.0. Other readers of such files take it for 0, so that the rule can never fire.",
        "Write 'weight:'; with 'match: all' or 'match: any' weights mean nothing and are not asked for.",
        a_recipe(condition="{type: file_context, property: extension, operator: equals, value: .pt}"),
        reported_by="mlopt validate --strict",
    ),
    Code(
        "MLO214",
        "An action has no target",
        "It is read as 'file'.",
        "Write 'target: file'.",
        a_recipe(action="{type: cache, parameters: {policy: pinned}}"),
        reported_by="mlopt validate --strict",
    ),
    Code(
        "MLO215",
        "A rule has no name or no id",
        "The one stands for the other.",
        "Write both: 'id:' for programs, 'name:' for people.",
        a_recipe().replace("    name: training data\n", ""),
        reported_by="mlopt validate --strict",
    ),
)
