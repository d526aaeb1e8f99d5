//! No eviction: what came first stays. Source: MinIO in Mohan et al., "Analyzing and mitigating data stalls in DNN
//! training", VLDB 14(5), 2021.
//!
//! Under shuffled epochs a block is read once per epoch, so no demand policy can have a hit ratio above the share c of the
//! data that fits; pinning has it.

use super::{Eviction, Slot};

/// Never evicts.
#[derive(Debug, Default)]
pub struct Pinned;

impl Eviction for Pinned {
    #[inline]
    fn insert(&mut self, _slot: Slot) {}

    #[inline]
    fn touch(&mut self, _slot: Slot) {}

    #[inline]
    fn remove(&mut self, _slot: Slot) {}

    #[inline]
    fn victim(&mut self) -> Option<Slot> {
        None
    }
}
