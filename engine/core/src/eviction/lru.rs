//! Least recently used. Source: the stack algorithm of Mattson et al., IBM Systems Journal 9(2), 1970.
//!
//! Under shuffled epochs at cache share c its hit ratio is c + (1-c) ln(1-c): .15 at c = .5, where pinning has .50.

use super::list::SlotList;
use super::{Eviction, Slot};

/// Evicts the block that was read longest ago.
#[derive(Debug, Default)]
pub struct Lru {
    order: SlotList,
}

impl Eviction for Lru {
    #[inline]
    fn insert(&mut self, slot: Slot) {
        self.order.push_back(slot);
    }

    #[inline]
    fn touch(&mut self, slot: Slot) {
        if !self.order.is_back(slot) {
            self.order.remove(slot);
            self.order.push_back(slot);
        }
    }

    #[inline]
    fn remove(&mut self, slot: Slot) {
        self.order.remove(slot);
    }

    #[inline]
    fn victim(&mut self) -> Option<Slot> {
        self.order.front()
    }
}
