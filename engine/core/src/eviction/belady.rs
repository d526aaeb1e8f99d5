//! The block whose next read is farthest in the future. Source: Belady, IBM Systems Journal 5(2), 1966.
//!
//! A heap with stale entries: each read pushes the block's new next use, and outdated entries are skipped when they
//! surface. That is one push per read and log n per eviction, where an ordered set would pay two removals per read.

use std::collections::BinaryHeap;

use super::{Eviction, NO_NEXT_USE, Slot};

/// Not in the cache.
const OUT: u64 = u64::MAX - 1;

/// Evicts by the future, which somebody must reveal.
#[derive(Debug, Default)]
pub struct Belady {
    /// Next use of each block in the cache, `OUT` for others.
    next_use: Vec<u64>,
    /// What `foresee` said of a block.
    foreseen: Vec<u64>,
    farthest: BinaryHeap<(u64, Slot)>,
}

impl Belady {
    fn note(&mut self, slot: Slot) {
        let index = slot as usize;
        if index >= self.next_use.len() {
            self.next_use.resize(index + 1, OUT);
        }
        let next = self.foreseen.get(index).copied().unwrap_or(NO_NEXT_USE);
        self.next_use[index] = next;
        self.farthest.push((next, slot));
    }
}

impl Eviction for Belady {
    fn insert(&mut self, slot: Slot) {
        self.note(slot);
    }

    fn touch(&mut self, slot: Slot) {
        self.note(slot);
    }

    fn remove(&mut self, slot: Slot) {
        self.next_use[slot as usize] = OUT;
    }

    fn victim(&mut self) -> Option<Slot> {
        while let Some(&(next, slot)) = self.farthest.peek() {
            if self.next_use[slot as usize] == next {
                return Some(slot);
            }
            self.farthest.pop();
        }
        None
    }

    fn foresee(&mut self, slot: Slot, next_use: u64) {
        let index = slot as usize;
        if index >= self.foreseen.len() {
            self.foreseen.resize(index + 1, NO_NEXT_USE);
        }
        self.foreseen[index] = next_use;
    }
}
