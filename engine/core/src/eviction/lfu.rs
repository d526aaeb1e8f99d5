//! Least frequently used, among what is in. Source: the O(1) lists of Shah, Mitra and Matani, 2010; counts start anew
//! when a block comes again, and blocks of one count leave in the order in which they reached it.
//!
//! It does not age: a block that was read often stays until others were read as often. In shuffled epochs at cache share
//! c = .5 it hits .15 in the second, as LRU does, then .24, .29, .32 ... towards c: each epoch some more blocks are kept for
//! good. For a job whose favourites change `sieve` forgets them.

use rustc_hash::FxHashMap;

use super::list::SlotList;
use super::{Eviction, Slot};

/// Evicts the block that was read least often since it came.
#[derive(Debug, Default)]
pub struct Lfu {
    /// All blocks by count, those of one count in the order in which they reached it.
    order: SlotList,
    /// Reads of each block since it came.
    counts: Vec<u32>,
    /// The last block of each count, for counts that some block has.
    last: FxHashMap<u32, Slot>,
}

impl Lfu {
    /// Take a block out of its count's group; the order stays.
    #[inline]
    fn leave_group(&mut self, slot: Slot) {
        let count = self.counts[slot as usize];
        if self.last.get(&count) != Some(&slot) {
            return;
        }
        match self.order.before(slot) {
            Some(before) if self.counts[before as usize] == count => self.last.insert(count, before),
            _ => self.last.remove(&count),
        };
    }
}

impl Eviction for Lfu {
    #[inline]
    fn insert(&mut self, slot: Slot) {
        let index = slot as usize;
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] = 1;
        match self.last.insert(1, slot) {
            Some(last) => self.order.insert_behind(last, slot),
            None => self.order.push_front(slot),
        }
    }

    #[inline]
    fn touch(&mut self, slot: Slot) {
        let count = self.counts[slot as usize];
        let next = count.saturating_add(1);
        // behind the last of the next count, or of its own where nobody has the next one
        let behind = self.last.get(&next).or_else(|| self.last.get(&count)).copied();
        self.leave_group(slot);
        if let Some(behind) = behind.filter(|&behind| behind != slot) {
            self.order.remove(slot);
            self.order.insert_behind(behind, slot);
        }
        self.counts[slot as usize] = next;
        self.last.insert(next, slot);
    }

    #[inline]
    fn remove(&mut self, slot: Slot) {
        self.leave_group(slot);
        self.order.remove(slot);
    }

    #[inline]
    fn victim(&mut self) -> Option<Slot> {
        self.order.front()
    }
}
