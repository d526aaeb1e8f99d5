"""The error tree that every room shares: what, where, which value, what to do."""

from __future__ import annotations

from typing import Any

from mlopt_engine._native import MloptError

__all__ = [
    "InvalidInputError",
    "MissingPrerequisiteError",
    "MloptError",
    "RefusedError",
    "TraceUnreadableError",
    "UserError",
]


class UserError(MloptError):
    """A problem that the user can solve; the base of every error with a remedy.

    Parameters
    ----------
    what : str
        What failed, one sentence without a full stop.
    where : str, optional
        Where: a path, ``file:line:column``, a flag.
    value : str, optional
        The offending value.
    do : str, optional
        What to do next.
    code : str, optional
        Stable name of the problem, as ``trace-exists``.

    Attributes
    ----------
    details : dict or None
        What led to it, as plain JSON values; for machines, and for commands that show it themselves.
    """

    default_code = "error"

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        value: str | None = None,
        do: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.value = value
        self.do = do
        self.code = code or self.default_code
        self.details: dict[str, Any] | None = None

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        if self.value is not None:
            head += f" (got {self.value})"
        return f"{head}. {self.do}" if self.do else head


class RefusedError(UserError):
    """The command ran and its answer is no: a gate, a finding, a busy mount (exit code 1)."""

    default_code = "refused"


class InvalidInputError(UserError):
    """A flag, path or recipe is not usable (exit code 2)."""

    default_code = "invalid-input"


class MissingPrerequisiteError(UserError):
    """A privilege, tool or device is missing (exit code 3)."""

    default_code = "missing-prerequisite"


class TraceUnreadableError(UserError):
    """A trace is unreadable, incomplete or of another schema (exit code 4)."""

    default_code = "trace-unreadable"
