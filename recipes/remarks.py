"""What is found while a document is understood: each finding placed, repeated ones said once."""

from __future__ import annotations

from dataclasses import dataclass, field

from recipes.findings import Finding
from recipes.nodes import MAX_FINDINGS, Document, Path

__all__ = ["Remarks"]


@dataclass
class Remarks:
    """Collects findings about one document.

    Attributes
    ----------
    document : Document
        The recipe.
    findings : list of Finding
        What was found so far.
    """

    document: Document
    findings: list[Finding] = field(default_factory=list)
    _said: set[str] = field(default_factory=set)

    @property
    def has_errors(self) -> bool:
        """Whether something that was found makes the document unusable."""
        return any(finding.severity == "error" for finding in self.findings)

    @property
    def is_full(self) -> bool:
        """Whether more was found than anybody reads, so that looking further costs time only."""
        return len(self.findings) > MAX_FINDINGS

    def report(
        self, code: str, message: str, path: Path, do: str | None = None, *, key: bool = False
    ) -> None:
        """Note a finding.

        Parameters
        ----------
        code : str
            Stable name.
        message : str
            What is wrong.
        path : tuple of str or int
            Where.
        do : str, optional
            What to do.
        key : bool
            Point at the key instead of the value.
        """
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(self.document.finding(code, message, path, do, key=key))
        elif not self.is_full:
            message = f"holds more than {MAX_FINDINGS:,} problems: what follows was not looked at"
            self.findings.append(self.document.finding("MLO181", message, path, "Is this file a recipe?"))

    def warn_once(self, topic: str, code: str, message: str, path: Path, do: str | None = None) -> None:
        """Note a finding unless one of the same topic was noted before.

        Parameters
        ----------
        topic : str
            What it is about.
        code : str
            Stable name.
        message : str
            What is wrong.
        path : tuple of str or int
            Where.
        do : str, optional
            What to do.
        """
        if topic not in self._said:
            self._said.add(topic)
            self.report(code, message, path, do)
