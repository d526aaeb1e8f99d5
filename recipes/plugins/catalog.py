"""Which plugins there are: those that ship, and those that other distributions register as entry points.

Listing is not loading: a third party's code runs only when the operator names it, on the command line or in
the environment, and as root only with leave. Recipes cannot name plugins. A plugin that fails is shown, and
left out.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mlopt_engine import __version__
from mlopt_engine.errors import InvalidInputError, MissingPrerequisiteError
from recipes.findings import nearest
from recipes.plugins.base import GROUP, FrameworkPlugin
from recipes.plugins.huggingface import HuggingFace
from recipes.plugins.jax import Jax
from recipes.plugins.lightning import Lightning
from recipes.plugins.mosaicml import MosaicMLStreaming
from recipes.plugins.pytorch import PyTorch
from recipes.plugins.tensorflow import TensorFlow
from recipes.plugins.webdataset import WebDataset

__all__ = ["BUILT_IN", "Catalog", "Entry", "PluginSelection", "catalog"]

# One line per framework; the file has what it knows.
BUILT_IN: tuple[Callable[[], FrameworkPlugin], ...] = (
    PyTorch,
    TensorFlow,
    HuggingFace,
    Jax,
    WebDataset,
    MosaicMLStreaming,
    Lightning,
)
OWN_DISTRIBUTION = "mlopt-cli"
_METHODS = ("detect", "hints", "default_rules", "default_templates")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")

State = Literal["built-in", "loaded", "not loaded", "failed", "duplicate", "disabled"]


@dataclass(frozen=True)
class PluginSelection:
    """What the operator said about plugins of third parties.

    Attributes
    ----------
    names : tuple of str
        Those to load.
    allow_as_root : bool
        Whether they may be loaded as root.
    enabled : bool
        Whether any may be loaded at all; what ships stays.
    """

    names: tuple[str, ...] = ()
    allow_as_root: bool = False
    enabled: bool = True

    @classmethod
    def of_words(
        cls, names: Sequence[str], *, allow_as_root: bool = False, disabled: bool = False
    ) -> PluginSelection:
        """Take what stands on a command line, and the environment for what does not.

        Parameters
        ----------
        names : sequence of str
            Plugins to load; those of the environment if empty.
        allow_as_root : bool
            Whether they may be loaded as root.
        disabled : bool
            Load none.

        Returns
        -------
        PluginSelection
            Of the operator.
        """
        defaults = cls.of_environment()
        return cls(tuple(names) or defaults.names, allow_as_root, defaults.enabled and not disabled)

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] | None = None) -> PluginSelection:
        """Read the operator's defaults.

        Parameters
        ----------
        environment : mapping of str to str, optional
            ``MLOPT_PLUGINS`` (names, separated by commas) and ``MLOPT_NO_PLUGINS`` (anything but empty and 0
            disables all); that of the process if omitted.

        Returns
        -------
        PluginSelection
            Leave to load as root is never taken from the environment.
        """
        values = os.environ if environment is None else environment
        names = [name.strip() for name in values.get("MLOPT_PLUGINS", "").split(",")]
        return cls(
            names=tuple(name for name in names if name),
            enabled=values.get("MLOPT_NO_PLUGINS", "") in {"", "0"},
        )


@dataclass(frozen=True)
class Entry:
    """One plugin, as `mlopt plugins list` shows it.

    Attributes
    ----------
    name : str
        The framework.
    origin : str
        The distribution it comes from.
    version : str
        Of that distribution.
    location : str
        ``module:object``.
    state : str
        ``built-in``, ``loaded``, ``not loaded``, ``failed``, ``duplicate`` or ``disabled``.
    error : str or None
        Why it is not usable.
    plugin : FrameworkPlugin or None
        Where it is usable.
    """

    name: str
    origin: str
    version: str
    location: str
    state: State
    error: str | None = None
    plugin: FrameworkPlugin | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Shape the entry for JSON.

        Returns
        -------
        dict
            Plain values.
        """
        keys = ("name", "origin", "version", "location", "state", "error")
        return {key: getattr(self, key) for key in keys}


@dataclass(frozen=True)
class Catalog:
    """All plugins that were found, in the order of the documentation.

    Attributes
    ----------
    entries : tuple of Entry
        What ships first, then by name.
    """

    entries: tuple[Entry, ...]

    @property
    def usable(self) -> tuple[Entry, ...]:
        """Those whose code may be asked."""
        return tuple(entry for entry in self.entries if entry.plugin is not None)

    def get(self, name: str) -> Entry:
        """Find a usable plugin.

        Parameters
        ----------
        name : str
            The framework.

        Returns
        -------
        Entry
            With its plugin.

        Raises
        ------
        InvalidInputError
            When there is none, with what stands in its way.
        """
        named = [entry for entry in self.entries if entry.name == name]
        for entry in named:
            if entry.plugin is not None:
                return entry
        if named:
            raise InvalidInputError(
                named[0].error or f"is {named[0].state}",
                where=f"plugin {name}",
                do=f"Name it with --plugin {name}" if named[0].state == "not loaded" else None,
                code=f"plugin-{named[0].state.replace(' ', '-')}",
            )
        known = [entry.name for entry in self.entries]
        meant = nearest(name, known)
        remedy = f"Did you mean '{meant}'?" if meant else f"Known: {', '.join(known)}"
        raise InvalidInputError("unknown framework", value=name, do=remedy, code="unknown-framework")

    def without(self, failures: Mapping[str, str]) -> Catalog:
        """Take out plugins that failed while they were used.

        Parameters
        ----------
        failures : mapping of str to str
            Framework and what went wrong.

        Returns
        -------
        Catalog
            They are listed as failed.
        """
        changed = (
            replace(entry, state="failed", error=failures[entry.name], plugin=None)
            if entry.plugin is not None and entry.name in failures
            else entry
            for entry in self.entries
        )
        return Catalog(tuple(changed))


