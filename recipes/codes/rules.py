"""Codes of rules as a whole: identity, and whether they can ever fire."""

from __future__ import annotations

from recipes.codes.base import CONDITION, Code, a_recipe

__all__ = ["CODES"]

CODES = (
    Code(
        "MLO140",
        "A rule's id is taken",
        "Layers merge rules by id and explanations name them by it, so an id belongs to one rule of a file.",
        "Rename one of them.",
        a_recipe(end=f"  - id: train\n    conditions: [{CONDITION}]\n    actions: [{{type: cache}}]"),
    ),
    Code(
        "MLO141",
        "A rule has no conditions",
        "Its confidence is 0, so it would never fire.",
        "For all files write {type: file_context, property: path, operator: glob, value: '**'}.",
        a_recipe(condition=""),
    ),
    Code(
        "MLO142",
        "All weights of a rule are 0",
        "Confidence is the weight of what holds over the weight of all; without weight it is 0 and the rule never "
        "fires.",
        "Give at least one condition a weight, or write 'match: all'.",
        a_recipe(condition="{type: file_context, property: path, operator: glob, value: '**', weight: 0}"),
    ),
    Code(
        "MLO143",
        "A rule has no action",
        "It would fire and change nothing.",
        "Add 'actions:' with at least one, such as {type: cache}.",
        a_recipe(action=""),
    ),
    Code(
        "MLO144",
        "A rule has the same action twice",
        "Both would set the same parameters of the same files, and only one could win.",
        "Put all parameters into one action.",
        a_recipe(action="{type: cache}, {type: cache, parameters: {share: 0.5}}"),
    ),
    Code(
        "MLO204",
        "An access pattern is never found",
        "Nothing observes it: its conditions do not hold, and count against the rule's confidence.",
        "Use another pattern, or give the condition little weight; 'mlopt explain facts' says which are observed.",
        a_recipe(
            condition=f"{CONDITION}, {{type: access_pattern, property: pattern, value: epoch, weight: 0.2}}"
        ),
    ),
    Code(
        "MLO207",
        "A threshold has no effect",
        "With 'match: all' or 'match: any' the conditions decide alone; only 'match: weighted' compares scores.",
        "Remove 'threshold:', or write 'match: weighted'.",
        a_recipe(rule="match: all\n    threshold: 0.7"),
    ),
    Code(
        "MLO208",
        "A rule can never fire",
        "Even where every condition that can hold does, its score stays at or below the threshold.",
        "Lower the weights of the patterns that nothing observes, or remove those conditions.",
        a_recipe(condition="{type: access_pattern, property: pattern, value: epoch}"),
    ),
)
