"""Cache replay: equal to plain models access by access, to libcachesim in counts, to theory in ratios."""

from __future__ import annotations

import math
from typing import Any

import libcachesim
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlopt_engine import MloptError, lru_stack_distances, registry, replay_cache

NAMES = [entry["name"] for entry in registry()["policies"]]
# pinned has no counterpart there, and upstream is nobody else's
ORACLES = {
    "lru": libcachesim.LRU,
    "fifo": libcachesim.FIFO,
    "lfu": libcachesim.LFU,
    "sieve": libcachesim.Sieve,
    "belady": libcachesim.Belady,
}
# libcachesim's word for an object that is not read again
NO_NEXT = 2**63 - 1


def plain_hits(policy: str, ids: list[int], capacity: int) -> list[bool]:
    """Hits of a policy in the plain way: a list of what is held, and who of them leaves."""
    held: list[int] = []
    hits = []
    reads: dict[int, int] = {}  # since an object came
    reached: dict[int, int] = {}  # the last read of an object
    swept: set[int] = set()  # read since the hand of sieve passed
    hand: int | None = None
    for position, item in enumerate(ids):
        hits.append(item in held)
        if item in held:
            reads[item] += 1
            reached[item] = position
            swept.add(item)
            continue
        if len(held) == capacity:
            if policy == "pinned":
                continue
            if policy == "sieve":
                place = held.index(hand) if hand is not None else 0
                while held[place] in swept:
                    swept.discard(held[place])
                    place = (place + 1) % capacity
                leaves = held[place]
                hand = held[place + 1] if place + 1 < capacity else None
            else:
                rest = ids[position:]
                upcoming = {other: rest.index(other) if other in rest else len(ids) for other in held}
                # without time, kind and size the ancestor's score is one of reads alone
                frequency = {other: (reads[other], reached[other]) for other in held}
                rank: dict[str, dict[int, Any]] = {
                    "fifo": {other: place for place, other in enumerate(held)},
                    "lru": reached,
                    "lfu": frequency,
                    "upstream": frequency,
                    "belady": {other: -upcoming[other] for other in held},
                }
                leaves = min(held, key=rank[policy].__getitem__)
            held.remove(leaves)
            swept.discard(leaves)
        held.append(item)
        reads[item], reached[item] = 1, position
    return hits


def next_access(ids: NDArray[np.uint32]) -> list[int]:
    """Index of the next access to the same object."""
    seen: dict[int, int] = {}
    found = [NO_NEXT] * len(ids)
    for position in range(len(ids) - 1, -1, -1):
        found[position] = seen.get(int(ids[position]), NO_NEXT)
        seen[int(ids[position])] = position
    return found


def oracle_misses(policy: str, ids: NDArray[np.uint32], sizes: NDArray[np.uint64], capacity: int) -> int:
    """Misses that libcachesim counts."""
    cache = ORACLES[policy](cache_size=capacity)
    misses = 0
    columns = zip(ids.tolist(), sizes.tolist(), next_access(ids), strict=True)
    for time, (item, size, upcoming) in enumerate(columns):
        request = libcachesim.Request(
            obj_size=size,
            op=libcachesim.ReqOp.OP_READ,
            obj_id=item,
            clock_time=time,
            next_access_vtime=upcoming,
        )
        misses += not cache.get(request)
    return misses


def zipf(objects: int, requests: int, seed: int) -> NDArray[np.uint32]:
    """Zipf(1.0) accesses with dense ids."""
    weights = 1 / np.arange(1, objects + 1)
    draws = np.random.default_rng(seed).choice(objects, requests, p=weights / weights.sum())
    return draws.astype(np.uint32)


