//! No eviction: what came first stays. Source: MinIO in Mohan et al., "Analyzing and mitigating data stalls in DNN
//! training", VLDB 14(5), 2021.
//!
//! Under shuffled epochs a block is read once per epoch, so no demand policy can have a hit ratio above the share c of the
//! data that fits; pinning has it.

use super::list::SlotList;
use super::{Eviction, Slot};

/// Never evicts; to a class of higher priority the block gives way that came last.
#[derive(Debug, Default)]
pub struct Pinned {
    order: SlotList,
}

impl Eviction for Pinned {
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
        None
    }

    #[inline]
    fn yields(&mut self) -> Option<Slot> {
        self.order.back()
    }
}
