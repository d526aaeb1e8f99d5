"""What the catalogue knows of one finding code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Code", "a_recipe"]


@dataclass(frozen=True)
class Code:
    """A kind of finding.

    Attributes
    ----------
    name : str
        As ``MLO109``.
    title : str
        What is wrong, in a few words.
    meaning : str
        Why it matters, and what mlopt does about it.
    do : str
        What to do.
    example : str or None
        The text of a recipe that gives this finding; None where the finding is that there is no file.
    file : str
        What the example's file is called.
    layers : tuple of (str, str)
        Files of a folder of layers around the example: name and text.
    flags : tuple of str
        ``--set`` beside the example.
    frameworks : tuple of str
        ``--framework`` beside the example.
    reported_by : str
        The command that reports it; whatever reads recipes does where this is ``mlopt validate``, and whatever
        carries them out, or predicts that, where it is ``mlopt mount``.
    plugin : str
        Source of a plugin named ``mine`` that is loaded.
    """

    name: str
    title: str
    meaning: str
    do: str
    example: str | None
    file: str = "recipe.yaml"
    layers: tuple[tuple[str, str], ...] = ()
    flags: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    reported_by: Literal["mlopt validate", "mlopt validate --strict", "mlopt recipe fmt", "mlopt mount"] = (
        "mlopt validate"
    )
    plugin: str = ""

    @property
    def severity(self) -> Literal["error", "warning"]:
        """Errors stop, warnings inform."""
        return "error" if self.name.startswith("MLO1") else "warning"


CONDITION = "{type: file_context, property: path, operator: glob, value: 'train/**', weight: 1.0}"
ACTION = "{type: cache, target: file, parameters: {policy: pinned}}"


def a_recipe(
    *, top: str = "", rule: str = "", condition: str = CONDITION, action: str = ACTION, end: str = ""
) -> str:
    """Write a small recipe without findings around what an example is about.

    Parameters
    ----------
    top : str
        A line at the top level.
    rule : str
        A line of the rule.
    condition : str
        The rule's condition.
    action : str
        The rule's action.
    end : str
        Lines at the end.

    Returns
    -------
    str
        YAML.
    """
    lines = (
        'version: "1"',
        "name: example",
        top,
        "rules:",
        "  - id: train",
        "    name: training data",
        f"    {rule}",
        f"    conditions: [{condition}]",
        f"    actions: [{action}]",
        end,
    )
    return "\n".join(line for line in lines if line.strip()) + "\n"
