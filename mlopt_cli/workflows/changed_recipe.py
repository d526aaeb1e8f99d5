"""What a change of a recipe would do to a recorded job: files and bytes by treatment, then simulated time."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from recipes.difference import Difference
    from simulator.scenario import Outcome, Scenario
    from traces.workload import Workload

_Item = TypeVar("_Item")
#: Files judged at once: one explained file is about 3 kB, so that a million files need no more than this.
CHUNK_FILES = 5_000
#: A difference below this is none, as in `mlopt learn` and `mlopt simulate` [1].
NOTHING_RATIO = 0.01
PASSED = "passed through"


@dataclass(frozen=True)
class Shift:
    """Files that one rule's change moves from one treatment to another.

    Attributes
    ----------
    rule : str or None
        The rule that was changed, added or removed; None where the order of rules or the settings did it.
    before, after : str
        What happens to the files under the one recipe and the other.
    files : int
        Files.
    bytes : int
        Their sizes [bytes].
    read_bytes : int
        What the job read of them [bytes].
    """

    rule: str | None
    before: str
    after: str
    files: int
    bytes: int
    read_bytes: int


@dataclass(frozen=True)
class Effect:
    """Both recipes with one memory size.

    Attributes
    ----------
    memory_bytes : int
        The budget [bytes].
    old, new : Outcome
        What the simulator found.
    saved_ratio : float
        Share of the old one's epoch that the new one saves: the median over the seeds, compared seed by seed;
        negative when it costs [1].
    spread_ratio : float
        Half of what lies between the seeds' extremes [1].
    """

    memory_bytes: int
    old: Outcome
    new: Outcome
    saved_ratio: float
    spread_ratio: float

    @property
    def word(self) -> str | None:
        """``saves``, ``costs``, or None where the seeds tell no difference."""
        if abs(self.saved_ratio) < max(NOTHING_RATIO, self.spread_ratio):
            return None
        return "saves" if self.saved_ratio > 0 else "costs"

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of the command's JSON.

        Returns
        -------
        dict
            As published.
        """
        return {
            "memory_bytes": self.memory_bytes,
            "saved_ratio": self.saved_ratio,
            "spread_ratio": self.spread_ratio,
            "verdict": self.word or "no difference",
            "old": _row(self.old),
            "new": _row(self.new),
        }


def _row(outcome: Outcome) -> dict[str, Any]:
    shown = ("epoch_s", "epoch_s_spread", "hit_ratio", "source_bytes", "source_requests")
    return {"steady_epoch_s": outcome.steady_epoch_s} | {key: outcome.row()[key] for key in shown}


def shifts(
    job: Workload, plans: tuple[str, str], difference: Difference, source: Path | None = None
) -> list[Shift]:
    """Find the files that are treated otherwise.

    Parameters
    ----------
    job : Workload
        The recorded job.
    plans : tuple of str
        The two compiled recipes.
    difference : Difference
        Between them.
    source : Path, optional
        Count all files below this directory, not just those that the job read.

    Returns
    -------
    list of Shift
        In the order of the difference, most bytes first within a rule.
    """
    rules = (*difference.removed, *difference.added, *difference.changed)
    sums: dict[tuple[str | None, str, str], list[int]] = {}
    pairs = zip(*(_entries(job, plan, source) for plan in plans), strict=True)
    for old, new in pairs:
        if old["kind"] != "file" or old["action"] == new["action"]:
            continue
        took_part = {rule["id"] for entry in (old, new) for rule in entry["rules"] if rule["applied"]}
        # a file counts once, for the first of the changed rules that treats it: the files of all add up
        rule = next((each for each in rules if each in took_part), None)
        total = sums.setdefault((rule, *_words(old["action"], new["action"])), [0, 0, 0])
        for index, count in enumerate((1, new["size"], new["read_bytes"])):
            total[index] += count
    order = {rule: index for index, rule in enumerate((*rules, None))}
    found = [Shift(*key, *total) for key, total in sums.items()]
    return sorted(found, key=lambda each: (order[each.rule], -each.bytes, each.before, each.after))


def _entries(job: Workload, plan: str, source: Path | None) -> Iterator[dict[str, Any]]:
    from mlopt_cli.workflows.judge_files import JudgeQuestion, judge_files
    from traces.analysis.facts import facts_of_job, file_uses

    uses, facts = file_uses(job), facts_of_job(job)
    if source is None:
        for chunk in _chunks(uses):
            yield from judge_files(JudgeQuestion(plan, None, facts=facts, uses=chunk))["files"]
        return
    for names in _chunks(sorted(_below(source))):
        question = JudgeQuestion(plan, source, files=tuple(names), facts=facts, uses=uses)
        yield from judge_files(question)["files"]


def _chunks(items: list[_Item]) -> Iterator[list[_Item]]:
    return (items[start : start + CHUNK_FILES] for start in range(0, len(items), CHUNK_FILES))


def _below(source: Path) -> Iterator[str]:
    for folder, _, names in os.walk(source):
        yield from (str(Path(folder, name).relative_to(source)) for name in names)


