//! Blocks that leave a class when their time is over, counted from their fetch. Absent: why else blocks leave.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::Nanos;
use crate::eviction::Slot;

/// When the blocks of one class are due; all stay equally long, so the first to come is the first to go.
#[derive(Debug)]
pub(crate) struct Retention {
    stay_ns: u64,
    due: VecDeque<(Nanos, Slot)>,
    /// The latest due time of each block that is in: what left early or came again has older entries in the queue.
    of: FxHashMap<Slot, Nanos>,
}

impl Retention {
    /// Blocks stay so long [ns].
    pub(crate) fn new(stay_ns: u64) -> Retention {
        Retention {
            stay_ns,
            due: VecDeque::new(),
            of: FxHashMap::default(),
        }
    }

    /// A block entered the class.
    pub(crate) fn entered(&mut self, slot: Slot, now: Nanos) {
        let due = Nanos(now.0.saturating_add(self.stay_ns));
        self.of.insert(slot, due);
        self.due.push_back((due, slot));
    }

    /// A block left the class.
    pub(crate) fn left(&mut self, slot: Slot) {
        self.of.remove(&slot);
        while self.due.front().is_some_and(|entry| !self.is_current(entry)) {
            self.due.pop_front();
        }
    }

    fn is_current(&self, (due, slot): &(Nanos, Slot)) -> bool {
        self.of.get(slot) == Some(due)
    }

    /// When the next block is due.
    pub(crate) fn next_due(&self) -> Option<Nanos> {
        self.due.front().map(|(due, _)| *due)
    }

    /// A block whose time is over; asked again until there is none.
    pub(crate) fn over(&self, now: Nanos) -> Option<Slot> {
        let (due, slot) = self.due.front()?;
        (*due <= now).then_some(*slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_due_in_the_order_of_their_last_coming() {
        let mut retention = Retention::new(10);
        retention.entered(1, Nanos(0));
        retention.entered(2, Nanos(3));
        retention.left(1);
        retention.entered(1, Nanos(5));
        assert_eq!(
            (retention.next_due(), retention.over(Nanos(12))),
            (Some(Nanos(13)), None)
        );
        assert_eq!(retention.over(Nanos(13)), Some(2));
        retention.left(2);
        assert_eq!(
            (retention.next_due(), retention.over(Nanos(15))),
            (Some(Nanos(15)), Some(1))
        );
        retention.left(1);
        assert_eq!((retention.next_due(), retention.due.len()), (None, 0));
    }
}
