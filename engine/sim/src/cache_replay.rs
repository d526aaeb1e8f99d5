//! Untimed replay: misses of a policy over a sequence of accesses, and the miss curve of LRU in one pass.
//!
//! Owns: the loop around the core's own policy types; none is written a second time.
//! Absent: time, fetches, budgets. Byte sizes mean what they mean to libcachesim: an object larger than the cache is
//! never admitted, and victims leave until the new object fits.

use mlopt_core::eviction::{Asked, Belady, Eviction, Fifo, Lfu, Lru, Pinned, Sieve, Upstream};
use serde::Serialize;

/// Stack distance of a first access.
pub const FIRST_ACCESS: i64 = -1;

/// What a replay counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Misses {
    /// Accesses that found nothing.
    pub misses: u64,
    /// Their sizes; the same number when all sizes are one [bytes].
    pub miss_bytes: u64,
}

/// Accesses to objects with dense ids.
#[derive(Debug, Clone, Copy)]
pub struct Accesses<'a> {
    /// Object of each access.
    pub ids: &'a [u32],
    /// Size of each access's object [bytes], `None` when each counts as one.
    pub sizes: Option<&'a [u64]>,
}

/// Replay accesses through one cache.
///
/// `on_access` is told of each access whether it was a hit. `None` when no policy has that name.
pub fn replay_cache(
    policy: &str,
    accesses: Accesses<'_>,
    capacity: u64,
    mut on_access: impl FnMut(bool),
) -> Option<Misses> {
    let on_access = &mut on_access;
    Some(match policy {
        "belady" => {
            let mut belady = Belady::knowing(accesses.ids);
            sized(&mut belady, accesses, capacity, on_access, Belady::advance_to)
        }
        "fifo" => sized(&mut Fifo::default(), accesses, capacity, on_access, |_, _| {}),
        "lfu" => sized(&mut Lfu::default(), accesses, capacity, on_access, |_, _| {}),
        "lru" => sized(&mut Lru::default(), accesses, capacity, on_access, |_, _| {}),
        "pinned" => sized(&mut Pinned::default(), accesses, capacity, on_access, |_, _| {}),
        "sieve" => sized(&mut Sieve::default(), accesses, capacity, on_access, |_, _| {}),
        "upstream" => sized(&mut Upstream::default(), accesses, capacity, on_access, |_, _| {}),
        _ => return None,
    })
}

/// Number of different objects accessed since the last access to the same object, itself included: an LRU cache of at
/// least so many objects hits. `FIRST_ACCESS` where there was none.
///
/// A Fenwick tree over positions counts the last accesses after a position: n log n. Source: Bennett and Kruskal, 1975.
pub fn lru_stack_distances(ids: &[u32]) -> Vec<i64> {
    let mut last = vec![usize::MAX; object_count(ids)];
    let mut marks = Fenwick(vec![0; ids.len() + 1]);
    let mut different = 0;
    let mut distances = Vec::with_capacity(ids.len());
    for (position, &id) in ids.iter().enumerate() {
        let before = std::mem::replace(&mut last[id as usize], position);
        if before == usize::MAX {
            different += 1;
            distances.push(FIRST_ACCESS);
        } else {
            // all last accesses but those before this object's own
            distances.push(different - i64::from(marks.sum_before(before)));
            marks.add(before, -1);
        }
        marks.add(position, 1);
    }
    distances
}

fn object_count(ids: &[u32]) -> usize {
    ids.iter().max().map_or(0, |&id| id as usize + 1)
}

fn sized<P: Eviction>(
    policy: &mut P,
    accesses: Accesses<'_>,
    capacity: u64,
    on_access: &mut impl FnMut(bool),
    advance: impl Fn(&mut P, usize),
) -> Misses {
    match accesses.sizes {
        None => run(policy, accesses.ids, &mut Units, capacity, on_access, advance),
        Some(of_access) => {
            let mut sizes = Bytes {
                of_access,
                kept: vec![0; object_count(accesses.ids)],
            };
            run(policy, accesses.ids, &mut sizes, capacity, on_access, advance)
        }
    }
}