def epochs(objects: int, count: int, seed: int) -> NDArray[np.uint32]:
    """One uniform permutation per epoch."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(objects) for _ in range(count)]).astype(np.uint32)


TRACES = {"zipf": zipf(2_000, 30_000, 1), "epochs": epochs(2_000, 10, 2)}


@pytest.mark.parametrize("policy", NAMES)
@settings(max_examples=200, deadline=None)
@given(ids=st.lists(st.integers(0, 12), max_size=80), capacity=st.integers(1, 10))
def test_hits_equal_those_of_the_plain_model(policy: str, ids: list[int], capacity: int) -> None:
    found = replay_cache(policy, np.array(ids, dtype=np.uint32), None, capacity, with_hits=True)
    expected = plain_hits(policy, ids, capacity)
    if policy == "belady":  # who of those never read again leaves first is open, the hits are not
        assert found["misses"] == expected.count(False)
    assert found["hits"].tolist() == expected
    assert found["misses"] == expected.count(False) == found["miss_bytes"]


@settings(max_examples=100, deadline=None)
@given(ids=st.lists(st.integers(0, 12), max_size=80), capacity=st.integers(1, 13))
def test_stack_distances_are_the_whole_curve_of_lru(ids: list[int], capacity: int) -> None:
    column = np.array(ids, dtype=np.uint32)
    distances = lru_stack_distances(column)
    hits = (distances >= 0) & (distances <= capacity)
    assert hits.tolist() == replay_cache("lru", column, None, capacity, with_hits=True)["hits"].tolist()


@pytest.mark.parametrize("trace", TRACES)
@pytest.mark.parametrize("policy", ORACLES)
@pytest.mark.parametrize("capacity", [100, 1_000])
def test_misses_equal_those_of_libcachesim(policy: str, trace: str, capacity: int) -> None:
    ids = TRACES[trace]
    expected = oracle_misses(policy, ids, np.ones(len(ids), dtype=np.uint64), capacity)
    assert replay_cache(policy, ids, None, capacity)["misses"] == expected


@pytest.mark.parametrize("trace", TRACES)
@pytest.mark.parametrize("policy", ORACLES)
def test_misses_by_bytes_equal_those_of_libcachesim(policy: str, trace: str) -> None:
    ids = TRACES[trace]
    of_object = np.random.default_rng(3).integers(1, 5_000, 2_000).astype(np.uint64)
    of_object[::50] = 2_000_000  # larger than the cache
    sizes = of_object[ids]
    found = replay_cache(policy, ids, sizes, 1_000_000, with_hits=True)
    assert found["misses"] == oracle_misses(policy, ids, sizes, 1_000_000)
    assert found["miss_bytes"] == sizes[~found["hits"]].sum()


@pytest.mark.parametrize("trace", TRACES)
def test_nobody_beats_belady(trace: str) -> None:
    misses = {name: replay_cache(name, TRACES[trace], None, 500)["misses"] for name in NAMES}
    assert min(misses.values()) == misses["belady"]
    assert misses["belady"] < misses["lru"]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.75, 0.9])
def test_shuffled_epochs_hit_as_theory_says(share: float) -> None:
    objects, count, cold = 20_000, 12, 4
    ids = epochs(objects, count, 4)
    few = share <= 1 - 1 / math.e
    theory = {
        "pinned": share,
        "belady": share,
        "lru": share + (1 - share) * math.log(1 - share),
        "fifo": -share - math.log(1 - share) if few else 1 - (1 - share) * (math.e - 1),
    }
    for policy in theory:
        hits = replay_cache(policy, ids, None, round(share * objects), with_hits=True)["hits"]
        assert hits[cold * objects :].mean() == pytest.approx(theory[policy], abs=0.01), policy


def test_an_unknown_policy_is_named() -> None:
    with pytest.raises(MloptError, match="unknown cache policy 'mru'"):
        replay_cache("mru", np.zeros(1, dtype=np.uint32), None, 1)


def test_sizes_and_ids_must_match() -> None:
    with pytest.raises(ValueError, match="sizes has 2 entries, ids has 1"):
        replay_cache("lru", np.zeros(1, dtype=np.uint32), np.ones(2, dtype=np.uint64), 1)
