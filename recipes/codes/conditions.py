"""Codes of conditions: types, properties, operators, values."""

from __future__ import annotations

from recipes.codes.base import CONDITION, Code, a_recipe

__all__ = ["CODES"]

CODES = (
    Code(
        "MLO130",
        "A condition's type is unknown",
        "The type says where the fact comes from: the file, the reads, the job or the machine.",
        "Write one of the types that are named; 'mlopt explain facts' lists the facts behind them.",
        a_recipe(condition="{type: file_contxt, property: path, value: a}"),
    ),
    Code(
        "MLO131",
        "A condition's property is unknown",
        "No fact of this type has that name.",
        "Write one of the properties that are named; 'mlopt explain facts' lists them.",
        a_recipe(condition="{type: file_context, property: sise, value: 1}"),
    ),
    Code(
        "MLO132",
        "An operator is unknown",
        "An operator that nobody knows would make its condition false without a word.",
        "Write one of the operators that are named; 'mlopt explain operators' lists them.",
        a_recipe(condition="{type: file_context, property: size, operator: larger_then, value: 1MiB}"),
    ),
    Code(
        "MLO133",
        "An operator cannot compare this fact",
        "Texts have no greater and less, and numbers nothing that they contain.",
        "Choose an operator for the fact's kind; 'mlopt explain OPERATOR' tells what it compares.",
        a_recipe(condition="{type: file_context, property: path, operator: greater_than, value: 1}"),
    ),
    Code(
        "MLO134",
        "A regular expression cannot be used",
        "It is compiled once, by an engine whose time is linear in the text, and fails here instead of never "
        "matching. Back references and look-around do not exist in such an engine.",
        "Correct the expression at the place that is named, or use 'glob'.",
        a_recipe(condition="{type: file_context, property: path, operator: matches, value: '(train'}"),
    ),
    Code(
        "MLO135",
        "A glob cannot be used",
        "A bracket is open, or '**' stands beside other characters of its component.",
        "Correct the glob: * and ? stay within a folder, ** crosses folders.",
        a_recipe(condition="{type: file_context, property: path, operator: glob, value: 'train/[ab'}"),
    ),
    Code(
        "MLO136",
        "A value does not fit its operator",
        "'in' needs a list, 'between' two numbers, 'exists' true or false; a number is not compared with a text.",
        "Write the value in the shape that is named.",
        a_recipe(condition="{type: file_context, property: size, operator: between, value: 5}"),
    ),
    Code(
        "MLO137",
        "A fact never has this value",
        "The fact takes one of a few known words, and this is none of them: the condition would never hold.",
        "Write one of the words that are named.",
        a_recipe(condition="{type: file_context, property: type, value: modle}"),
    ),
    Code(
        "MLO183",
        "There are too many regular expressions",
        "Each is compiled once and kept, in up to 512 KiB; 100 of them bound what a recipe takes.",
        "Join them with '|', or use 'glob', 'in' and 'ends_with', which take next to nothing.",
        "version: '1'\nname: example\nrules:\n  - id: a\n    actions: [{type: cache}]\n    conditions:\n"
        + "".join(
            f"      - {{type: file_context, property: path, operator: matches, value: 'a{number}'}}\n"
            for number in range(101)
        ),
    ),
    Code(
        "MLO230",
        "Nothing measures a word",
        "What looks at jobs and files tells one of a few known words for this fact, and this is none of them: "
        "the condition holds only where --fact says so.",
        "Write one of the words that are named, or hand the fact in.",
        a_recipe(
            condition=f"{CONDITION}, {{type: workload_context, property: type, value: trainng, weight: 0.2}}"
        ),
    ),
)
