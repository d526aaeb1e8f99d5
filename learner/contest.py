"""Lets what ships meet the searched recipe: all on the training epochs, the best on the held-out one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from joblib import Parallel, delayed

from learner.evidence import FINAL_RUNG, Evidence
from learner.offers import Offer, declared, template_offer
from learner.rules import Document
from learner.treatments import SMALL_BLOCK_BYTES
from recipes.schema import ParameterModel

SEARCHED = "searched"
#: The same with classes that a tree has split.
BY_TREE = "searched, classes by tree"
#: The rung on which all offers meet; those that it leaves meet in full size.
FIRST_RUNG = 1
#: Offers whose training epochs take this much longer than the best are not asked further.
MARGIN = 1.1
#: Offers that meet in full size.
FINALISTS = 4
#: A template this near to the searched recipe is worth tuning: its defaults are for no particular job.
TUNED_WITHIN = 1.3
#: Steps of tuning at most, each to the best neighbour.
STEPS = 4
LEAST_GAIN = 0.002
#: On the held-out epoch a searched recipe, which says why it does what it does, wins within this share.
TIE = 0.01


@dataclass(frozen=True)
class Entrant:
    """A recipe that could be the learned one.

    Attributes
    ----------
    name : str
        As ``searched`` or ``template training``.
    kind : str
        ``searched``, ``template``, ``framework`` or ``shipped``.
    document : dict
        The recipe.
    training : float
        Cost on the training epochs, a share of the source's [1].
    is_finalist : bool
        Whether the held-out epoch is to judge it.
    offer : Offer or None
        What it was made from; None for a searched recipe.
    """

    name: str
    kind: str
    document: Document = field(repr=False)
    training: float
    is_finalist: bool = True
    offer: Offer | None = None


@dataclass(frozen=True)
class Contest:
    """Lets offers meet the searched recipes in training.

    Attributes
    ----------
    evidence : Evidence
        Scores recipes on the training epochs.
    jobs : int
        Simulations at once.
    tick : callable
        Told of each simulation.
    """

    evidence: Evidence
    jobs: int
    tick: Callable[[], None]

    def meet(self, searched: Sequence[Entrant], offered: Sequence[Offer]) -> list[Entrant]:
        """Score offers; those near the best become finalists, the best template after tuning.

        Parameters
        ----------
        searched : sequence of Entrant
            What the search found.
        offered : sequence of Offer
            What ships.

        Returns
        -------
        list of Entrant
            The searched ones first, then by cost.
        """
        variants = [variant for offer in offered for variant in _with_blocks(offer)]
        scores = self._scores(variants, FIRST_RUNG)
        best: dict[str, tuple[float, int]] = {}
        for index, (offer, score) in enumerate(zip(variants, scores, strict=True)):
            best[offer.name] = min(best.get(offer.name, (score, index)), (score, index))
        ranked = [(score, variants[index]) for score, index in sorted(best.values())]
        limit = min((entrant.training for entrant in searched), default=1.0)
        tunable = next(
            (pair for pair in ranked if pair[1].template is not None and pair[0] <= limit * TUNED_WITHIN),
            None,
        )
        if tunable is not None:
            ranked[ranked.index(tunable)] = self._tuned(*tunable)
            ranked.sort(key=lambda pair: pair[0])
        full = self._scores([offer for _, offer in ranked[:FINALISTS]], FINAL_RUNG)
        entrants = [
            Entrant(offer.name, offer.kind, offer.document, score, offer=offer)
            for score, (_, offer) in zip(full, ranked[:FINALISTS], strict=True)
        ]
        limit = min([limit, *(entrant.training for entrant in entrants)]) * MARGIN
        entrants += [
            Entrant(offer.name, offer.kind, offer.document, score, is_finalist=False, offer=offer)
            for score, offer in ranked[FINALISTS:]
        ]
        near = [replace(each, is_finalist=each.is_finalist and each.training <= limit) for each in entrants]
        return [*searched, *sorted(near, key=lambda each: each.training)]

    def _scores(self, offered: Sequence[Offer], rung: int) -> list[float]:
        def score(offer: Offer) -> float:
            cost = self.evidence.cost(offer.document, rung).score
            self.tick()
            return cost

        return list(Parallel(n_jobs=self.jobs, prefer="threads")(delayed(score)(offer) for offer in offered))

    def _tuned(self, score: float, offer: Offer) -> tuple[float, Offer]:
        """Walk downhill over the template's parameters."""
        assert offer.template is not None  # noqa: S101 - the caller chose one that has
        settings = {key: value for key, value in offer.document["settings"].items() if key != "template"}
        settings.pop("default_strategy", None)
        shapes = declared(offer.template)
        for _ in range(STEPS):
            steps = [
                template_offer(offer.template, settings, {**offer.parameters, name: value})
                for name, shape in shapes.items()
                for value in _steps(shape, offer.parameters.get(name, shape.default))
            ]
            costs = self._scores(steps, FIRST_RUNG)
            if not costs or min(costs) >= score * (1 - LEAST_GAIN):
                break
            score = min(costs)
            offer = steps[costs.index(score)]
        return score, offer


def _with_blocks(offer: Offer) -> Iterator[Offer]:
    """Give a template, which says nothing of blocks, both sizes."""
    yield offer
    if offer.template is not None and "block_size" not in offer.document["settings"]:
        settings = {**offer.document["settings"], "block_size": f"{SMALL_BLOCK_BYTES >> 10}KiB"}
        yield replace(offer, document={**offer.document, "settings": settings})


def _steps(shape: ParameterModel, value: Any) -> Iterator[Any]:
    """List the values next to a parameter's: shares by tenths, counts and sizes by two."""
    if shape.type == "number" and isinstance(value, int | float):
        options: list[Any] = [round(value + step, 2) for step in (-0.2, -0.1, 0.1, 0.2)]
    elif shape.type == "int" and isinstance(value, int):
        options = [value // 2, value * 2]
    else:
        return
    low = shape.min if shape.min is not None else 0
    high = shape.max if shape.max is not None else float("inf")
    yield from (option for option in options if low <= option <= high)


def best_of(entrants: Sequence[Entrant], seconds: Mapping[str, float]) -> Entrant:
    """Choose the recipe to write: the fastest on the held-out epoch.

    Parameters
    ----------
    entrants : sequence of Entrant
        Those that come first win ties.
    seconds : mapping of str to float
        The held-out epoch of each finalist, by name [s].

    Returns
    -------
    Entrant
        One of the finalists.
    """
    limit = min(seconds.values()) * (1 + TIE)
    return next(each for each in entrants if each.name in seconds and seconds[each.name] <= limit)
