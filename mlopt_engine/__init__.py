"""The compiled engine's Python face: what the native module offers, typed."""

from mlopt_engine._native import (
    MloptError,
    Rules,
    RuleScan,
    SimulatedJob,
    __version__,
    check_condition,
    isatty_shim,
    rule_vocabulary,
)

__all__ = [
    "MloptError",
    "RuleScan",
    "Rules",
    "SimulatedJob",
    "__version__",
    "check_condition",
    "isatty_shim",
    "rule_vocabulary",
]
