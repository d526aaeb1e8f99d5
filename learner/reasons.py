"""Says in words why a rule exists and what the recipe expects."""

from __future__ import annotations

from learner.classes import FileClass
from learner.cost import Cost
from learner.labels import Allocation
from learner.rules import LearnedRule
from learner.treatments import STREAM, Budget, Choice


def size_text(size: float) -> str:
    """Write a size in binary units.

    Parameters
    ----------
    size : float
        [bytes].

    Returns
    -------
    str
        As ``1.5 GiB``.
    """
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def describe_class(target: FileClass) -> str:
    """Describe a class of files and how the job reads it.

    Parameters
    ----------
    target : FileClass
        The class.

    Returns
    -------
    str
        As ``2,000 .png files below train/ (190.7 MiB), read in each epoch in shuffled order``.
    """
    kinds = [f".{_shown(extension)}" for extension in target.extensions if extension]
    noun = "file" if target.n_files == 1 else "files"
    what = f"{target.n_files:,} {'/'.join(kinds)} {noun}" if kinds else f"{target.n_files:,} {noun}"
    return f"{what} {_place(target)} ({size_text(target.bytes)}), {describe_reading(target)}"


def _shown(name: str) -> str:
    """Write a name that may hold bytes that are no UTF-8."""
    return name.encode("utf-8", "replace").decode()


def _place(target: FileClass) -> str:
    if target.directory:
        return f"{'below' if target.recursive else 'in'} {_shown(target.directory)}/"
    return "of the source" if target.recursive else "in the top directory"


def describe_reading(target: FileClass) -> str:
    """Describe how a job reads a class.

    Parameters
    ----------
    target : FileClass
        The class.

    Returns
    -------
    str
        As ``read in each epoch in shuffled order``.
    """
    if not target.behaviour.reused:
        inside = " from front to back" if target.sequential_ratio > 0.5 else " at scattered offsets"
        return f"read once{inside}"
    if target.epochs == 1:
        return "read again and again"
    share = target.epoch_share
    often = "read in each epoch" if share > 0.95 else f"{share:.0%} of them read in each epoch"
    order = {"shuffled": " in shuffled order", "same each epoch": " in the same order", None: ""}
    return f"{often}{order[target.behaviour.order]}"


def reason_of(rule: LearnedRule, need: int, budget: Budget, allocation: Allocation | None) -> str:
    """Say why a rule exists.

    Parameters
    ----------
    rule : LearnedRule
        The rule.
    need : int
        What holding the whole class costs [bytes].
    budget : Budget
        What there is to divide.
    allocation : Allocation, optional
        How it was divided.

    Returns
    -------
    str
        Some sentences.
    """
    treatment = rule.treatment
    sentences = [f"{describe_class(treatment.target)}; {treatment.target.wait_share:.0%} of the waiting."]
    if treatment.target.found is not None:
        sentences.append(
            f"Found by a tree: {treatment.target.found.purity:.0%} of its bytes are read alike, those beside "
            "it are not."
        )
    gain = allocation.first_gain.get(treatment.target.name) if allocation else None
    if gain is not None and gain.saved_s > 0:
        sentences.append(f"Its first bytes held save {gain.saved_s_per_gib:.2f} s per epoch and GiB.")
    if treatment.policy is not None and treatment.share > 0:
        held = min(treatment.share * budget.bytes / need, 1.0)
        how = "All of it is kept" if held > 0.999 else f"{held:.0%} of it is kept"
        sentences.append(f"{how} ({treatment.policy}).")
    if treatment.mode == "epoch_set":
        staged = size_text(treatment.stage_share * budget.bytes)
        sentences.append(f"What an epoch has not read yet is fetched ahead into {staged}.")
    elif treatment.mode is not None and treatment.policy is not None:
        sentences.append("In the rest, each reader's file is fetched ahead of it.")
    elif treatment.mode is not None:
        sentences.append(
            "Fetched ahead of the reader; it stays while there is room."
            if treatment.stays
            else "Fetched ahead of the reader and not kept."
        )
    if rule.saved is not None:
        sentences.append(_saving(rule.saved, treatment.target.epochs))
    weights = rule.weights
    shown = f", balanced accuracy {weights.accuracy:.2f}" if weights.accuracy is not None else ""
    sentences.append(f"{weights.reason[:1].upper()}{weights.reason[1:]}{shown}.")
    return " ".join(sentences)


def _saving(saved: Cost, epochs: int) -> str:
    unit = "the job" if epochs == 1 else "an epoch"
    if abs(saved.steady) < 0.005 and abs(saved.first) < 0.005:
        return f"Without this rule {unit} takes as long (predicted): it costs nothing."
    if epochs == 1:
        return f"Without this rule the job takes {saved.steady:.2f} s more (predicted)."
    if abs(saved.first - saved.steady) < 0.005:
        return f"Without this rule an epoch takes {saved.steady:.2f} s more (predicted)."
    return (
        f"Without this rule the first epoch takes {saved.first:.2f} s more and each later one "
        f"{saved.steady:.2f} s (predicted)."
    )


def describe_choice(choice: Choice) -> str:
    """Describe a point of the search's grid.

    Parameters
    ----------
    choice : Choice
        The point.

    Returns
    -------
    str
        As ``pinned, 30% for epoch_set, 16 fetches``.
    """
    words = [choice.policy if choice.stage_ratio < 1 else "nothing held"]
    if choice.stage_ratio > 0:
        inside = choice.inside or "epoch_set"
        room = "" if inside == STREAM else f"{choice.stage_ratio:.0%} for "
        words.append(f"{room}{inside}, {choice.depth} fetches" + (" that stay" if choice.stays else ""))
    if choice.inside_bytes:
        words.append(f"{size_text(choice.inside_bytes)} ahead")
    if choice.stream is not None:
        ahead = f" {size_text(choice.window_bytes)} ahead" if choice.window_bytes else ""
        words.append(f"the rest by {choice.stream}{ahead}")
    if choice.block_bytes:
        words.append(f"blocks of {size_text(choice.block_bytes)}")
    return ", ".join(words)
