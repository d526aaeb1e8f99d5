//! The order of fetches that wait: by class, then in proportion to weight. One queue for core and drivers alike, so that
//! simulation and mount take the same fetch first. Absent: what waits, and for what (room, a thread, a slot).
//!
//! Within a class this is start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996): each weight is a flow, a fetch
//! starts where its flow's last one ended in virtual time, and takes its bytes divided by the weight. Equal weights
//! give first in, first out.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::action::{PrioritizeAction, PriorityClass};

/// Virtual time of one byte at weight 1: enough that large weights do not round to nothing.
const SCALE: u64 = 10_000;

/// How urgent a fetch is among those of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Priority {
    /// Strictly one class after the other.
    pub class: PriorityClass,
    /// Share within the class.
    pub weight: u32,
}

impl Default for Priority {
    fn default() -> Priority {
        Priority::from(&PrioritizeAction::default())
    }
}

impl From<&PrioritizeAction> for Priority {
    fn from(action: &PrioritizeAction) -> Priority {
        Priority {
            class: action.class,
            weight: action.weight.max(1),
        }
    }
}

/// Place of an item: class, start in virtual time, number of its coming.
type Key = (PriorityClass, u64, u64);

/// Items in the order in which they are to be taken.
#[derive(Debug)]
pub struct FairQueue<T> {
    items: BTreeMap<Key, T>,
    /// Where each flow's last item ends in virtual time.
    ends: FxHashMap<Priority, u64>,
    /// Virtual time of each class: the start of the item taken last.
    times: [u64; PriorityClass::ALL.len()],
    count: u64,
}

impl<T> Default for FairQueue<T> {
    fn default() -> FairQueue<T> {
        FairQueue {
            items: BTreeMap::new(),
            ends: FxHashMap::default(),
            times: Default::default(),
            count: 0,
        }
    }
}

impl<T> FairQueue<T> {
    /// Add an item that will take so many bytes of the source.
    pub fn push(&mut self, priority: Priority, bytes: u64, item: T) {
        let end = self.ends.entry(priority).or_default();
        let start = (*end).max(self.times[priority.class as usize]);
        *end = start.saturating_add(bytes.saturating_mul(SCALE) / u64::from(priority.weight.max(1)));
        self.count += 1;
        self.items.insert((priority.class, start, self.count), item);
    }

    /// The item that goes next.
    pub fn first(&self) -> Option<&T> {
        self.items.first_key_value().map(|(_, item)| item)
    }

    /// Take the item that goes next.
    pub fn pop(&mut self) -> Option<T> {
        self.take(|_| true)
    }

    /// Take the first item that may go now.
    pub fn take(&mut self, may_go: impl Fn(&T) -> bool) -> Option<T> {
        let key = *self.items.iter().find(|(_, item)| may_go(item))?.0;
        self.times[key.0 as usize] = self.times[key.0 as usize].max(key.1);
        self.remove_key(key)
    }

    /// Take out an item that is no longer wanted.
    pub fn remove(&mut self, is_meant: impl Fn(&T) -> bool) -> Option<T> {
        let key = *self.items.iter().find(|(_, item)| is_meant(item))?.0;
        self.remove_key(key)
    }

    fn remove_key(&mut self, key: Key) -> Option<T> {
        let item = self.items.remove(&key);
        if self.items.is_empty() {
            // nobody waits, so nobody is behind: virtual time starts anew and cannot run out
            self.ends.clear();
            self.times = Default::default();
        }
        item
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priority(class: PriorityClass, weight: u32) -> Priority {
        Priority { class, weight }
    }

    #[test]
    fn equal_priorities_leave_as_they_came_whatever_their_bytes() {
        let mut queue = FairQueue::default();
        for (number, bytes) in [5_000_000, 1, 70].into_iter().enumerate() {
            queue.push(Priority::default(), bytes, number);
        }
        assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_class_goes_before_all_of_the_next() {
        let mut queue = FairQueue::default();
        queue.push(priority(PriorityClass::Background, 10_000), 1, "background");
        queue.push(priority(PriorityClass::Normal, 1), 1, "normal");
        queue.push(priority(PriorityClass::Realtime, 1), 1 << 30, "realtime");
        assert_eq!(queue.first(), Some(&"realtime"));
        assert_eq!(
            std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(),
            ["realtime", "normal", "background"]
        );
    }

    #[test]
    fn weights_share_in_proportion_and_nobody_starves() {
        let mut queue = FairQueue::default();
        for _ in 0..400 {
            queue.push(priority(PriorityClass::Normal, 300), 1 << 20, "heavy");
            queue.push(priority(PriorityClass::Normal, 100), 1 << 20, "light");
        }
        let first: Vec<_> = (0..100).filter_map(|_| queue.pop()).collect();
        assert_eq!(first.iter().filter(|name| **name == "heavy").count(), 75);
        // who comes late joins at the present, and does not take back what it did not ask for
        queue.push(priority(PriorityClass::Normal, 100), 1 << 20, "light");
        let next: Vec<_> = (0..40).filter_map(|_| queue.pop()).collect();
        assert_eq!(next.iter().filter(|name| **name == "heavy").count(), 30);
    }

    #[test]
    fn what_may_not_go_is_passed_over() {
        let mut queue = FairQueue::default();
        queue.push(Priority::default(), 1, 1);
        queue.push(Priority::default(), 1, 2);
        assert_eq!(queue.take(|item| *item == 2), Some(2));
        assert_eq!(queue.take(|item| *item == 2), None);
        assert_eq!((queue.len(), queue.pop(), queue.is_empty()), (1, Some(1), true));
    }
}
