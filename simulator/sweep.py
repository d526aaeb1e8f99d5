"""Asks the same question for several recipes and memory sizes, baselines and bounds beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from simulator.replay import bounds_of, simulate
from simulator.scenario import Outcome, Scenario

#: Names of the rows without a recipe.
SOURCE, PAGE_CACHE = "source", "page cache"

#: Compiles a recipe for a budget [bytes] to the plan's JSON.
Compile = Callable[[int], str]


@dataclass(frozen=True)
class Row:
    """One recipe, or none, with one memory size.

    Attributes
    ----------
    recipe : str
        Name of the recipe, ``source`` or ``page cache``.
    outcome : Outcome
        What the simulator found.
    saved_ratio : float
        Share of the source's steady epoch that it saves, negative when it costs [1].
    """

    recipe: str
    outcome: Outcome
    saved_ratio: float

    @property
    def is_baseline(self) -> bool:
        """Whether this row is what the job has without mlopt."""
        return self.recipe in (SOURCE, PAGE_CACHE)

    def to_dict(self) -> dict[str, Any]:
        """Return the row of the command's JSON.

        Returns
        -------
        dict
            As published.
        """
        return {"recipe": self.recipe, **self.outcome.row(), "saved_ratio": self.saved_ratio}


def sweep(base: Scenario, recipes: Mapping[str, Compile], sizes: list[int]) -> Iterator[Row]:
    """Simulate the baselines and each recipe with each memory size.

    Parameters
    ----------
    base : Scenario
        Job, storage, cores and seeds; plan, baseline and memory are set here.
    recipes : mapping of str to callable
        By name: compiles the recipe for a budget.
    sizes : list of int
        Memory sizes [bytes].

    Yields
    ------
    Row
        The source first, then by memory size: page cache and each recipe.
    """
    base = replace(base, with_bounds=False)
    source_scenario = replace(base, plan_json=None, baseline="source", memory_bytes=0)
    source = replace(simulate(source_scenario), bounds=bounds_of(source_scenario))
    yield Row(SOURCE, source, 0.0)
    for memory_bytes in sorted(set(sizes)):
        cached = replace(base, plan_json=None, baseline="page_cache", memory_bytes=memory_bytes)
        bounds = bounds_of(cached, known=source.bounds)
        yield _row(PAGE_CACHE, replace(simulate(cached), bounds=bounds), source)
        for name, compile_plan in recipes.items():
            mounted = replace(
                base, plan_json=compile_plan(memory_bytes), baseline=None, memory_bytes=memory_bytes
            )
            yield _row(name, replace(simulate(mounted), bounds=bounds), source)


def _row(name: str, outcome: Outcome, source: Outcome) -> Row:
    saved = 1 - outcome.steady_epoch_s / source.steady_epoch_s if source.steady_epoch_s > 0 else 0.0
    return Row(name, outcome, saved)
