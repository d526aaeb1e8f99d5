"""The catalogue of finding codes: what each means, an example that gives it, what to do."""

from __future__ import annotations

from recipes.codes import actions, conditions, layers, plugins, rules, strict, structure, text
from recipes.codes.base import Code

__all__ = ["CODES", "Code"]

# One module per kind of finding; a code is one entry in its module.
_MODULES = (text, structure, conditions, rules, layers, plugins, actions, strict)

CODES: dict[str, Code] = {
    code.name: code for code in sorted((c for m in _MODULES for c in m.CODES), key=lambda code: code.name)
}
