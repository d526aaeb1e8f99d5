"""Codes of a recipe's structure: keys, types and ranges."""

from __future__ import annotations

from recipes.codes.base import Code, a_recipe

__all__ = ["CODES"]

CODES = (
    Code(
        "MLO120",
        "A key is unknown",
        "Nothing reads the key, so what it says would be without effect; most often it is misspelled.",
        "Write the key as it is suggested, or move free notes below 'metadata:'.",
        a_recipe(rule="prioritty: 3"),
    ),
    Code(
        "MLO121",
        "A key is missing",
        "The part cannot be understood without this key.",
        "Add the key that is named.",
        a_recipe(condition="{type: file_context, property: path}"),
    ),
    Code(
        "MLO122",
        "A value has the wrong type",
        'Types are not guessed: "5" in quotes is a text, 5 a number.',
        "Write the value in the type that is expected; remove or add quotes.",
        a_recipe(rule="priority: high"),
    ),
    Code(
        "MLO123",
        "A value is out of range",
        "The value has the right type but nothing sensible can be done with it.",
        "Choose a value in the range that is named.",
        a_recipe(top="settings: {confidence_threshold: 1.5}"),
    ),
    Code(
        "MLO124",
        "A size or a duration cannot be read",
        "Sizes are written 64MiB, 10G or as a number of bytes; durations 5ms, 60s, 2h or as a number of seconds.",
        "Correct the unit: K, M, G, T with or without iB count by 1024, KB, MB, GB, TB by 1000.",
        a_recipe(top="settings: {block_size: 1MX}"),
    ),
    Code(
        "MLO210",
        "The recipe has no version or no name",
        "A fragment without them is read, but nobody can tell what it is once it is mounted.",
        "Add 'version: \"1\"' and 'name:'.",
        a_recipe().replace("name: example\n", ""),
    ),
    Code(
        "MLO211",
        "The recipe has no rules",
        "Every file is streamed: nothing is kept and nothing is fetched ahead.",
        "Add 'rules:', or leave the recipe out.",
        'version: "1"\nname: example\nrules: []\n',
    ),
)
