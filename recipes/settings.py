"""What each setting of a recipe does: the one table behind warnings, help and the reference page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from recipes.findings import Finding
from recipes.merged import Merged
from recipes.schema import SettingsModel

__all__ = ["SETTINGS", "Setting", "learner_jobs", "setting_findings", "settings_page"]


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes
    ----------
    summary : str
        What it does, one sentence, with the unit.
    advisory : str or None
        Why it has no effect; None where it has one.
    """

    summary: str
    advisory: str | None = None


SETTINGS: dict[str, Setting] = {
    "confidence_threshold": Setting("A rule applies when its score exceeds this, or is 1 [1]."),
    "max_concurrent_rules": Setting("How many rules may apply to one file, the strongest first [1]."),
    "staleness": Setting("How long a change of the source may stay unseen, as 60s, or immutable [s]."),
    "block_size": Setting("What is fetched and kept at once, a power of two from 4KiB [bytes]."),
    "seed": Setting("For choices made at random; the same seed gives the same choices [1]."),
    "template": Setting("The templates that are selected where --template names none."),
    "default_strategy": Setting("The entry of 'strategies' whose settings and templates are defaults."),
    "adaptive_learning": Setting(
        "Asks for learning while mounted.",
        "a mount follows its recipe and never changes it; 'mlopt learn' learns from a trace",
    ),
    "metrics_collection": Setting(
        "Serves the metrics of 'mlopt mount' on a free port of 127.0.0.1; --http names another address."
    ),
    "debug": Setting(
        "Keeps the latest 10,000 decisions on files, each with its rules and the winner of each parameter: "
        "'mlopt status MOUNT --decisions', /ml/history, and the rows of 'mlopt simulate --json'."
    ),
    "memory_limit_mb": Setting("Caps the memory budget, whatever --memory says [MiB]."),
    "cpu_limit_percent": Setting(
        "Caps how many simulations 'mlopt learn' runs at once; a mount is not limited [% of CPUs]."
    ),
    "experimental_features": Setting("Switches experiments on.", "there are no experimental features"),
    "custom_properties": Setting(
        "Free values.", "they are kept and shown; no condition and no action can ask for them"
    ),
}  # fmt: skip

# Defaults as people write them, where the model keeps base units.
_SHOWN = {"staleness": "60s", "block_size": "1MiB"}

# Words of the ancestor's environments and frameworks that state a wish nobody can carry out.
_WISHES = {
    ("environments", "optimization_level"): "which rules apply says how much is done",
    ("environments", "monitoring"): "'metrics_collection' turns the metrics on",
    ("frameworks", "version"): "nothing measures the version of a job's framework",
}


def learner_jobs(settings: SettingsModel, cpus: int, asked: int | None) -> int:
    """Settle how many simulations run at once.

    Parameters
    ----------
    settings : SettingsModel
        ``cpu_limit_percent`` is a cap, whatever was asked for.
    cpus : int
        CPUs that may be used.
    asked : int or None
        What the user asked for.

    Returns
    -------
    int
        At least one.
    """
    share = 100.0 if settings.cpu_limit_percent is None else settings.cpu_limit_percent
    most = cpus if settings.cpu_limit_percent is not None else max(cpus, asked or 1)
    return max(1, min(asked or cpus, int(most * share / 100.0)))


def settings_page() -> str:
    """Write the reference page of the settings.

    Returns
    -------
    str
        Markdown.
    """
    from recipes.json_schema import model_schema  # which itself rests on all models

    shapes = model_schema(SettingsModel)["properties"]
    lines = [
        "# Settings of a recipe",
        "",
        "Generated from the schema, as `mlopt explain SETTING`. They stand below `settings:`, in a selected",
        "[environment or profile](../guide/layers.md), or on the command line as `--set KEY=VALUE`.",
        "",
        "| setting | default | what it does |",
        "|---|---|---|",
    ]
    for name, setting in SETTINGS.items():
        default = _SHOWN.get(name, shapes[name].get("default"))
        effect = f" **Advisory:** {setting.advisory}." if setting.advisory else ""
        lines.append(
            f"| `{name}` | {'-' if default is None else f'`{default}`'} | {setting.summary}{effect} |"
        )
    return "\n".join([*lines, ""])


def setting_findings(together: Merged) -> Iterator[Finding]:
    """Warn of what is set and has no effect.

    Parameters
    ----------
    together : Merged
        The merged set.

    Yields
    ------
    Finding
        One for each setting that is advisory.
    """
    for name, setting in SETTINGS.items():
        leaves = [together.leaf("settings", name)]
        if leaves == [None]:  # experimental_features and the like merge key by key
            entry = together.entries("settings").get(name)
            ends = entry.values() if isinstance(entry, dict) else ()
            leaves = [end[-1] for end in list(ends)[:1] if isinstance(end, tuple)]
        for leaf in leaves if setting.advisory else ():
            if leaf is not None:
                message = f"setting '{name}' has no effect: {setting.advisory}"
                yield leaf.document.finding("MLO203", message, leaf.path[:2], key=True)
    strategy = together.leaf("settings", "default_strategy")
    if strategy is not None and not together.entries("strategies"):
        message = (
            f"setting 'default_strategy' has no effect: no strategy is defined, so none is '{strategy.value}'"
        )
        yield strategy.document.finding("MLO203", message, strategy.path, key=True)
    for (section, key), reason in _WISHES.items():
        for entry in together.entries(section).values():
            tree = entry.get(key) if isinstance(entry, dict) else None
            leaf = tree[-1] if isinstance(tree, tuple) else None
            if leaf is not None:
                message = f"'{key}' has no effect: {reason}"
                yield leaf.document.finding("MLO203", message, leaf.path, key=True)
                break
