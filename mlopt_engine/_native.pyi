"""Types of the compiled module; one block per file of engine/py/src."""

__version__: str

# error.rs

class MloptError(Exception):
    """Base of every error that mlopt raises on purpose."""
