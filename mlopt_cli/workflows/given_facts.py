"""Facts as a command is given them: ``--fact KEY=VALUE``, a storage, a trace, this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mlopt_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from recipes.vocabulary import Fact

Facts = dict[str, str | int]


def parse_facts(texts: list[str]) -> Facts:
    """Read the values of ``--fact``.

    Parameters
    ----------
    texts : list of str
        As ``workload.framework=pytorch`` or ``system.available_memory=64GiB``.

    Returns
    -------
    dict
        Facts by name, numbers in their base units.

    Raises
    ------
    InvalidInputError
        For an unknown fact, one that each file has for itself, or a value that does not fit.
    """
    return dict(_parse(text) for text in texts)


def _parse(text: str) -> tuple[str, str | int]:
    from recipes.findings import nearest
    from recipes.vocabulary import vocabulary

    name, equals, value = text.partition("=")
    settable = {fact.name: fact for fact in vocabulary().facts.values() if fact.source != "file"}
    if not equals:
        raise _problem("a fact is written as KEY=VALUE", text, "Write: --fact workload.framework=pytorch")
    fact = vocabulary().facts.get(name)
    if fact is None:
        meant = nearest(name, settable)
        do = f"Did you mean '{meant}'?" if meant else "'mlopt explain facts' lists them"
        raise _problem(f"unknown fact '{name}'", text, do)
    if fact.source == "file":
        raise _problem(
            f"{name} is told from each file and cannot be set", text, f"Facts to set: {', '.join(settable)}"
        )
    return name, _value(fact, value, text)


def _value(fact: Fact, value: str, text: str) -> str | int:
    from recipes.findings import nearest

    if fact.kind != "number":
        if not fact.is_open and value.lower() not in fact.words:
            meant = nearest(value, fact.words)
            do = f"Did you mean '{meant}'?" if meant else f"Known: {', '.join(fact.words)}"
            raise _problem(f"{fact.name} is never '{value}'", text, do)
        return value
    try:
        number = fact.in_base_units(value)
        whole = float(number)  # counts have no unit and are still texts
    except ValueError:
        whole = -1.0
    if not whole.is_integer() or not 0 <= whole < 1 << 63:
        raise _problem(f"{fact.name} is a whole number of 0 or more", text, _expected(fact))
    return number if isinstance(number, int) else int(whole)


def _expected(fact: Fact) -> str:
    examples = {"bytes": "64GiB", "bytes/s": "200MB/s", "s": "1h"}
    return f"Write {fact.name}={examples.get(fact.unit or '', '8')}"


def _problem(what: str, value: str, do: str) -> InvalidInputError:
    return InvalidInputError(what, where="--fact", value=value, do=do, code="fact")


def facts_here() -> Facts:
    """Measure this machine as a mount would.

    Returns
    -------
    dict
        Facts by name.
    """
    from runtime import facts

    return facts.lasting_facts() | facts.passing_facts()


def facts_of_command(words: list[str]) -> Facts:
    """Tell what a command that is about to run shows of the job.

    Parameters
    ----------
    words : list of str
        The command line; the environment is the own one, which it inherits.

    Returns
    -------
    dict
        Facts by name.
    """
    from mlopt_engine.job import ENVIRONMENT, ProcessEvidence, job_facts

    environment = {name: value for name, value in os.environ.items() if name in ENVIRONMENT}
    facts = job_facts([ProcessEvidence(0, tuple(words), environment)])
    facts.pop("workload.process_id", None)  # it does not run yet
    return facts


def facts_of_storage(name: str | None) -> Facts:
    """Tell bandwidth and requests per second of a storage.

    Parameters
    ----------
    name : str or None
        One that ships, or a file that ``mlopt probe -o`` wrote.

    Returns
    -------
    dict
        Facts by name; empty without a name.
    """
    if name is None:
        return {}
    from simulator.storage import StorageModel, named, names

    path = Path(name)
    model = StorageModel.from_file(path) if name not in names() and path.is_file() else named(name)
    return model.facts()
