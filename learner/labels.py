"""What a byte of budget is worth: seconds saved by holding a class of files, found by replaying the job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

#: The knapsack fills in at least this many steps: finer ones cost simulations, coarser ones overshoot.
STEPS = 6
#: A gain below this share of the epoch is the noise of a seed.
NOISE_SHARE = 0.002

#: Seconds per epoch when each class (by name) holds so many bytes.
Measure = Callable[[Mapping[str, int]], float]


@dataclass(frozen=True)
class Item:
    """A class of files in the knapsack.

    Attributes
    ----------
    name : str
        Name of the class.
    bytes : int
        What holding all of it costs [bytes].
    """

    name: str
    bytes: int


@dataclass(frozen=True)
class MarginalGain:
    """Value of the first bytes given to a class at some allocation.

    Attributes
    ----------
    name : str
        Name of the class.
    bytes : int
        How many bytes were added [bytes].
    saved_s : float
        What they save per epoch [s].
    """

    name: str
    bytes: int
    saved_s: float

    @property
    def saved_s_per_gib(self) -> float:
        """Seconds per epoch and GiB of budget [s/GiB]."""
        return self.saved_s / self.bytes * (1 << 30)


@dataclass(frozen=True)
class Allocation:
    """How the budget is divided.

    Attributes
    ----------
    bytes : dict of str to int
        Bytes for each class that gets any [bytes].
    first_gain : dict of str to MarginalGain
        What each class's first bytes were worth with nothing held.
    epoch_s : float
        Epoch time at this allocation [s].
    baseline_s : float
        Epoch time with nothing held [s].
    """

    bytes: dict[str, int]
    first_gain: dict[str, MarginalGain]
    epoch_s: float
    baseline_s: float
    steps: list[MarginalGain] = field(default_factory=list)


def allocate(items: Sequence[Item], budget: int, measure: Measure) -> Allocation:
    """Divide a budget among classes by their marginal gain, the best first.

    A greedy knapsack: each round gives a slice to the class that saves most seconds per byte at the current
    allocation. Gains fall as a class fills, so an old gain is an upper bound and only the leader is measured
    anew [1]_.

    Parameters
    ----------
    items : sequence of Item
        The classes.
    budget : int
        What there is to divide [bytes].
    measure : callable
        Epoch time of an allocation [s].

    Returns
    -------
    Allocation
        Classes without a gain get nothing.

    References
    ----------
    .. [1] Minoux, Accelerated greedy algorithms for maximizing submodular set functions, 1978.
    """
    held: dict[str, int] = {}
    baseline = current = measure(held)
    noise = NOISE_SHARE * baseline
    slice_bytes = max(budget // STEPS, 1)
    gains = {item.name: _gain(item, held, slice_bytes, budget, current, measure) for item in items}
    first = {name: gain for name, gain in gains.items() if gain is not None}
    steps: list[MarginalGain] = []
    left, fresh = budget, set(first)
    while left > 0:
        # equal gains go to the class named first, so that the same trace gives the same recipe
        ranked = sorted(
            (gain for gain in gains.values() if gain is not None and gain.saved_s > noise),
            key=lambda gain: (-gain.saved_s / gain.bytes, gain.name),
        )
        if not ranked:
            break
        best = ranked[0]
        item = next(item for item in items if item.name == best.name)
        if best.name not in fresh or best.bytes > left:
            gains[best.name] = _gain(item, held, slice_bytes, left, current, measure)
            fresh.add(best.name)
            continue
        held[best.name] = held.get(best.name, 0) + best.bytes
        current -= best.saved_s
        left -= best.bytes
        steps.append(best)
        fresh = set()
        gains[best.name] = _gain(item, held, slice_bytes, left, current, measure) if left > 0 else None
        fresh.add(best.name)
    return Allocation(held, first, measure(held) if held else baseline, baseline, steps)


def _gain(
    item: Item, held: Mapping[str, int], slice_bytes: int, left: int, current: float, measure: Measure
) -> MarginalGain | None:
    """Measure what the next slice of a class saves; None when it is full."""
    has = held.get(item.name, 0)
    more = min(slice_bytes, item.bytes - has, left)
    if more <= 0:
        return None
    return MarginalGain(item.name, more, current - measure({**held, item.name: has + more}))
