"""The layers around a recipe, weakest first: built-in, framework, environment, hardware, custom, flags.

A recipe alone means what it says: nothing comes beneath it that was not asked for. An environment or profile
that ships stays out where the folder or the recipe defines one of that name. A folder of layers::

    default/*.yaml            the built-in layer
    frameworks/NAME.yaml      what --framework NAME adds
    environments/NAME.yaml    what --environment NAME adds
    hardware/NAME.yaml        what --hardware NAME adds
    custom/*.yaml             beneath the recipe that -r names

Every file of the folder is read, in the order of names: a broken one is an error, also if it is not selected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.findings import Finding, RecipeError, nearest
from recipes.flags import flags_document
from recipes.frameworks import AUTO, Frameworks
from recipes.machine import fitting_profiles
from recipes.merged import Layer, Selection
from recipes.named import LIBRARY
from recipes.nodes import Document, parse
from recipes.recipe import Recipe, alone_findings, build
from recipes.source import SUFFIXES, Source
from recipes.structure import validate_structure

if TYPE_CHECKING:
    from recipes.plugins import PluginSelection

__all__ = ["FOLDERS", "LayerRequest", "layered"]

# Folder -> kind of layer; the ancestor's four, and hardware.
FOLDERS = {
    "default": "built-in",
    "frameworks": "framework",
    "environments": "environment",
    "hardware": "hardware",
    "custom": "custom",
}
_SECTIONS = {"frameworks": "frameworks", "environments": "environments", "hardware": "hardware_profiles"}


@dataclass(frozen=True)
class LayerRequest:
    """What was asked for.

    Attributes
    ----------
    recipe : str or None
        File, or name of one that ships; the shipped default where nothing else makes the built-in layer.
    config_dir : Path or None
        The folder with layers.
    frameworks : tuple of str
        Frameworks of the job; ``auto`` for what `tree` shows.
    environment : str or None
        The environment.
    hardware : tuple of str
        Hardware profiles of the machine; ``auto`` for those that `facts` fit.
    templates : tuple of str
        Templates to select.
    sets : tuple of str
        ``KEY=VALUE`` each: settings, and parameters of templates.
    tree : Path or None
        The job's data, where the framework ``auto`` is looked for.
    plugins : recipes.plugins.PluginSelection or None
        Plugins of other distributions to load; the operator's environment says if None.
    facts : mapping of str to object, or None
        What is known of job and machine: the hardware ``auto`` is chosen by it, and plugins that are asked
        for hints are told.
    """

    recipe: str | None = None
    config_dir: Path | None = None
    frameworks: tuple[str, ...] = ()
    environment: str | None = None
    hardware: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    tree: Path | None = None
    plugins: PluginSelection | None = None
    facts: Mapping[str, Any] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether a recipe was asked for and nothing beside it."""
        return self == LayerRequest(
            recipe=self.recipe, tree=self.tree, plugins=self.plugins, facts=self.facts
        )


