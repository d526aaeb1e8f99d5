"""The compiled engine's Python face: what the native module offers, typed."""

from mlopt_engine._native import (
    FIRST_BYTES,
    Core,
    FileKind,
    MloptError,
    Rules,
    RuleScan,
    SimulatedJob,
    __version__,
    check_condition,
    detect,
    isatty_shim,
    lru_stack_distances,
    observe_reads,
    registry,
    replay_cache,
    replay_journal,
)

__all__ = [
    "FIRST_BYTES",
    "Core",
    "FileKind",
    "MloptError",
    "RuleScan",
    "Rules",
    "SimulatedJob",
    "__version__",
    "check_condition",
    "detect",
    "isatty_shim",
    "lru_stack_distances",
    "observe_reads",
    "registry",
    "replay_cache",
    "replay_journal",
]
