"""Types of the compiled module; one block per file of engine/py/src."""

from os import PathLike

__version__: str

# error.rs

class MloptError(Exception):
    """Base of every error that mlopt raises on purpose."""

# rules.rs

class Rules:
    """A plan's rules, ready to judge files.

    Parameters
    ----------
    plan_json : str
        The compiled recipe.
    """

    def __new__(cls, plan_json: str) -> Rules: ...
    def decide(self, path: bytes, size_bytes: int, live_json: str | None = None) -> str:
        """Decide what happens to a file.

        Parameters
        ----------
        path : bytes
            Relative to the source.
        size_bytes : int
            Its size [bytes].
        live_json : str, optional
            What was observed of it, as ``{"pattern": "sequential", "frequency": 3}``.

        Returns
        -------
        str
            The decision as JSON.
        """

    def explain(self, path: bytes, size_bytes: int, live_json: str | None = None) -> str:
        """Decide what happens to a file, and say why.

        Parameters
        ----------
        path : bytes
            Relative to the source.
        size_bytes : int
            Its size [bytes].
        live_json : str, optional
            What was observed of it.

        Returns
        -------
        str
            The decision, every rule and every condition as JSON.
        """

    def decide_repeatedly(self, path: bytes, size_bytes: int, times: int) -> int:
        """Decide for one file many times, to measure the cost of a decision.

        Parameters
        ----------
        path : bytes
            Relative to the source.
        size_bytes : int
            Its size [bytes].
        times : int
            How often.

        Returns
        -------
        int
            Number of rules applied, summed.
        """

def check_condition(fact: str, operator: str, value_json: str) -> str | None:
    """Say what is wrong with a condition.

    Parameters
    ----------
    fact : str
        Canonical name, as ``file.size``.
    operator : str
        As ``less_than``.
    value_json : str
        The value as JSON.

    Returns
    -------
    str or None
        What is wrong; None when the condition can be compiled.
    """

def rule_vocabulary() -> str:
    """List facts, operators and file types.

    Returns
    -------
    str
        As JSON.
    """

# scan.rs

class RuleScan:
    """Judge every file of a tree by a plan's rules.

    Parameters
    ----------
    plan_json : str
        The compiled recipe.
    root : str or PathLike
        The tree; links are not followed.
    limit : int, optional
        How many files are explained, shared out among treatments; all without.
    start : str or PathLike, optional
        Where to start below the root: a directory or a single file.

    Raises
    ------
    OSError
        When the root cannot be listed.
    """

    def __new__(
        cls,
        plan_json: str,
        root: str | PathLike[str],
        limit: int | None = None,
        start: str | PathLike[str] | None = None,
    ) -> RuleScan: ...
    def advance(self, files: int) -> int:
        """Look at more files.

        Parameters
        ----------
        files : int
            At most so many.

        Returns
        -------
        int
            How many; 0 when the walk is over.
        """

    def report(self) -> str:
        """Give what was found so far.

        Returns
        -------
        str
            Totals, explained files, a summary by rule and what was unreadable, as JSON.
        """

# shim.rs

def isatty_shim() -> bytes:
    """Return a shared library whose preloaded ``isatty`` sends no message for regular files.

    Returns
    -------
    bytes
        An ELF shared object of about 5 kB, to be written to a private folder and named in ``LD_PRELOAD``.
    """
