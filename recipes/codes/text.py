"""Codes of a recipe's text: can it be read at all."""

from __future__ import annotations

from recipes.codes.base import Code, a_recipe

__all__ = ["CODES"]

CODES = (
    Code(
        "MLO100",
        "No such recipe",
        "The word is neither a file that can be read nor the name of a recipe that ships. A word without '/' and "
        "without '.yaml' is taken for a name.",
        "Name a file, or one of the shipped recipes: 'mlopt explain recipes' lists them.",
        None,
    ),
    Code(
        "MLO101",
        "The file is too large for a recipe",
        "A recipe of 1,000 rules takes about 300 kB. Whatever is larger than 1 MiB was not written as a recipe and "
        "is not read on.",
        "Look whether the right file was named; join rules that do the same.",
        "# " + "x" * (1 << 20),
    ),
    Code(
        "MLO102",
        "The file is no text",
        "Recipes are UTF-8 text without control characters; a byte order mark and Windows line ends are accepted.",
        "Save the file as UTF-8, and remove the character at the caret.",
        'version: "1"\nname: beep \x07\n',
    ),
    Code(
        "MLO103",
        "The text is not YAML (or not JSON)",
        "A bracket or quote is open, an indentation does not fit, or a ':' or '-' is in a wrong place. A syntax "
        "error ends the reading, so it may hide further findings.",
        "Look at the caret and the line before it; quote texts that hold ':', '#', '{' or '*'.",
        'version: "1"\nname: [train\n',
    ),
    Code(
        "MLO104",
        "A tab indents a line",
        "YAML indents with spaces only, because a tab's width is a matter of taste.",
        "Replace the tab with spaces.",
        'version: "1"\nsettings:\n\tseed: 1\n',
    ),
    Code(
        "MLO105",
        "Values are nested too deeply",
        "The deepest recipe known has 9 levels; more than 64 are refused before they can exhaust the machine.",
        "Look for a bracket that was left open.",
        "metadata: " + "[" * 70 + "]" * 70 + "\n",
    ),
    Code(
        "MLO106",
        "An alias cannot be expanded",
        "The alias names no anchor that is finished before it, or aliases stand for more than 100,000 values.",
        "Define the anchor before its alias and outside of it, or write the values out.",
        'version: "1"\nname: *train\n',
    ),
    Code(
        "MLO107",
        "A tag is not allowed",
        "Tags let a YAML file make objects of a program. Recipes are plain data and cannot.",
        "Remove the tag.",
        a_recipe(top="metadata: {made: !!python/name:os.getcwd ''}"),
    ),
    Code(
        "MLO108",
        "A merge key is not supported",
        "'<<' is part of YAML 1.1 only, and readers disagree on which of two equal keys wins.",
        "Write the keys out.",
        a_recipe(top="metadata: {<<: {a: 1}}"),
    ),
    Code(
        "MLO109",
        "A key comes twice",
        "YAML readers keep the first or the last of two equal keys without a word; here neither is guessed. JSON "
        "recipes are checked likewise.",
        "Keep one of them.",
        a_recipe(top="name: other"),
    ),
    Code(
        "MLO110",
        "The file holds no recipe",
        "A recipe is a mapping of keys such as 'version' and 'rules'; this file is empty, a list or a single value.",
        "Start from 'mlopt recipe init', or from a recipe that ships.",
        "- version\n- rules\n",
    ),
    Code(
        "MLO111",
        "A word means different things to different readers",
        "YAML 1.1 reads no, on and yes as truth values, 010 as an octal number and 1:30 as 90; YAML 1.2 does not.",
        "Quote the word if it is a text; write true, false or a plain decimal number if it is not.",
        a_recipe(top="metadata: {country: no}"),
    ),
    Code(
        "MLO112",
        "A number cannot be used",
        "Numbers are finite, and whole numbers fit into 64 bits.",
        "Write a smaller, finite number.",
        a_recipe(top="settings: {confidence_threshold: .nan}"),
    ),
    Code(
        "MLO113",
        "The file holds more than one document",
        "'---' starts another document, and only one could be meant.",
        "Keep one recipe per file.",
        a_recipe(end="---\nversion: '1'"),
    ),
    Code(
        "MLO114",
        "The text cannot be laid out anew",
        "Formatting never changes what a recipe means or says. Directives and line breaks other than line feeds are beyond it.",
        "Format the file by hand, or remove what is named.",
        '%YAML 1.1\n---\nversion: "1"\nname: example\nrules: []\n',
        reported_by="mlopt recipe fmt",
    ),
    Code(
        "MLO181",
        "There are too many problems",
        "After 200 findings mlopt stops looking: nobody reads more, and a file like that is hardly a recipe.",
        "Look whether the right file was named; mend what comes first and check again.",
        "tags: [" + "no, " * 200 + "a]\n",
    ),
    Code(
        "MLO182",
        "A list or mapping has too many entries",
        "No list of a recipe has more than 5,000 entries, but for the value of a condition.",
        "Join rules that do the same; put long lists of names into one condition with the operator 'in'.",
        "tags: [" + "a, " * 5_000 + "a]\n",
    ),
)
