"""From runs to a tuned recipe: classes, the knapsack, the grid, and the rules that are worth their lines."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from learner.classes import FileClass, classify
from learner.conditions import weigh_rules
from learner.cost import Cost
from learner.epochs import count_epochs, select
from learner.evidence import FINAL_RUNG, Evidence
from learner.features import file_features
from learner.judge import World
from learner.labels import Allocation, Item, allocate
from learner.reasons import reason_of
from learner.refine import Limits, Setting, refine
from learner.rules import Document, LearnedRule, conditions, recipe_document, weigh
from learner.runs import Run
from learner.search import Scored, successive_halving
from learner.treatments import Budget, Choice, Treatment, grid, held_bytes, make_budget, treatments
from learner.weights import RuleWeights

#: Rungs of the grid's search; one more is for finalists.
RUNGS = FINAL_RUNG
REFINING_RUNG = 1
#: Leaders of the grid that meet the refined setting in full size.
FINALISTS = 3
#: A candidate that is simpler wins when it is at most this share slower.
TOLERANCE = 0.003
#: A rule without which the epoch is less than this share slower is not written.
WORTH_A_RULE = 0.001


class Progress(Protocol):
    """Told what the learner is doing."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take note of a step.

        Parameters
        ----------
        stage : str
            What is being done, for people.
        done : int
            Simulations done in all.
        total : int
            Simulations expected in all.
        """


@dataclass(frozen=True)
class Tuned:
    """What was learned, before the hold-out.

    Attributes
    ----------
    document : dict
        The recipe.
    rules : tuple of LearnedRule
        Its learned rules.
    features : pandas.DataFrame
        The files.
    classes : tuple of FileClass
        Their classes.
    allocation : Allocation or None
        How the knapsack divided the budget; None for a job that reads its data once.
    choice : Choice
        The winning parameters.
    ranking : tuple of Scored
        Candidates of the last rung, the winner first; scores are shares of the source's epoch time.
    candidates : int
        How many were tried.
    training_s : float
        The source's epoch time in training [s].
    base_kept : str
        What became of the base recipe's rules.
    blocks : str
        Why blocks have another size; empty where they have not.
    """

    document: Document
    rules: tuple[LearnedRule, ...]
    features: pd.DataFrame
    classes: tuple[FileClass, ...]
    allocation: Allocation | None
    choice: Choice
    ranking: tuple[Scored[Choice], ...]
    candidates: int
    training_s: float
    base_kept: str
    blocks: str = ""


class Tuner:
    """Learns a recipe from the training epochs of runs.

    Parameters
    ----------
    runs : sequence of Run
        The runs.
    world : World
        Where they run.
    seed : int
        For samples.
    jobs : int
        Simulations at once.
    progress : Progress
        Told of each simulation.
    """

    def __init__(
        self, runs: Sequence[Run], world: World, *, seed: int, jobs: int, progress: Progress
    ) -> None:
        self.runs, self.world, self.seed, self.jobs = list(runs), world, seed, jobs
        self._progress, self._done, self._total = progress, 0, 1
        self._stage = "measuring the source as it is"
        self.once = all(run.once for run in runs)
        self.features = file_features([run.training for run in runs])
        self.classes = classify(self.features)
        self._frame: Document = {"settings": {}, "rules": []}
        self.needs = {target.name: held_bytes(self.features, target) for target in self.classes}
        n_workers = max(len(run.training.lock) for run in runs)
        self.budget: Budget = make_budget(world.memory_bytes, self.features, n_workers)
        self._tick(0)
        self.evidence = Evidence(runs, world, seed=seed, jobs=jobs)

    def learn(self, *, name: str, description: str, base: Mapping[str, Any] | None = None) -> Tuned:
        """Learn a recipe.

        Parameters
        ----------
        name : str
            Name of the recipe.
        description : str
            One sentence for it.
        base : mapping, optional
            A recipe whose rules are weighed anew and kept where they help.

        Returns
        -------
        Tuned
            The recipe and how it came about; it may hold no rule.
        """
        self._frame = {"settings": dict((base or {}).get("settings", {})), "rules": []}
        allocation = None if self.once else self._allocate()
        held = self._with_leftovers(allocation.bytes) if allocation else {}
        choices = self._grid(held)
        self._stage, self._total = (
            "searching",
            self._done + _evaluations(len(choices)) + 2 * len(self.classes),
        )
        ranking = successive_halving(
            choices,
            lambda choice, rung: self._setting_cost(Setting(choice, tuple(sorted(held.items()))), rung),
            rungs=RUNGS,
            jobs=self.jobs,
            tolerance=TOLERANCE,
        )
        choice, held = self._final(self._refined(ranking[0].candidate, held), ranking, held)
        blocks = self._reason_of_blocks(choice, held)
        self._frame = self._framed(choice)
        self._stage = "weighing rules"
        rules = self._explained(self._pruned(self._weighed(self._treat(choice, held))), allocation)
        document = recipe_document(rules, name=name, description=description, base=self._frame)
        base_kept = ""
        if base is not None and base.get("rules"):
            document, base_kept = self._with_base(document, rules, base, allocation)
        return Tuned(
            document,
            tuple(rules),
            self.features,
            tuple(self.classes),
            allocation,
            choice,
            tuple(ranking),
            len(choices),
            self.evidence.source_cost(FINAL_RUNG).steady,
            base_kept,
            blocks,
        )

    def _reason_of_blocks(self, choice: Choice, held: Mapping[str, int]) -> str:
        """Measure what the size of blocks is worth by leaving it out, as each rule is measured."""
        if not choice.block_bytes:
            return ""
        plain = self._treat(choice, held)
        small = self._cost(self._document(plain, self._framed(choice)), FINAL_RUNG)
        usual = self._cost(self._document(plain), FINAL_RUNG)
        saved_s = (usual.steady - small.steady) * self.evidence.source_cost(FINAL_RUNG).steady
        unit = "the job" if self.classes[0].epochs == 1 else "an epoch"
        size = f"{choice.block_bytes >> 10} KiB"
        return f"With the usual blocks instead of {size} {unit} takes {saved_s:.2f} s more (predicted)."

    def with_classes(self, classes: Sequence[FileClass]) -> Tuner:
        """Learn from the same evidence with other classes.

        Parameters
        ----------
        classes : sequence of FileClass
            The classes.

        Returns
        -------
        Tuner
            Another tuner.
        """
        other = copy.copy(self)
        other.classes = list(classes)
        other.needs = {target.name: held_bytes(self.features, target) for target in classes}
        return other

    def tick(self, stage: str) -> None:
        """Tell of a simulation that was asked for from outside.

        Parameters
        ----------
        stage : str
            What is being done, for people.
        """
        self._stage = stage
        self._total = max(self._total, self._done + 1)
        self._tick()

    def _tick(self, simulations: int = 1) -> None:
        self._done += simulations
        self._progress(self._stage, min(self._done, self._total), self._total)

    def _cost(self, document: Mapping[str, Any], rung: int) -> Cost:
        cost = self.evidence.cost(document, rung)
        self._tick()
        return cost

    def _allocate(self) -> Allocation:
        """Divide the budget among the classes that are read again, by replaying the first rung."""
        self._stage = "measuring what each class gains"
        items = [
            Item(target.name, self.needs[target.name]) for target in self.classes if self._read_again(target)
        ]
        self._total = self._done + 4 * len(items) + 8
        by_name = {target.name: target for target in self.classes}
        source_s = self.evidence.source_cost(0).steady

        def measure(held: Mapping[str, int]) -> float:
            plain = [
                Treatment(by_name[name], "pinned", self.budget.share(size))
                for name, size in held.items()
                if self.budget.share(size) > 0
            ]
            return self._cost(self._document(plain), 0).steady * source_s

        return allocate(items, self.budget.usable_bytes, measure)

    def _with_leftovers(self, held: Mapping[str, int]) -> dict[str, int]:
        """Give away what is left, classes that fit first: room that nobody uses saves nothing.

        Plain holding gains little where other treatments of the same room gain much: an epoch over MDS shards
        took 2.9 s with what the knapsack had found, 1.0 s with whole files in all of the room (simulated).
        """
        filled = dict(held)
        left = self.budget.usable_bytes - sum(filled.values())
        again = [target for target in self.classes if self._read_again(target)]
        for target in sorted(again, key=lambda target: (self.needs[target.name], target.name)):
            missing = self.needs[target.name] - filled.get(target.name, 0)
            if 0 < missing <= left:
                filled[target.name] = self.needs[target.name]
                left -= missing
        for target in sorted(again, key=lambda target: (target.name not in filled, target.name)):
            more = min(self.needs[target.name] - filled.get(target.name, 0), left)
            if more > 0:
                filled[target.name] = filled.get(target.name, 0) + more
                left -= more
        return filled

    def _read_again(self, target: FileClass) -> bool:
        rows = self.features.iloc[target.members]
        return bool(((rows["epochs_read"] > rows["runs"]) | (rows["bytes_read"] > 1.5 * rows["size"])).any())

    def _grid(self, held: Mapping[str, int]) -> list[Choice]:
        partly = [t for t in self.classes if 0 < held.get(t.name, 0) < self.needs[t.name]]
        streamed = [t for t in self.classes if not held.get(t.name)]
        return grid(self.world.storage, partly_held=partly, streamed=streamed)

    def _refined(self, choice: Choice, held: Mapping[str, int]) -> Setting:
        self._stage = "refining"
        again = {} if self.once else {t.name: self.needs[t.name] for t in self.classes if self._read_again(t)}
        found, _ = refine(
            Setting(choice, tuple(sorted(held.items()))),
            Limits(self.budget.usable_bytes, again),
            lambda setting: self._setting_cost(setting, REFINING_RUNG),
            jobs=self.jobs,
        )
        return found

    def _final(
        self, refined: Setting, ranking: Sequence[Scored[Choice]], held: Mapping[str, int]
    ) -> tuple[Choice, dict[str, int]]:
        """Let the refined setting, the grid's leaders and plain holding meet in full size."""
        self._stage = "comparing finalists"
        leaders = [Choice(), *(scored.candidate for scored in ranking[:FINALISTS])]
        settings = [Setting(choice, tuple(sorted(held.items()))) for choice in leaders]
        options = list(dict.fromkeys([*settings, refined]))
        ranked = successive_halving(
            options,
            lambda setting, _: self._setting_cost(setting, FINAL_RUNG),
            rungs=1,
            jobs=self.jobs,
            tolerance=TOLERANCE,
        )
        best = ranked[0].candidate
        return best.choice, dict(best.held)

    def _setting_cost(self, setting: Setting, rung: int) -> float:
        plain = self._treat(setting.choice, dict(setting.held))
        return self._cost(self._document(plain, self._framed(setting.choice)), rung).score

    def _treat(self, choice: Choice, held: Mapping[str, int]) -> list[Treatment]:
        made = treatments(choice, budget=self.budget, needs=self.needs, held=held, classes=self.classes)
        return [treatment for treatment in made if treatment.actions()]

    def _framed(self, choice: Choice) -> Document:
        """Put the size of blocks, which no rule can have, into the recipe's settings."""
        if not choice.block_bytes:
            return self._frame
        settings = {**self._frame["settings"], "block_size": f"{choice.block_bytes >> 10}KiB"}
        return {**self._frame, "settings": settings}

    def _document(self, plain: Sequence[Treatment], frame: Document | None = None) -> Document:
        """Write treatments as a recipe for simulation: each class by all its conditions."""
        rules = [
            LearnedRule(
                treatment,
                tuple(conditions(treatment.target)),
                RuleWeights(tuple(1.0 for _ in conditions(treatment.target)), 1.0, ""),
            )
            for treatment in plain
        ]
        return self._candidate(rules, frame)

    def _candidate(self, rules: Sequence[LearnedRule], frame: Document | None = None) -> Document:
        """Write rules as a recipe for simulation, under the base's settings."""
        return recipe_document(rules, name="candidate", description="", base=frame or self._frame)

    def _weighed(self, chosen: Sequence[Treatment]) -> list[LearnedRule]:
        if not chosen:
            return []
        gains = [self._is_member(treatment.target) for treatment in chosen]
        weights = weigh_rules(
            self._document(chosen), self.features, gains, self._in_last_epoch(), seed=self.seed
        )
        return [
            weigh(treatment, weight if treatment.target.found is None else _all_needed(treatment))
            for treatment, weight in zip(chosen, weights, strict=True)
        ]

    def _is_member(self, target: FileClass) -> NDArray[np.bool_]:
        member = np.zeros(len(self.features), dtype=bool)
        member[target.members] = True
        return member

    def _in_last_epoch(self) -> NDArray[np.bool_]:
        """Find the files of the last training epoch; of a job with one epoch, those read last."""
        paths: set[str] = set()
        for run in self.runs:
            last = run.training.epoch == count_epochs(run.training) - 1
            if run.once:
                last = np.arange(len(run.training.op)) >= len(run.training.op) // 2
            paths |= set(file_features([select(run.training, last)])["path"])
        return self.features["path"].isin(paths).to_numpy()

    def _pruned(self, rules: Sequence[LearnedRule]) -> list[LearnedRule]:
        """Measure each rule by leaving it out; drop those that are not worth their lines."""
        kept = list(rules)
        rung = FINAL_RUNG
        source = self.evidence.source_cost(rung)
        whole = self._cost(self._candidate(kept), rung)
        for rule in list(rules):
            rest = [other for other in kept if other is not rule]
            without = self._cost(self._candidate(rest), rung)
            is_needless = without.score - whole.score < WORTH_A_RULE * whole.score
            # smaller blocks alone can be the gain, and a recipe needs a rule
            if is_needless and (rest or whole.score >= 1.0):
                kept, whole = rest, without
                continue
            saved = Cost(
                (without.first - whole.first) * source.first, (without.steady - whole.steady) * source.steady
            )
            kept[kept.index(rule)] = replace(rule, saved=saved)
        return sorted(kept, key=lambda rule: (-_worth(rule), rule.treatment.target.name))

    def _explained(self, rules: Sequence[LearnedRule], allocation: Allocation | None) -> list[LearnedRule]:
        return [
            replace(
                rule, reason=reason_of(rule, self.needs[rule.treatment.target.name], self.budget, allocation)
            )
            for rule in rules
        ]

    def _with_base(
        self,
        document: Document,
        rules: Sequence[LearnedRule],
        base: Mapping[str, Any],
        allocation: Allocation | None,
    ) -> tuple[Document, str]:
        """Weigh the base's rules anew; keep whichever of three recipes is best in training."""
        reweighed = self._reweighed(base, allocation)
        name, description = str(document["name"]), str(document["description"])
        framed = {**reweighed, "settings": {**reweighed.get("settings", {}), **self._frame["settings"]}}
        joined = recipe_document(rules, name=name, description=description, base=framed)
        alone = {**reweighed, "name": name, "description": description}
        options: list[tuple[Document, str]] = [
            (document, "its rules were left out: they save nothing beyond the learned ones"),
            (joined, "its rules follow the learned ones, weighed anew"),
            (alone, "its rules were weighed anew; learned rules save nothing beyond them"),
        ]
        ranked = successive_halving(
            options, lambda option, _: self._cost(option[0], FINAL_RUNG).score, rungs=1, tolerance=TOLERANCE
        )
        return ranked[0].candidate

    def _reweighed(self, base: Mapping[str, Any], allocation: Allocation | None) -> Document:
        """Give the base's rules the weights and thresholds that tell the files that gain."""
        gaining = np.zeros(len(self.features), dtype=bool)
        names = set(allocation.first_gain) if allocation else {target.name for target in self.classes}
        if allocation:
            names = {n for n in names if allocation.first_gain[n].saved_s > 0.002 * allocation.baseline_s}
        for target in self.classes:
            if target.name in names:
                gaining |= self._is_member(target)
        rules = [dict(rule) for rule in base["rules"]]
        weights = weigh_rules(
            base, self.features, [gaining for _ in rules], self._in_last_epoch(), seed=self.seed
        )
        for rule, learned in zip(rules, weights, strict=True):
            if rule.get("match", "weighted") != "weighted" or learned.accuracy is None:
                continue
            rule["metadata"] = {**rule.get("metadata", {}), "origin": "base rule, weighed anew"}
            rule["threshold"] = learned.threshold
            rule["conditions"] = [
                {**condition, "weight": weight}
                for condition, weight in zip(rule["conditions"], learned.weights, strict=True)
            ]
        return {**base, "rules": rules}


def _all_needed(treatment: Treatment) -> RuleWeights:
    """Weigh the path to a leaf: it is one only where each of its questions has its answer."""
    constant = tuple(1.0 for _ in conditions(treatment.target))
    return RuleWeights(constant, 1.0, "constant weights: a tree found it, and each of its answers is needed")


def _worth(rule: LearnedRule) -> float:
    return rule.saved.score if rule.saved else 0.0


def _evaluations(n_candidates: int) -> int:
    """Count the simulations of the search."""
    total, alive = 0, n_candidates
    for _ in range(RUNGS):
        total += alive
        alive = max(round(alive / 3), min(2, alive))
    return total
