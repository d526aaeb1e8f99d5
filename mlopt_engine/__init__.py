"""The compiled engine's Python face: what the native module offers, typed."""

from mlopt_engine._native import (
    MloptError,
    Rules,
    RuleScan,
    __version__,
    check_condition,
    isatty_shim,
    rule_vocabulary,
)

__all__ = [
    "MloptError",
    "RuleScan",
    "Rules",
    "__version__",
    "check_condition",
    "isatty_shim",
    "rule_vocabulary",
]
