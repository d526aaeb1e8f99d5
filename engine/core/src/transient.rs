//! Blocks that come and go, in the order of their coming. Absent: why they leave, and what happens then.
//!
//! A slot is in the queue at most once, so that the queue never outgrows the blocks however long a job runs; who left
//! meanwhile is skipped when its turn comes.

use std::collections::VecDeque;

use crate::eviction::Slot;

/// What became of a slot since it was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// No longer of this queue.
    Gone,
    /// Somebody waits for it.
    Needed,
    /// May leave.
    Free,
}

/// A queue of slots with lazy removal.
#[derive(Debug, Default)]
pub(crate) struct Transient {
    order: VecDeque<Slot>,
    is_queued: Vec<bool>,
}

impl Transient {
    /// Append a slot, unless it is in.
    pub(crate) fn push(&mut self, slot: Slot) {
        let index = slot as usize;
        if index >= self.is_queued.len() {
            self.is_queued.resize(index + 1, false);
        }
        if !std::mem::replace(&mut self.is_queued[index], true) {
            self.order.push_back(slot);
        }
    }

    /// Take out the oldest slot that may leave; those that somebody waits for go to the back.
    pub(crate) fn take(&mut self, standing: impl Fn(Slot) -> Standing) -> Option<Slot> {
        for _ in 0..self.order.len() {
            let slot = self.order.pop_front()?;
            match standing(slot) {
                Standing::Needed => self.order.push_back(slot),
                found => {
                    self.is_queued[slot as usize] = false;
                    if found == Standing::Free {
                        return Some(slot);
                    }
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_in_once_and_the_needed_stay() {
        let mut queue = Transient::default();
        for slot in [3, 1, 3, 2] {
            queue.push(slot);
        }
        let standing = |slot| match slot {
            3 => Standing::Needed,
            1 => Standing::Gone,
            _ => Standing::Free,
        };
        assert_eq!(queue.take(standing), Some(2));
        assert_eq!(queue.take(standing), None);
        assert_eq!(queue.take(|_| Standing::Free), Some(3));
        assert_eq!(queue.order.len(), 0);
    }
}
