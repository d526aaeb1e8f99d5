//! Virtual time: a heap of events, first in time first, ties in the order in which they were made. Absent: what they mean.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// One event: when, and a small payload that the owner of the heap understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    time: u64,
    order: u32,
    payload: u32,
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        // reversed: BinaryHeap yields the greatest
        (other.time, other.order).cmp(&(self.time, self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Events of 16 bytes in order of virtual time.
#[derive(Debug, Default)]
pub struct Heap {
    entries: BinaryHeap<Entry>,
    order: u32,
}

impl Heap {
    /// Add an event at `time` [ns].
    pub fn push(&mut self, time: u64, payload: u32) {
        self.entries.push(Entry {
            time,
            order: self.order,
            payload,
        });
        self.order = self.order.wrapping_add(1);
    }

    /// Take the next event: its time [ns] and payload.
    pub fn pop(&mut self) -> Option<(u64, u32)> {
        self.entries.pop().map(|entry| (entry.time, entry.payload))
    }

    /// When the next event is due [ns]; `u64::MAX` when there is none.
    pub fn next_time(&self) -> u64 {
        self.entries.peek().map_or(u64::MAX, |entry| entry.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_then_in_the_order_they_were_made() {
        let mut heap = Heap::default();
        heap.push(5, 1);
        heap.push(3, 2);
        heap.push(5, 3);
        let taken: Vec<_> = std::iter::from_fn(|| heap.pop()).collect();
        assert_eq!(taken, [(3, 2), (5, 1), (5, 3)]);
    }
}
