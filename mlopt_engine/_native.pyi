"""Types of the compiled module; one block per file of engine/py/src."""

__version__: str

# error.rs

class MloptError(Exception):
    """Base of every error that mlopt raises on purpose."""

# shim.rs

def isatty_shim() -> bytes:
    """Return a shared library whose preloaded ``isatty`` sends no message for regular files.

    Returns
    -------
    bytes
        An ELF shared object of about 5 kB, to be written to a private folder and named in ``LD_PRELOAD``.
    """