@dataclass
class _Folder:
    """The files of a folder of layers, by subfolder and name."""

    files: dict[str, dict[str, Document]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def read(self, root: Path, shown: str | None = None) -> _Folder:
        """Read all files; what is wrong with them is kept in `findings`."""
        prefix = shown or str(root)
        for path in _listed(root, prefix):
            if path.name in FOLDERS and path.is_dir():
                self._read_all(path, f"{prefix}/{path.name}")
            elif path.is_dir():
                meant = nearest(path.name, FOLDERS)
                remedy = f"Did you mean '{meant}'?" if meant else f"Layers are: {', '.join(FOLDERS)}"
                message = "is no folder of layers"
                self.findings.append(Finding("MLO177", message, f"{prefix}/{path.name}", do=remedy))
            else:
                self._ignored(f"{prefix}/{path.name}", "Move it into the folder of its layer")
        return self

    def _read_all(self, folder: Path, shown: str) -> None:
        documents = self.files.setdefault(folder.name, {})
        for path in _listed(folder, shown):
            name = f"{shown}/{path.name}"
            if path.suffix not in SUFFIXES:
                self._ignored(name, f"Recipes end in {', '.join(SUFFIXES)}")
                continue
            if path.stem in documents:
                message = f"is a second '{path.stem}' in this folder"
                self.findings.append(Finding("MLO177", message, name, do="Keep one of them"))
                continue
            try:
                documents[path.stem] = parse(Source.read(path, name))
            except RecipeError as error:
                self.findings += error.findings

    def _ignored(self, name: str, do: str) -> None:
        self.findings.append(Finding("MLO246", "is not read", name, do=do))


def _listed(folder: Path, shown: str) -> list[Path]:
    """List a folder by name; what starts with a dot belongs to editors and version control."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        message = f"cannot be listed: {error.strerror}"
        raise RecipeError([Finding("MLO177", message, shown, do="Name a folder with layers")]) from None


def layered(request: LayerRequest, find: Callable[[str], Layer]) -> Recipe:
    """Lay the layers that were asked for over one another.

    Parameters
    ----------
    request : LayerRequest
        What was asked for.
    find : callable
        From the word after ``-r`` to its document.

    Returns
    -------
    Recipe
        Without errors; its warnings are kept.

    Raises
    ------
    RecipeError
        With everything that is wrong in any file, selected or not.
    """
    folder = _Folder()
    if request.config_dir is not None:
        folder.read(request.config_dir)
    library = _Folder().read(LIBRARY, "built-in")
    library.files.pop("frameworks", None)  # plugins bring these
    findings = [*folder.findings]
    frameworks = Frameworks(request.tree, request.plugins, request.facts)
    request = replace(request, frameworks=frameworks.names(request.frameworks, findings))
    if AUTO in request.hardware:
        chosen = _fitting(request, folder, library, find, findings)
        named = (name for name in request.hardware if name != AUTO)
        request = replace(request, hardware=tuple(dict.fromkeys((*named, *chosen))))
    flags = None
    try:
        flags = flags_document(request.sets) if request.sets else None
    except RecipeError as error:
        findings += error.findings
    selection = Selection(request.frameworks, request.environment, request.hardware, request.templates, flags)
    layers = list(_layers(request, folder, library, frameworks, find, findings))
    used = {id(layer.document) for layer in layers}
    for documents in folder.files.values():
        for document in documents.values():
            if id(document) not in used:
                found = alone_findings(document)
                findings += [finding for finding in found if finding.severity == "error"]
    known = {
        section: frozenset({*folder.files.get(name, {}), *library.files.get(name, {})})
        for name, section in _SECTIONS.items()
    }
    known["frameworks"] |= frameworks.known
    return build(layers, selection, known, findings)


def _fitting(
    request: LayerRequest,
    folder: _Folder,
    library: _Folder,
    find: Callable[[str], Layer],
    findings: list[Finding],
) -> tuple[str, ...]:
    """Find the profiles that the machine fits, in the recipe, the folder and the library."""
    if request.facts is None:
        message = "the hardware cannot be found out without facts of the machine"
        findings.append(Finding("MLO171", message, "--hardware", do="Name it"))
        return ()
    places = [place.files.get(name, {}) for place in (library, folder) for name in FOLDERS]
    layers = [Layer("hardware", document) for files in places for document in files.values()]
    with suppress(RecipeError):  # reported with all other layers
        layers.append(find(request.recipe or "default"))
    sound = [layer for layer in layers if validate_structure(layer.document)[0] is not None]
    found = fitting_profiles(sound, request.facts)
    if not found:
        message = "this machine fits no hardware profile: none of their layers is added"
        findings.append(Finding("MLO245", message, "--hardware", do="Name it"))
    return found


def _layers(
    request: LayerRequest,
    folder: _Folder,
    library: _Folder,
    frameworks: Frameworks,
    find: Callable[[str], Layer],
    findings: list[Finding],
) -> Iterable[Layer]:
    def found(word: str) -> Iterable[Layer]:
        try:
            yield find(word)
        except RecipeError as error:
            findings.extend(error.findings)

    weakest = [Layer("built-in", document) for document in folder.files.get("default", {}).values()]
    if not weakest and request.recipe is None:
        weakest += found("default")
    strongest = [Layer("custom", document) for document in folder.files.get("custom", {}).values()]
    if request.recipe is not None:
        strongest += found(request.recipe)
    yield from weakest
    environment = (request.environment,) if request.environment else ()
    selected = (
        ("frameworks", request.frameworks),
        ("environments", environment),
        ("hardware", request.hardware),
    )
    for name, chosen in selected:
        for each in chosen:
            if name == "frameworks":
                yield from frameworks.layers(each, findings)
            if each in folder.files.get(name, {}):
                yield Layer(FOLDERS[name], folder.files[name][each])
            elif each in library.files.get(name, {}) and not any(
                _defines(layer.document, _SECTIONS[name], each) for layer in (*weakest, *strongest)
            ):
                yield Layer(FOLDERS[name], library.files[name][each])
    yield from strongest


def _defines(document: Document, section: str, name: str) -> bool:
    """Whether a document has an environment or a profile of that name, so that the shipped one stays out."""
    sections = document.value.get(section) if isinstance(document.value, dict) else None
    return isinstance(sections, dict) and name in sections
