"""Findings in the formats that people, continuous integration and code scanners read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlopt_cli.output import VERSION

if TYPE_CHECKING:
    from recipes import Finding

__all__ = ["FORMATS", "concise", "full", "github", "sarif"]


def full(findings: Iterable[Finding]) -> Iterator[str]:
    """Write findings with the line and a caret.

    Parameters
    ----------
    findings : iterable of Finding
        What was found.

    Yields
    ------
    str
        One finding, up to three lines.
    """
    for finding in findings:
        yield f"{finding.severity}: {finding}"


def concise(findings: Iterable[Finding]) -> Iterator[str]:
    """Write each finding on one line.

    Parameters
    ----------
    findings : iterable of Finding
        What was found.

    Yields
    ------
    str
        ``file:line:column: code message. remedy``.
    """
    for finding in findings:
        yield f"{finding.where}: {finding.code} {finding.message}" + (f". {finding.do}" if finding.do else "")


def github(findings: Iterable[Finding]) -> Iterator[str]:
    """Write findings as workflow commands, which GitHub shows beside the lines.

    Parameters
    ----------
    findings : iterable of Finding
        What was found.

    Yields
    ------
    str
        ``::error file=,line=,col=,title=::message``.
    """
    for finding in findings:
        place = {"file": finding.file}
        if finding.mark:
            place |= {"line": str(finding.mark.line), "col": str(finding.mark.column)}
        place["title"] = finding.code
        properties = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in place.items())
        text = f"{finding.message}. {finding.do}" if finding.do else finding.message
        yield f"::{finding.severity} {properties}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    """Escape what ends a workflow command; the per cent sign first, as the others become it."""
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def sarif(findings: Iterable[Finding]) -> Iterator[str]:
    """Write findings as SARIF 2.1.0, which code scanners read.

    Parameters
    ----------
    findings : iterable of Finding
        What was found.

    Yields
    ------
    str
        One JSON document.
    """
    from recipes.codes import CODES

    found = list(findings)
    used = sorted({finding.code for finding in found})
    driver = {
        "name": "mlopt",
        "version": VERSION,
        "rules": [
            {
                "id": code,
                "shortDescription": {"text": CODES[code].title},
                "fullDescription": {"text": CODES[code].meaning},
                "help": {"text": CODES[code].do},
                "defaultConfiguration": {"level": CODES[code].severity},
            }
            for code in used
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(finding, used) for finding in found],
    }
    yield json.dumps({"version": "2.1.0", "runs": [run]}, indent=2)


def _sarif_result(finding: Finding, used: Sequence[str]) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": quote(finding.file)}}
    if finding.mark:
        location["region"] = {"startLine": finding.mark.line, "startColumn": finding.mark.column}
    text = f"{finding.message}. {finding.do}" if finding.do else finding.message
    return {
        "ruleId": finding.code,
        "ruleIndex": used.index(finding.code),
        "level": finding.severity,
        "message": {"text": text},
        "locations": [{"physicalLocation": location}],
    }


# The words after --format, beside `json`, which is the envelope of all commands.
FORMATS: dict[str, Callable[[Iterable[Finding]], Iterator[str]]] = {
    "full": full,
    "concise": concise,
    "github": github,
    "sarif": sarif,
}
