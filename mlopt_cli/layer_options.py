"""The options that every command with ``-r`` shares: which layers lie around the recipe."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from recipes import LayerRequest, Recipe
    from recipes.plugins import PluginSelection

#: Of --hardware: the profiles that this machine fits.
AUTO = "auto"


@dataclass(frozen=True)
class LayerOptions:
    """What the user said about layers.

    Attributes
    ----------
    config_dir : Path or None
        Folder with layers.
    framework : tuple of str
        Frameworks of the job.
    environment : str or None
        The environment.
    hardware : tuple of str
        Hardware profiles.
    template : tuple of str
        Templates to select.
    sets : tuple of str
        ``KEY=VALUE`` each.
    plugins : tuple of str
        Framework plugins of other distributions to load.
    allow_plugins_as_root : bool
        Whether they may be loaded as root.
    no_plugins : bool
        Load none of them, whatever the environment says.
    """

    config_dir: Path | None = None
    framework: tuple[str, ...] = ()
    environment: str | None = None
    hardware: tuple[str, ...] = ()
    template: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    allow_plugins_as_root: bool = False
    no_plugins: bool = False

    @property
    def label(self) -> str:
        """What to call a recipe that is these layers alone: ``training``, ``pytorch + edge``, ``default``."""
        one = (self.environment,) if self.environment else ()
        return " + ".join((*self.template, *self.framework, *one, *self.hardware)) or "default"

    def resolve(
        self, recipe: str | None, tree: Path | None = None, facts: Mapping[str, str | int] | None = None
    ) -> Recipe:
        """Load a recipe with these layers around it.

        Parameters
        ----------
        recipe : str or None
            File, or name of one that ships; None where the user named none.
        tree : Path, optional
            The job's data, for the framework ``auto``.
        facts : mapping of str to str or int, optional
            What is known of the job, and what stands above the measured facts of this machine.

        Returns
        -------
        Recipe
            Without errors; its warnings are kept.
        """
        import recipes

        return recipes.resolve(self.request(recipe, tree, facts))

    def request(
        self, recipe: str | None, tree: Path | None = None, facts: Mapping[str, str | int] | None = None
    ) -> LayerRequest:
        """Say what is asked for in the words of the recipe language.

        Parameters
        ----------
        recipe : str or None
            File, or name of one that ships; None where the user named none.
        tree : Path, optional
            The job's data.
        facts : mapping of str to str or int, optional
            What is known of the job, and what stands above the measured facts of this machine.

        Returns
        -------
        LayerRequest
            The recipe and these layers.
        """
        from recipes import LayerRequest

        return LayerRequest(
            recipe=recipe,
            config_dir=self.config_dir,
            frameworks=self.framework,
            environment=self.environment,
            hardware=self.hardware,
            templates=self.template,
            sets=self.sets,
            tree=tree,
            facts=self._facts(facts),
            plugins=self._selection(),
        )

    def _facts(self, given: Mapping[str, str | int] | None) -> dict[str, str | int] | None:
        """What is known of job and machine; nothing is measured where nobody asks."""
        if AUTO not in (*self.hardware, *self.framework):
            return None
        from mlopt_cli.workflows.given_facts import facts_here

        return facts_here() | dict(given or {})

    def _selection(self) -> PluginSelection | None:
        """What was said about plugins; nothing is imported where nothing was."""
        if not (self.plugins or self.no_plugins or self.allow_plugins_as_root):
            return None
        from recipes.plugins import PluginSelection

        return PluginSelection.of_words(
            self.plugins, allow_as_root=self.allow_plugins_as_root, disabled=self.no_plugins
        )

    def to_dict(self) -> dict[str, Any]:
        """Shape the options for JSON.

        Returns
        -------
        dict
            What was said; empty where nothing was.
        """
        said = {
            "config_dir": str(self.config_dir) if self.config_dir else None,
            "framework": list(self.framework),
            "environment": self.environment,
            "hardware": list(self.hardware),
            "template": list(self.template),
            "set": list(self.sets),
            "plugin": list(self.plugins),
            "allow_plugins_as_root": self.allow_plugins_as_root,
            "no_plugins": self.no_plugins,
        }
        return {name: value for name, value in said.items() if value}


_OPTIONS: dict[str, Any] = {
    "config_dir": Annotated[
        Path | None, typer.Option("--config-dir", metavar="DIR", help="Folder with layers around the recipe.")
    ],
    "framework": Annotated[
        list[str] | None,
        typer.Option(
            "--framework", metavar="NAME", help="Add the layer of a framework; auto looks at the data."
        ),
    ],
    "environment": Annotated[
        str | None, typer.Option("--environment", metavar="NAME", help="Add the layer of an environment.")
    ],
    "hardware": Annotated[
        list[str] | None,
        typer.Option(
            "--hardware",
            metavar="NAME",
            help="Add the layer of a hardware profile; auto looks at this machine.",
        ),
    ],
    "template": Annotated[
        list[str] | None,
        typer.Option("--template", metavar="NAME", help="Apply the rules of a template only."),
    ],
    "set_": Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set a setting, or a parameter of the template."),
    ],
    "plugin": Annotated[
        list[str] | None,
        typer.Option("--plugin", metavar="NAME", help="Load a framework plugin of another distribution."),
    ],
    "allow_plugins_as_root": Annotated[
        bool | None, typer.Option("--allow-plugins-as-root", help="Load such plugins as root, too.")
    ],
    "no_plugins": Annotated[
        bool | None, typer.Option("--no-plugins", help="Load none, whatever MLOPT_PLUGINS says.")
    ],
}


def with_layers(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options of layers.

    Parameters
    ----------
    command : callable
        Takes a keyword ``layers``, a `LayerOptions`.

    Returns
    -------
    callable
        The same command as the parser sees it: with the options in that keyword's place.
    """

    @wraps(command)
    def wrapper(**given: Any) -> int:
        said = {name: given.pop(name) for name in _OPTIONS}
        layers = LayerOptions(
            config_dir=said["config_dir"],
            environment=said["environment"],
            framework=tuple(said["framework"] or ()),
            hardware=tuple(said["hardware"] or ()),
            template=tuple(said["template"] or ()),
            sets=tuple(said["set_"] or ()),
            plugins=tuple(said["plugin"] or ()),
            allow_plugins_as_root=bool(said["allow_plugins_as_root"]),
            no_plugins=bool(said["no_plugins"]),
        )
        return command(**given, layers=layers)

    own = inspect.signature(command, eval_str=True)
    kept = [parameter for name, parameter in own.parameters.items() if name != "layers"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in _OPTIONS.items()
    ]
    # --json and the like stay last in the help, where people look for them.
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in kept]
    last = [each for each in parameters if each.name == "as_json"]
    parameters = [each for each in parameters if each.name != "as_json"] + added + last
    wrapper.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": int}
    del wrapper.__wrapped__  # the parser must not look through to the command's own parameters
    return wrapper
