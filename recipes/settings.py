"""What each setting of a recipe does: the one table behind warnings, help and the reference page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from recipes.findings import Finding
from recipes.merged import Merged

__all__ = ["SETTINGS", "Setting", "setting_findings"]


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
        "Serves the metrics of a mount.", "a mount serves its metrics where --http asks for it"
    ),
    "debug": Setting(
        "Records the decision on each file.", "'mlopt test-rules' shows the decision on each file, and why"
    ),
    "memory_limit_mb": Setting("Caps the memory budget, whatever --memory says [MiB]."),
    "cpu_limit_percent": Setting(
        "Caps the CPU time of mlopt's own work [%].", "nothing limits CPU time yet; 'mlopt learn --jobs' does"
    ),
    "experimental_features": Setting("Switches experiments on.", "there are no experimental features"),
    "custom_properties": Setting(
        "Free values.", "they are kept and shown; no condition and no action can ask for them"
    ),
}  # fmt: skip

# Words of the ancestor's environments and frameworks that state a wish nobody can carry out.
_WISHES = {
    ("environments", "optimization_level"): "which rules apply says how much is done",
    ("environments", "monitoring"): "'metrics_collection' turns the metrics on",
    ("frameworks", "version"): "nothing measures the version of a job's framework",
}


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