fn run<P: Eviction, S: Sizes>(
    policy: &mut P,
    ids: &[u32],
    sizes: &mut S,
    capacity: u64,
    on_access: &mut impl FnMut(bool),
    advance: impl Fn(&mut P, usize),
) -> Misses {
    let mut is_held = vec![false; object_count(ids)];
    let mut used = 0;
    let mut counted = Misses::default();
    for (access, &id) in ids.iter().enumerate() {
        advance(policy, access);
        let size = sizes.of(access);
        // no time passes, and nothing is known of an object but its size
        let asked = Asked {
            bytes: size,
            ..Asked::default()
        };
        policy.asked(id, &asked);
        let is_hit = is_held[id as usize];
        on_access(is_hit);
        if is_hit {
            policy.touch(id);
            continue;
        }
        counted.misses += 1;
        counted.miss_bytes += size;
        if size > capacity {
            continue;
        }
        while used + size > capacity {
            let Some(victim) = policy.victim() else { break };
            policy.remove(victim);
            is_held[victim as usize] = false;
            used -= sizes.kept(victim);
        }
        if used + size <= capacity {
            used += size;
            sizes.keep(id, size);
            is_held[id as usize] = true;
            policy.insert(id);
        }
    }
    counted
}

/// Sizes known at compile time to be one cost nothing.
trait Sizes {
    fn of(&self, access: usize) -> u64;
    fn keep(&mut self, id: u32, size: u64);
    fn kept(&self, id: u32) -> u64;
}

struct Units;

impl Sizes for Units {
    #[inline]
    fn of(&self, _access: usize) -> u64 {
        1
    }

    #[inline]
    fn keep(&mut self, _id: u32, _size: u64) {}

    #[inline]
    fn kept(&self, _id: u32) -> u64 {
        1
    }
}

struct Bytes<'a> {
    of_access: &'a [u64],
    /// Size with which an object was admitted.
    kept: Vec<u64>,
}

impl Sizes for Bytes<'_> {
    #[inline]
    fn of(&self, access: usize) -> u64 {
        self.of_access[access]
    }

    #[inline]
    fn keep(&mut self, id: u32, size: u64) {
        self.kept[id as usize] = size;
    }

    #[inline]
    fn kept(&self, id: u32) -> u64 {
        self.kept[id as usize]
    }
}

/// Prefix sums under point updates.
struct Fenwick(Vec<i32>);

impl Fenwick {
    fn add(&mut self, position: usize, amount: i32) {
        let mut node = position + 1;
        while node < self.0.len() {
            self.0[node] += amount;
            node += node & node.wrapping_neg();
        }
    }

    /// Sum of the positions below.
    fn sum_before(&self, position: usize) -> i32 {
        let mut node = position;
        let mut sum = 0;
        while node > 0 {
            sum += self.0[node];
            node &= node - 1;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use mlopt_core::eviction::POLICIES;

    use super::*;

    const IDS: &[u32] = &[0, 1, 2, 0, 1, 3, 0, 2, 1, 3];

    #[test]
    fn every_registered_policy_can_be_replayed() {
        for policy in POLICIES {
            let accesses = Accesses {
                ids: IDS,
                sizes: None,
            };
            let counted = replay_cache(policy.name, accesses, 2, |_| {}).expect(policy.name);
            assert!((4..=10).contains(&counted.misses), "{}: {counted:?}", policy.name);
        }
    }

    #[test]
    fn stack_distances_are_the_miss_curve_of_lru() {
        let distances = lru_stack_distances(IDS);
        assert_eq!(distances[3], 3);
        for capacity in 1..=4_u64 {
            let hits = distances
                .iter()
                .filter(|&&distance| distance != FIRST_ACCESS && distance <= capacity as i64)
                .count();
            let accesses = Accesses {
                ids: IDS,
                sizes: None,
            };
            let counted = replay_cache("lru", accesses, capacity, |_| {}).expect("lru is there");
            assert_eq!(counted.misses, (IDS.len() - hits) as u64);
        }
    }

    #[test]
    fn an_object_larger_than_the_cache_is_never_admitted() {
        let accesses = Accesses {
            ids: &[0, 1, 0, 1],
            sizes: Some(&[5, 11, 5, 11]),
        };
        let counted = replay_cache("lru", accesses, 10, |_| {}).expect("lru is there");
        assert_eq!((counted.misses, counted.miss_bytes), (3, 27));
    }
}
