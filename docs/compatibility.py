"""Write ``docs/COMPATIBILITY.md`` from what the code registers, and the page of behaviours.

With ``--check`` it fails when one of them is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from docs import behaviours
from docs.claims import ENFORCED, of_actions, of_facts, of_meaning, of_settings, of_word, shown, shown_by
from mlopt_cli.commands.recipe import VERBS
from mlopt_cli.main import COMMANDS
from recipes.actions import ACTIONS
from recipes.ancestor import WORDS, Word
from recipes.ancestor.meanings import OPEN
from recipes.named import named
from recipes.plugins.catalog import BUILT_IN
from recipes.policies import POLICIES
from recipes.schema import RecipeModel
from recipes.settings import SETTINGS
from recipes.vocabulary import CONDITION_TYPES, vocabulary

PAGE = Path(__file__).parent / "COMPATIBILITY.md"
COMMAND_NAMES = {command.name for command in COMMANDS}


def section(name: str) -> str:
    """Say whether a section of a recipe has a model of its own, so that it is read."""
    return ENFORCED if name in RecipeModel.model_fields else "advisory: it is not read"


def command(name: str, verb: str = "") -> str:
    """Say that a command exists."""
    exists = name in COMMAND_NAMES and (not verb or verb in VERBS)
    return ENFORCED if exists else "advisory: there is no such command"


def promises() -> Iterator[tuple[str, str, str, str]]:
    """List what the ancestor promised: item, promise, state here, and what mlopt does."""
    operators = vocabulary().operators
    plugins = ", ".join(sorted(each().name for each in BUILT_IN))
    policies = ", ".join(name for name, policy in POLICIES.items() if not policy.simulation_only)
    rules, templates = len(named().entries("rules")), len(named().entries("templates"))
    yield (
        "Rules",
        "id, name, description, priority, conditions, actions",
        section("rules"),
        "every file, all actions",
    )
    yield (
        "`file_context`",
        "size, type, extension, path",
        of_facts("file_context"),
        "the same as `file_pattern`",
    )
    yield (
        "`file_pattern`",
        "extension, name",
        of_facts("file_pattern"),
        "a pattern with a folder in it is about the path",
    )
    yield (
        "`access_pattern`",
        "sequential, random, batch",
        of_facts("access_pattern"),
        "compared whatever the case",
    )
    yield (
        "`workload_context`",
        "framework, phase, batch_size",
        of_facts("workload_context"),
        "all five names are read",
    )
    yield "`system_context`", "memory, GPU, bandwidth", of_facts("system_context"), "numbers with units"
    yield (
        "Operators",
        "equals, contains, matches, greater_than, in",
        shown_by("tests/recipes/test_scoring.py::test_operators"),
        f"{len(operators)}: {', '.join(operators)}",
    )
    yield (
        "Numbers in `equals`, `in`",
        "implied",
        shown_by("tests/recipes/test_scoring.py::test_operators"),
        "compared by value: 8 is 8.0",
    )
    yield (
        "`matches`",
        "regular expression",
        shown_by("tests/recipes/test_regular_expressions.py::test_what_takes_others_for_ever_is_answered"),
        "compiled once, linear in time; a bad one is an error",
    )
    yield (
        "Missing operator or weight",
        "its own examples omit both",
        shown_by("tests/recipes/test_meaning.py::test_fragments_and_lenient_defaults_load"),
        "`equals` (a list: `in`), 1.0; `--strict` tells",
    )
    yield (
        "Threshold, number of rules",
        "check weights",
        of_settings("confidence_threshold", "max_concurrent_rules"),
        "read",
    )
    yield (
        "Priority, conflicts",
        "higher is more important",
        shown_by(
            "tests/recipes/test_behaviours.py::test_contradicting_parameters_have_one_deterministic_outcome"
        ),
        "priority x score, stable ties, key by key",
    )
    yield (
        "Action target",
        "file, dataset, model, workload",
        "advisory: conditions choose the files",
        "kept and shown",
    )
    for name in ("cache", "prefetch", "stream", "coordinate", "compress", "prioritize"):
        yield f"`{name}`", ANCESTOR_SAYS[name], of_actions(name), ACTIONS[name].summary
    yield (
        "Templates",
        "rules and parameters",
        section("templates"),
        f"selected by name or framework; {templates} ship",
    )
    yield (
        "Rules named, never defined",
        "in templates and profiles",
        shown_by("tests/recipes/test_seed.py::test_every_rule_that_the_seed_names_ships"),
        f"{rules} ship, listed below",
    )
    yield (
        "Plugin interface",
        "5 methods",
        shown_by("tests/recipes/plugins/test_catalog.py::test_a_named_plugin_is_loaded_and_has_a_vote"),
        "Python, by entry point; never on the read path",
    )
    yield "Frameworks", "PyTorch, TensorFlow, HuggingFace", section("frameworks"), plugins
    yield (
        "YAML and JSON",
        "both",
        shown_by("tests/recipes/test_nodes.py::test_parse_refuses_with_position"),
        "unknown keys are errors with line and column",
    )
    yield (
        "Folders, priority of layers",
        "custom > environment > framework > default",
        command("config"),
        "`--config-dir`",
    )
    yield "`-ml.config`, live reload", "yes", command("mount"), "`-r`; a broken file keeps the old recipe"
    yield (
        "`environments:`",
        "levels, debug, monitoring",
        section("environments"),
        "a layer, chosen by `--environment`",
    )
    yield (
        "`hardware_profiles:`",
        'conditions such as ">= 8"',
        section("hardware_profiles"),
        "the named rules, where they hold",
    )
    yield "`strategies:`", "-", section("strategies"), "chosen by `default_strategy`"
    yield (
        "Learning while mounted",
        "auto-tuning",
        of_settings("adaptive_learning"),
        "`mlopt learn`, judged on a held-out epoch",
    )
    yield (
        "Metrics, history",
        "on port 9333",
        command("status"),
        "`/ml/metrics`, `/ml/rules`, `/ml/history` on the mount's own port",
    )
    yield (
        "Debug mode",
        "yes",
        of_settings("debug", "metrics_collection"),
        "`mlopt test-rules` explains each condition",
    )
    yield (
        "Validation, rule tests",
        "`-ml.validate-config`, `-ml.test-rules`",
        command("test-rules"),
        "`validate`, `test-rules`",
    )
    yield "Migration guide", "yes", command("recipe", "migrate"), "`mlopt recipe migrate OLD.yaml`"
    yield (
        "Performance, 15-60 %",
        "without a benchmark",
        command("verify"),
        "predicted and measured; see benchmarks.md",
    )
    yield (
        "Eviction",
        "a score of its own",
        shown_by("tests/engine/test_cache_replay.py::test_misses_equal_those_of_libcachesim"),
        f"policies: {policies}",
    )
    yield (
        "Result caching, replicas, layouts, GPU memory",
        "yes",
        "advisory: not a file system's to do",
        "one warning each",
    )
    yield "Roadmap: clouds, MLflow, Kubeflow", "later", "advisory: absent", "-"


ANCESTOR_SAYS = {
    "cache": "intelligent caching",
    "prefetch": "predictive fetching",
    "stream": "optimised streaming",
    "coordinate": "multi-process coordination",
    "compress": "data compression",
    "prioritize": "resource prioritization",
}


def word_rows(kind: str) -> Iterator[tuple[str, str, str]]:
    """Describe the words of one kind."""
    for word in WORDS.values():
        if word.kind == kind:
            yield f"`{word.name}`", becomes(word), of_word(word)


def becomes(word: Word) -> str:
    """Say what a word comes to, with the parameters that it implies."""
    parts = []
    for name, implied in word.becomes.items():
        written = ", ".join(f"{key}: {shown(value)}" for key, value in implied.items())
        parts.append(f"`{name}`" + (f" ({written})" if written else ""))
    return ", ".join(parts) or "-"


def parameter_rows() -> Iterator[tuple[str, str, str, str]]:
    """Describe every parameter of every word; words that share a meaning share a row."""
    seen: dict[tuple[str, str, str], list[str]] = {}
    for word in WORDS.values():
        for name, meaning in word.parameters.items():
            says = meaning.says if meaning.enforced else "-"
            seen.setdefault((name, says, of_meaning(name, meaning)), []).append(f"`{word.name}`")
    for (name, says, state), names in sorted(seen.items()):
        yield f"`{name}`", ", ".join(names), says, state


def property_rows() -> Iterator[tuple[str, str, str]]:
    """Describe every property that conditions may name."""
    for condition, properties in CONDITION_TYPES.items():
        for name, fact in properties.items():
            source = vocabulary().facts[fact].source
            known = (
                "advisory: nothing measures it, conditions are unknown"
                if source == "unmeasured"
                else ENFORCED
            )
            yield f"`{condition}.{name}`", f"`{fact}`", known


def rule_rows() -> Iterator[tuple[str, str]]:
    """Describe the rules that ship for the names that the ancestor uses."""
    for name in named().entries("rules"):
        leaf = named().leaf("rules", name)
        if leaf is not None:
            yield f"`{name}`", str(leaf.value.get("description", ""))


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Lay out a table of Markdown."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
    yield ""


def page() -> str:
    """Write the page."""
    lines = [
        "# Compatibility with the ancestor",
        "",
        "mlopt reads the recipes of its ancestor, the SeaweedFS ML Optimization Engine. This page is",
        "generated from what the code registers (`python -m docs.compatibility`): whether a word or a value",
        "has an effect is what the engine's registry says of the parameters that it becomes. *Enforced*:",
        "mount and simulator do it. *Advisory*: it loads, is shown, and is named in one warning. How to",
        "follow the ancestor's README here: [from the ancestor](guide/from_the_ancestor.md). What its tests",
        "ask for, and the test that shows each behaviour here: [behaviours](reference/behaviours.md).",
        "",
        "## What it promised",
        "",
        *table(("item", "it said", "here", "how"), promises()),
        "## Action types",
        "",
        *table(("type", "becomes", "here"), word_rows("action")),
        "## Hints",
        "",
        "What its plugins and controllers answer; rules may name them too.",
        "",
        *table(("hint", "becomes", "here"), word_rows("hint")),
        "## Parameters",
        "",
        f"{', '.join(f'`{word}`' for word in sorted(OPEN))} leave the choice to mlopt.",
        "",
        *table(("parameter", "of", "comes to", "here"), parameter_rows()),
        "## Properties of conditions",
        "",
        *table(("property", "fact", "here"), property_rows()),
        "## Settings",
        "",
        *table(
            ("setting", "here", "does"),
            ((f"`{name}`", of_settings(name), each.summary) for name, each in SETTINGS.items()),
        ),
        "## Rules behind names",
        "",
        *table(("rule", "does"), rule_rows()),
    ]
    return "\n".join(lines).rstrip() + "\n"


def main(words: list[str]) -> int:
    """Write the pages, or compare them."""
    stale = False
    for file, text in ((PAGE, page()), (behaviours.PAGE, behaviours.page())):
        if words != ["--check"]:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            stale = True
            sys.stderr.write(f"docs/{file.relative_to(PAGE.parent)} is stale: run 'make docs'\n")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