def _words(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, str]:
    """Name two treatments; where their names are equal, the parameters that differ tell them apart."""
    before, after = treatment_words(old), treatment_words(new)
    if before != after:
        return before, after
    details: tuple[list[str], list[str]] = ([], [])
    for name in old:
        one, other = old[name] or {}, new[name] or {}
        for key in sorted({*one, *other}):
            if one.get(key) != other.get(key):
                details[0].append(f"{name}.{key} {json.dumps(one.get(key))}")
                details[1].append(f"{name}.{key} {json.dumps(other.get(key))}")
    return f"{before} ({', '.join(details[0])})", f"{after} ({', '.join(details[1])})"


def treatment_words(action: dict[str, Any]) -> str:
    """Name what happens to a file.

    Parameters
    ----------
    action : dict
        Of a judged file.

    Returns
    -------
    str
        As ``pinned up to 40 % of memory, fetched ahead (epoch_set)``.
    """
    parts = []
    if (cache := action["cache"]) is not None:
        kept = "pinned" if cache["policy"] == "pinned" else f"kept ({cache['policy']})"
        share = cache["share"]
        parts.append(kept if share is None or share >= 1 else f"{kept} up to {share:.0%} of memory")
    if (prefetch := action["prefetch"]) is not None:
        parts.append(f"fetched ahead ({prefetch['mode']})")
    if action["stream"] is not None:
        parts.append("streamed")
    return ", ".join(parts) or PASSED


def effects(
    base: Scenario,
    compilers: tuple[Callable[[int], str], Callable[[int], str]],
    sizes: list[int],
    on_step: Callable[[], None],
) -> list[Effect]:
    """Simulate both recipes with each memory size.

    Parameters
    ----------
    base : Scenario
        Job, storage and cores; plan and memory are set here.
    compilers : tuple of callable
        Compile the recipes for a budget.
    sizes : list of int
        Memory sizes [bytes].
    on_step : callable
        Told of each simulation.

    Returns
    -------
    list of Effect
        By memory size.
    """
    from simulator.replay import simulate

    found = []
    for size in sorted(set(sizes)):
        outcomes = []
        for compile_plan in compilers:
            plan = compile_plan(size)
            outcomes.append(
                simulate(replace(base, plan_json=plan, baseline=None, memory_bytes=size, with_bounds=False))
            )
            on_step()
        found.append(_effect(size, *outcomes))
    return found


def _effect(size: int, old: Outcome, new: Outcome) -> Effect:
    def steady(times: list[float]) -> float:
        return sum(times[1:] or times)

    saved = [
        1 - steady(after) / max(steady(before), 1e-12)
        for before, after in zip(old.epoch_s_by_seed, new.epoch_s_by_seed, strict=True)
    ]
    return Effect(size, old, new, statistics.median(saved), (max(saved) - min(saved)) / 2)


def sentence(moved: list[Shift], found: list[Effect], format_size: Callable[[float], str]) -> str:
    """Say what the change would do.

    Parameters
    ----------
    moved : list of Shift
        Files that are treated otherwise.
    found : list of Effect
        Empty where both plans are the same.
    format_size : callable
        Writes a size for people.

    Returns
    -------
    str
        As ``NEW saves 12 % ± 1 % of the epoch: 340 files (31 MiB) are pinned instead of streamed.``
    """
    if not found:
        return "No difference: both recipes do the same to this job."
    parts = []
    for effect in found:
        at = f" with {format_size(effect.memory_bytes)}" if len(found) > 1 else ""
        if effect.word is None:
            parts.append(f"makes no difference in time beyond the spread of ±{effect.spread_ratio:.1%}{at}")
        else:
            parts.append(
                f"{effect.word} {abs(effect.saved_ratio):.1%} ± {effect.spread_ratio:.1%} of the epoch{at}"
            )
    return f"NEW {', '.join(parts)}: {_what_moved(moved, format_size)}."


def _what_moved(moved: list[Shift], format_size: Callable[[float], str]) -> str:
    if not moved:
        return "no file changes treatment, the settings do"
    sums: dict[tuple[str, str], list[int]] = {}
    for shift in moved:
        total = sums.setdefault((shift.before, shift.after), [0, 0])
        total[0] += shift.files
        total[1] += shift.bytes
    ways = sorted(sums.items(), key=lambda each: -each[1][1])
    words = []
    for (before, after), (files, size) in ways[:2]:
        noun = "file" if files == 1 else "files"
        verb = "is" if files == 1 else "are"
        words.append(f"{files:,} {noun} ({format_size(size)}) {verb} {after} instead of {before}")
    if len(ways) > 2:
        words.append(f"{sum(total[0] for _, total in ways[2:]):,} more files change otherwise")
    return "; ".join(words)


def shift_rows(moved: list[Shift]) -> list[dict[str, Any]]:
    """Shape shifts for JSON.

    Parameters
    ----------
    moved : list of Shift
        Files that are treated otherwise.

    Returns
    -------
    list of dict
        As published.
    """
    return [asdict(shift) for shift in moved]
