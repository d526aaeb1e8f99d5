//! A doubly linked list over dense slots, in two arrays. Absent: allocation per element.

use super::Slot;

const NONE: Slot = Slot::MAX;

/// Slots in the order of their coming; the head came first.
#[derive(Debug)]
pub struct SlotList {
    links: Vec<(Slot, Slot)>,
    head: Slot,
    tail: Slot,
}

impl Default for SlotList {
    fn default() -> SlotList {
        SlotList {
            links: Vec::new(),
            head: NONE,
            tail: NONE,
        }
    }
}

impl SlotList {
    /// Append a slot that is not in the list.
    #[inline]
    pub fn push_back(&mut self, slot: Slot) {
        let index = slot as usize;
        if index >= self.links.len() {
            self.links.resize(index + 1, (NONE, NONE));
        }
        self.links[index] = (self.tail, NONE);
        match self.tail {
            NONE => self.head = slot,
            tail => self.links[tail as usize].1 = slot,
        }
        self.tail = slot;
    }

    /// Take out a slot that is in the list.
    #[inline]
    pub fn remove(&mut self, slot: Slot) {
        let (before, after) = self.links[slot as usize];
        match before {
            NONE => self.head = after,
            before => self.links[before as usize].1 = after,
        }
        match after {
            NONE => self.tail = before,
            after => self.links[after as usize].0 = before,
        }
    }

    /// The slot that came first.
    #[inline]
    pub fn front(&self) -> Option<Slot> {
        (self.head != NONE).then_some(self.head)
    }

    /// Whether the slot came last.
    #[inline]
    pub fn is_back(&self, slot: Slot) -> bool {
        self.tail == slot
    }
}
