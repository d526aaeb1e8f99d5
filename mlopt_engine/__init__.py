"""The compiled engine's Python face: what the native module offers, typed."""

from mlopt_engine._native import MloptError, __version__, isatty_shim

__all__ = ["MloptError", "__version__", "isatty_shim"]
