"""Codes of actions: what is done, and what has no effect."""

from __future__ import annotations

from recipes.codes.base import Code, a_recipe

__all__ = ["CODES"]

CODES = (
    Code(
        "MLO150",
        "An action's type is unknown, and near a known one",
        "It is most likely misspelled; taken as it stands it would have no effect.",
        "Write the type as it is suggested; 'mlopt explain actions' lists all.",
        a_recipe(action="{type: prefech}"),
    ),
    Code(
        "MLO151",
        "A cache policy is unknown",
        "The policy chooses which blocks leave when the tier is full.",
        "Write one of the policies that are named; 'mlopt explain policies' lists them.",
        a_recipe(action="{type: cache, parameters: {policy: lruu}}"),
    ),
    Code(
        "MLO152",
        "A cache policy exists in simulations only",
        "It looks into the future of a recorded job, which a mount cannot know.",
        "Choose a policy that a mount can follow; 'mlopt simulate' shows the other as a bound.",
        a_recipe(action="{type: cache, parameters: {policy: belady}}"),
    ),
    Code(
        "MLO154",
        "'pin' contradicts the policy",
        "'pin: true' means 'policy: pinned', and another policy is named beside it.",
        "Keep one of the two.",
        a_recipe(action="{type: cache, parameters: {policy: lru, pin: true}}"),
    ),
    Code(
        "MLO155",
        "A parameter's value cannot be honoured",
        "The engine always works the other way; to take the value and do otherwise would deceive.",
        "Leave the parameter out, or write the value that is carried out.",
        a_recipe(action="{type: coordinate, parameters: {single_flight: false}}"),
    ),
    Code(
        "MLO180",
        "A parameter of the ancestor's vocabulary cannot be used",
        "Its action is known, and its value is none that the word ever took.",
        "Write a value as it is described; 'mlopt explain ACTION' lists the parameters with their meaning.",
        a_recipe(action="{type: batch_prefetch, parameters: {parallel_calls: many}}"),
    ),
    Code(
        "MLO201",
        "An action is not enforced",
        "It is loaded and shown, and has no effect on the files. Said once for each name.",
        "Use an action that is enforced; 'mlopt explain actions' says which are.",
        a_recipe(action="{type: quantum_tunnel}"),
    ),
    Code(
        "MLO202",
        "A parameter has no effect",
        "The action does not know it, or something else decides what it names. Said once for each name.",
        "Remove it, or use the parameter that is named instead.",
        a_recipe(action="{type: cache, parameters: {colour: blue}}"),
    ),
    Code(
        "MLO203",
        "A section or setting has no effect",
        "It is loaded and shown, and changes nothing; the message says why.",
        "Nothing; remove it if you relied on it.",
        a_recipe(top="settings: {experimental_features: {tunnelling: true}}"),
    ),
    Code(
        "MLO206",
        "Each open costs a message",
        "A prefetch that starts at the open, and conditions on workload.phase and workload.epoch, must see every "
        "open, which otherwise cost nothing (about 15 us each).",
        "Use 'trigger: read' for files that are read from their start; drop the condition where opens are many.",
        a_recipe(action="{type: prefetch, parameters: {mode: whole_file, trigger: open}}"),
        reported_by="mlopt mount",
    ),
    Code(
        "MLO250",
        "Two parameters of one rule contradict each other",
        "Different words mean the same parameter with different values; the first counts.",
        "Keep one of the two.",
        a_recipe(action="{type: cache, parameters: {strategy: lru, eviction_policy: fifo}}"),
    ),
    Code(
        "MLO209",
        "An action's target is unknown",
        "Targets are of the ancestor's files: file, dataset, workload, model and some more; the rule's conditions "
        "choose the files either way.",
        "Write 'file', or leave 'target' out.",
        a_recipe(action="{type: cache, target: fiel}"),
    ),
)