def catalog(selection: PluginSelection | None = None) -> Catalog:
    """List plugins, and load those that were named.

    Parameters
    ----------
    selection : PluginSelection, optional
        What to load; the operator's defaults if omitted.

    Returns
    -------
    Catalog
        A third party's plugin that was not named, or failed, is listed with the reason.

    Raises
    ------
    InvalidInputError
        When a named plugin is not there, or two distributions have it.
    MissingPrerequisiteError
        When plugins are to be loaded as root without leave.
    """
    chosen = PluginSelection.of_environment() if selection is None else selection
    built_in = [_built_in(factory) for factory in BUILT_IN]
    found = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda each: (each.name, _origin(each)))
    foreign = _listed(found, {entry.name: entry for entry in built_in}, chosen)
    _check_names(chosen, [*built_in, *foreign])
    points = dict(zip(((entry.name, entry.origin) for entry in foreign), found, strict=True))
    wanted = set(chosen.names) if chosen.enabled else set()
    loaded = [
        _load(entry, points[entry.name, entry.origin])
        if entry.name in wanted and entry.state == "not loaded"
        else entry
        for entry in foreign
    ]
    return Catalog((*built_in, *loaded))


def _built_in(factory: Callable[[], FrameworkPlugin]) -> Entry:
    plugin = factory()
    location = f"{factory.__module__}:{factory.__name__}"
    return Entry(plugin.name, OWN_DISTRIBUTION, __version__, location, "built-in", plugin=plugin)


def _origin(point: importlib.metadata.EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown distribution"


def _listed(
    points: Iterable[importlib.metadata.EntryPoint], taken: dict[str, Entry], chosen: PluginSelection
) -> list[Entry]:
    """List entry points without importing anything; a name that is taken names both origins."""
    entries: list[Entry] = []
    first = dict(taken)
    for point in points:
        entry = Entry(
            point.name,
            _origin(point),
            point.dist.version if point.dist else "",
            point.value,
            "not loaded" if chosen.enabled else "disabled",
        )
        other = first.setdefault(point.name, entry)
        if other is not entry:
            entry = replace(entry, state="duplicate", error=_both(entry, other))
            if other.state == "not loaded":  # neither of two strangers is preferred
                index = entries.index(other)
                entries[index] = first[point.name] = replace(
                    other, state="duplicate", error=_both(other, entry)
                )
        entries.append(entry)
    return entries


def _both(entry: Entry, other: Entry) -> str:
    both = f"{entry.origin} {entry.version} and {other.origin} {other.version}"
    return f"framework '{entry.name}' is brought by both {both}"


def _check_names(chosen: PluginSelection, entries: list[Entry]) -> None:
    foreign = [entry for entry in entries if entry.state != "built-in"]
    for name in chosen.names:
        matches = [entry for entry in entries if entry.name == name]
        if not matches:
            known = [entry.name for entry in foreign]
            meant = nearest(name, known)
            listed = f"Installed: {', '.join(known)}" if known else "No other distribution brings plugins"
            remedy = f"Did you mean '{meant}'?" if meant else listed
            raise InvalidInputError(
                "no such plugin", where="--plugin", value=name, do=remedy, code="unknown-plugin"
            )
        for entry in matches:
            if entry.state == "duplicate":
                remedy = "Uninstall one of the two"
                raise InvalidInputError(
                    entry.error or "", where="--plugin", do=remedy, code="plugin-duplicate"
                )
    named = [entry for entry in foreign if entry.name in chosen.names]
    if named and chosen.enabled and os.geteuid() == 0 and not chosen.allow_as_root:
        raise MissingPrerequisiteError(
            "plugins of third parties are not loaded as root",
            where=f"plugin {named[0].name} of {named[0].origin} {named[0].version}",
            do="Run as an ordinary user, or add --allow-plugins-as-root",
            code="plugin-as-root",
        )


def _load(entry: Entry, point: importlib.metadata.EntryPoint) -> Entry:
    try:
        # what a module prints when it is imported must not end up in our JSON
        with contextlib.redirect_stdout(sys.stderr):
            loaded = point.load()
            plugin = loaded() if isinstance(loaded, type) else loaded
            problem = _problem(entry.name, plugin)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's module may raise anything
        return replace(entry, state="failed", error=f"{type(error).__name__}: {error}")
    if problem is not None:
        return replace(entry, state="failed", error=problem)
    return replace(entry, state="loaded", plugin=plugin)


def _problem(registered: str, plugin: Any) -> str | None:
    """What keeps an object from being a plugin."""
    missing = [method for method in _METHODS if not callable(getattr(plugin, method, None))]
    if missing:
        return f"{type(plugin).__name__} has no {' and no '.join(f'{name}()' for name in missing)}"
    name = getattr(plugin, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"its name is {name!r}, expected lower-case letters, digits, '_', '.' and '-'"
    if name != registered:
        return f"it calls itself '{name}' and is registered as '{registered}'"
    return None
