//! A doubly linked list over dense slots, in two arrays. Absent: allocation per element.

use super::Slot;

const NONE: Slot = Slot::MAX;

/// Slots in the order of their coming, unless one was put elsewhere; the head came first.
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

    /// Prepend a slot that is not in the list.
    #[inline]
    pub fn push_front(&mut self, slot: Slot) {
        match self.head {
            NONE => self.push_back(slot),
            head => self.insert_between(NONE, slot, head),
        }
    }

    /// Put a slot that is not in the list behind one that is.
    #[inline]
    pub fn insert_behind(&mut self, before: Slot, slot: Slot) {
        match self.links[before as usize].1 {
            NONE => self.push_back(slot),
            after => self.insert_between(before, slot, after),
        }
    }

    /// Put a slot before one that is in the list; what it comes behind, if anything, is in too.
    #[inline]
    fn insert_between(&mut self, before: Slot, slot: Slot, after: Slot) {
        let index = slot as usize;
        if index >= self.links.len() {
            self.links.resize(index + 1, (NONE, NONE));
        }
        self.links[index] = (before, after);
        self.links[after as usize].0 = slot;
        match before {
            NONE => self.head = slot,
            before => self.links[before as usize].1 = slot,
        }
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

    /// The slot before one that is in the list.
    #[inline]
    pub fn before(&self, slot: Slot) -> Option<Slot> {
        let before = self.links[slot as usize].0;
        (before != NONE).then_some(before)
    }

    /// The slot behind one that is in the list.
    #[inline]
    pub fn behind(&self, slot: Slot) -> Option<Slot> {
        let behind = self.links[slot as usize].1;
        (behind != NONE).then_some(behind)
    }

    /// The slot that came last.
    #[inline]
    pub fn back(&self) -> Option<Slot> {
        (self.tail != NONE).then_some(self.tail)
    }

    /// Whether the slot came last.
    #[inline]
    pub fn is_back(&self, slot: Slot) -> bool {
        self.tail == slot
    }
}
