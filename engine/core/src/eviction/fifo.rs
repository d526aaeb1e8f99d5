//! First in, first out. Needs to see no hit, so its blocks can be held in the kernel.
//!
//! Under shuffled epochs at cache share c <= 1 - 1/e its hit ratio is -c - ln(1-c): .19 at c = .5.

use super::list::SlotList;
use super::{Eviction, Slot};

/// Evicts the block that came first.
#[derive(Debug, Default)]
pub struct Fifo {
    order: SlotList,
}

impl Eviction for Fifo {
    #[inline]
    fn insert(&mut self, slot: Slot) {
        self.order.push_back(slot);
    }

    #[inline]
    fn touch(&mut self, _slot: Slot) {}

    #[inline]
    fn remove(&mut self, slot: Slot) {
        self.order.remove(slot);
    }

    #[inline]
    fn victim(&mut self) -> Option<Slot> {
        self.order.front()
    }
}
