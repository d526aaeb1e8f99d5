"""The list of what was tried: each candidate, what it would take, and why it was not written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from learner.contest import SEARCHED, TIE, Entrant
from learner.holdout import BASELINES, TUNED, UNCHANGING, Verdict
from learner.offers import SHIPPED
from learner.reasons import describe_choice
from learner.search import Scored
from learner.treatments import Choice

BASELINE, BOUND = "baseline", "bound"
WRITTEN = "written"
#: Candidates of the search's last rung that are listed beside the winner.
LEADERS = 3
#: Lines in the recipe's own header.
HEADER_LINES = 6
#: A difference below this is none.
TIE_RATIO = 0.003


@dataclass(frozen=True)
class Tried:
    """One line of what was tried.

    Attributes
    ----------
    name : str
        The candidate.
    kind : str
        ``searched``, ``template``, ``framework``, ``shipped``, ``baseline`` or ``bound``.
    training_s : float or None
        An epoch in training, the first one weighing a tenth; None where it was not simulated [s].
    holdout_s : float or None
        The held-out epoch; None where training was enough [s].
    verdict : str
        ``written``, or why not.
    """

    name: str
    kind: str
    training_s: float | None
    holdout_s: float | None
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Shape it for JSON.

        Returns
        -------
        dict
            Plain values.
        """
        return {
            "candidate": self.name,
            "kind": self.kind,
            "training_s": self.training_s,
            "holdout_s": self.holdout_s,
            "verdict": self.verdict,
        }


def contest_lines(
    entrants: Sequence[Entrant],
    seconds: Mapping[str, float],
    winner: Entrant | None,
    source_s: float,
) -> Iterator[Tried]:
    """List the recipes that could have been written.

    Parameters
    ----------
    entrants : sequence of Entrant
        Searched ones and offers.
    seconds : mapping of str to float
        The held-out epoch of each finalist, by name [s].
    winner : Entrant or None
        The one that was chosen.
    source_s : float
        The source as it is, in training [s].

    Yields
    ------
    Tried
        One line each.
    """
    best = min((entrant.training for entrant in entrants), default=1.0)
    for entrant in entrants:
        held_out = seconds.get(entrant.name)
        if entrant is winner:
            verdict = WRITTEN
        elif held_out is not None and winner is not None:
            won_s = seconds[winner.name]
            # within the tie those that come first win
            verdict = (
                f"no faster by {TIE:.0%} on the held-out part"
                if abs(held_out / won_s - 1) <= TIE
                else slower(held_out, won_s, "on the held-out part")
            )
        elif entrant.training >= 1.0:
            verdict = "no faster than the source in training"
        else:
            verdict = slower(entrant.training, best, "in training")
        yield Tried(entrant.name, entrant.kind, entrant.training * source_s, held_out, verdict)


def search_lines(ranking: Sequence[Scored[Choice]], source_s: float) -> Iterator[Tried]:
    """List the leaders of the search behind its winner.

    Parameters
    ----------
    ranking : sequence of Scored
        The last rung, the winner first.
    source_s : float
        The source as it is, in training [s].

    Yields
    ------
    Tried
        One line each.
    """
    best = min((scored.score for scored in ranking), default=1.0)
    for scored in ranking[1 : 1 + LEADERS]:
        verdict = slower(scored.score, best, "in training")
        yield Tried(describe_choice(scored.candidate), SEARCHED, scored.score * source_s, None, verdict)


def verdict_lines(verdict: Verdict, base_name: str, source_s: float) -> Iterator[Tried]:
    """List what the hold-out's table has beside the learned recipe.

    Parameters
    ----------
    verdict : Verdict
        The table.
    base_name : str
        Name of the recipe that learned ones are compared with.
    source_s : float
        The source as it is, in training [s].

    Yields
    ------
    Tried
        One line each.
    """
    tuned_s = verdict.row(TUNED).epoch_s
    for row in verdict.rows:
        if row.name in (TUNED, UNCHANGING):
            continue
        kind = BASELINE if row.name in BASELINES else SHIPPED
        name = f"recipe {base_name}" if kind == SHIPPED else row.name
        training_s = source_s if row.name == "source" else None
        yield Tried(name, kind, training_s, row.epoch_s, slower(row.epoch_s, tuned_s, "on the held-out part"))
    for name, bound_s in verdict.bounds.items():
        yield Tried(name.replace("_", " "), BOUND, None, bound_s, "a bound, no recipe")


def slower(seconds: float, best: float, where: str) -> str:
    """Say how much slower a candidate is.

    Parameters
    ----------
    seconds : float
        What it takes.
    best : float
        What the best takes.
    where : str
        On what.

    Returns
    -------
    str
        As ``12 % slower in training``.
    """
    ratio = seconds / max(best, 1e-9) - 1
    if abs(ratio) <= TIE_RATIO:
        return f"no faster {where}"
    if ratio >= 1:
        return f"{ratio + 1:.1f} x as slow {where}"
    return f"{abs(ratio) * 100:.2g} % {'slower' if ratio > 0 else 'faster'} {where}"


def header_lines(tried: Sequence[Tried]) -> list[str]:
    """Write the nearest of what was rejected for a recipe's header.

    Parameters
    ----------
    tried : sequence of Tried
        All.

    Returns
    -------
    list of str
        A few lines, the fastest first.
    """
    rejected = [each for each in tried if each.verdict != WRITTEN and each.kind not in (BASELINE, BOUND)]
    rejected.sort(key=lambda each: (each.holdout_s is None, each.holdout_s or each.training_s or 0.0))
    return [f"  {each.name}: {each.verdict}" for each in rejected[:HEADER_LINES]]
