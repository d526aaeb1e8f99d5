"""What a framework plugin is: five methods for detection, hints, rules and templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

__all__ = ["GROUP", "Context", "FrameworkPlugin", "Hint"]

#: The entry-point group that third parties register under.
GROUP = "mlopt.frameworks"

_Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Context:
    """What is known when a plugin is asked for hints; a fact that is not there is unknown.

    Attributes
    ----------
    file : mapping of str to object
        Of a group of like files: ``type``, ``extension``, ``format``, ``size`` (median [bytes]), ``count``.
    access : mapping of str to object
        How they are read: ``pattern``, ``frequency``.
    workload : mapping of str to object
        Of the job: ``type``, ``framework``, ``phase``, ``batch_size``, ``epoch``.
    system : mapping of str to object
        Of the machine: ``available_memory`` [bytes], ``gpu_count``, ``gpu_memory`` [bytes], and so on.
    """

    file: _Facts = field(default_factory=dict)
    access: _Facts = field(default_factory=dict)
    workload: _Facts = field(default_factory=dict)
    system: _Facts = field(default_factory=dict)

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Context:
        """Sort facts by what they are about.

        Parameters
        ----------
        facts : mapping of str to object
            By full name, as ``workload.framework``; others and those that are None are left out.

        Returns
        -------
        Context
            The same facts by their short names.
        """
        about: dict[str, dict[str, Any]] = {"file": {}, "access": {}, "workload": {}, "system": {}}
        for name, value in facts.items():
            head, _, rest = name.partition(".")
            if head in about and rest and value is not None:
                about[head][rest] = value
        return cls(**about)


@dataclass(frozen=True)
class Hint:
    """One piece of advice on a group of files.

    Attributes
    ----------
    type : str
        As ``cache_strategy``: a word of the recipe language, which says which action it becomes, if any.
    description : str
        Why, one sentence for people.
    priority : int
        Of the rule that it becomes.
    parameters : mapping of str to object
        Those of that word.
    """

    type: str
    description: str
    priority: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class FrameworkPlugin(Protocol):
    """What mlopt asks of a framework; nothing of it runs while files are read."""

    @property
    def name(self) -> str:
        """The framework, as ``pytorch``: lower case, unique."""

    def detect(self, path: str, first_bytes: bytes) -> float:
        """Say how surely a file belongs to the framework.

        Parameters
        ----------
        path : str
            Relative to the tree that is looked at.
        first_bytes : bytes
            What the file starts with, at most `mlopt_engine.FIRST_BYTES`; empty where it could not be read.

        Returns
        -------
        float
            0 (nothing speaks for it) to 1.
        """

    def hints(self, context: Context) -> Sequence[Hint]:
        """Give advice on a group of files.

        Parameters
        ----------
        context : Context
            What is known.

        Returns
        -------
        sequence of Hint
            May be empty.
        """

    def default_rules(self) -> Sequence[Mapping[str, Any]]:
        """Give the framework's rules.

        Returns
        -------
        sequence of mapping
            As they stand under ``rules:`` of a recipe.
        """

    def default_templates(self) -> Sequence[Mapping[str, Any]]:
        """Give the framework's templates.

        Returns
        -------
        sequence of mapping
            As they stand under ``templates:`` of a recipe.
        """
