//! SIEVE: a queue that is swept for blocks that were not read since the last sweep. Source: Zhang et al., "SIEVE is simpler
//! than LRU", NSDI 2024.
//!
//! A hit sets one bit and moves nothing; what is read once leaves early, as in FIFO, and what is read again stays.

use super::list::SlotList;
use super::{Eviction, Slot};

/// Evicts the first block from its hand on that was not read since the hand passed.
#[derive(Debug, Default)]
pub struct Sieve {
    order: SlotList,
    was_read: Vec<bool>,
    /// Where the next sweep begins; at the oldest block where it is none.
    hand: Option<Slot>,
}

impl Eviction for Sieve {
    #[inline]
    fn insert(&mut self, slot: Slot) {
        let index = slot as usize;
        if index >= self.was_read.len() {
            self.was_read.resize(index + 1, false);
        }
        self.was_read[index] = false;
        self.order.push_back(slot);
    }

    #[inline]
    fn touch(&mut self, slot: Slot) {
        self.was_read[slot as usize] = true;
    }

    #[inline]
    fn remove(&mut self, slot: Slot) {
        if self.hand == Some(slot) {
            self.hand = self.order.behind(slot);
        }
        self.order.remove(slot);
    }

    #[inline]
    fn victim(&mut self) -> Option<Slot> {
        let mut slot = self.hand.or_else(|| self.order.front())?;
        while std::mem::take(&mut self.was_read[slot as usize]) {
            slot = self.order.behind(slot).or_else(|| self.order.front())?;
        }
        self.hand = Some(slot);
        Some(slot)
    }
}
