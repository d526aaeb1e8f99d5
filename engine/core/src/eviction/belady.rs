//! The block whose next read is farthest in the future. Source: Belady, IBM Systems Journal 5(2), 1966.
//!
//! No two blocks are read at one place of a sequence, so the blocks of the cache are a set of places at which they are
//! read next, and the one at the greatest must leave. Blocks that are not read again leave before all others; their
//! order among themselves changes no hit.

use super::positions::Positions;
use super::{Eviction, Slot};

/// Never used again, or unknown.
const NEVER: u32 = u32::MAX;
/// Not in the cache.
const OUT: u32 = NEVER - 1;

/// Evicts by the future: the whole sequence of reads. By default it knows none and no block is ever read again.
#[derive(Debug, Default)]
pub struct Belady<'a> {
    sequence: &'a [Slot],
    /// For each place of the sequence, where the same block is read next.
    next: Vec<u32>,
    now: usize,
    /// Next read of each block in the cache, `OUT` for others.
    planned: Vec<u32>,
    upcoming: Positions,
    /// The greatest of `upcoming` and its block: looked up when the one before leaves, because its place in the
    /// sequence is in no CPU cache, and a victim that nobody waits for costs nothing (an eighth of a replay's time).
    farthest: Option<(u32, Slot)>,
    /// Blocks that are not read again; entries of those that have left are stale.
    dead: Vec<Slot>,
}

impl<'a> Belady<'a> {
    /// A policy that knows this sequence of reads.
    ///
    /// # Panics
    /// From 2^32 - 2 reads on.
    pub fn knowing(sequence: &'a [Slot]) -> Belady<'a> {
        assert!(
            sequence.len() < OUT as usize,
            "a sequence of {} reads",
            sequence.len()
        );
        let slots = sequence.iter().max().map_or(0, |&slot| slot as usize + 1);
        let mut planned = vec![NEVER; slots];
        let mut next = vec![NEVER; sequence.len()];
        for (place, &slot) in sequence.iter().enumerate().rev() {
            next[place] = std::mem::replace(&mut planned[slot as usize], place as u32);
        }
        planned.fill(OUT);
        Belady {
            sequence,
            next,
            now: 0,
            planned,
            upcoming: Positions::below(sequence.len()),
            farthest: None,
            dead: Vec::new(),
        }
    }

    /// The following `insert` or `touch` is what stands at this place of the sequence.
    #[inline]
    pub fn advance_to(&mut self, place: usize) {
        self.now = place;
    }

    /// Whether the block at the current place is read once more.
    #[inline]
    pub fn is_read_again(&self) -> bool {
        self.next_use() != NEVER
    }

    #[inline]
    fn next_use(&self) -> u32 {
        self.next.get(self.now).copied().unwrap_or(NEVER)
    }

    #[inline]
    fn plan(&mut self, slot: Slot) {
        let next = self.next_use();
        self.planned[slot as usize] = next;
        if next == NEVER {
            self.dead.push(slot);
            return;
        }
        self.upcoming.insert(next);
        if self.farthest.is_none_or(|(place, _)| place < next) {
            self.farthest = Some((next, slot));
        }
    }

    #[inline]
    fn forget(&mut self, slot: Slot) {
        if let Some((place, farthest)) = self.farthest
            && farthest == slot
        {
            self.planned[slot as usize] = OUT;
            self.upcoming.remove(place);
            let next = self.upcoming.greatest();
            self.farthest = next.map(|place| (place, self.sequence[place as usize]));
            return;
        }
        let planned = std::mem::replace(&mut self.planned[slot as usize], OUT);
        if planned != NEVER {
            self.upcoming.remove(planned);
        }
    }
}

impl Eviction for Belady<'_> {
    #[inline]
    fn insert(&mut self, slot: Slot) {
        let index = slot as usize;
        if index >= self.planned.len() {
            self.planned.resize(index + 1, OUT);
        }
        self.plan(slot);
    }

    #[inline]
    fn touch(&mut self, slot: Slot) {
        if self.planned[slot as usize] != NEVER {
            self.forget(slot);
            self.plan(slot);
        }
    }

    #[inline]
    fn remove(&mut self, slot: Slot) {
        self.forget(slot);
    }

    #[inline]
    fn victim(&mut self) -> Option<Slot> {
        while let Some(&slot) = self.dead.last() {
            if self.planned[slot as usize] == NEVER {
                return Some(slot);
            }
            self.dead.pop();
        }
        self.farthest.map(|(_, slot)| slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_farthest_leaves_and_before_it_what_is_not_read_again() {
        // A B C D A B A: behind D, of A (4), B (5), C (never), D (never)
        let sequence = [0, 1, 2, 3, 0, 1, 0];
        let mut belady = Belady::knowing(&sequence);
        for (place, slot) in sequence.iter().enumerate().take(3) {
            belady.advance_to(place);
            belady.insert(*slot);
        }
        assert_eq!(belady.victim(), Some(2));
        belady.remove(2);
        assert_eq!(belady.victim(), Some(1));
        belady.advance_to(4);
        belady.touch(0); // next read at 6, behind B's at 5
        assert_eq!(belady.victim(), Some(0));
        belady.remove(0);
        belady.remove(1);
        assert_eq!(belady.victim(), None);
    }
}
