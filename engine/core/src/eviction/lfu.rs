//! Least frequently used, among what is in. Source: the O(1) lists of Shah, Mitra and Matani, 2010; counts start anew
//! when a block comes again, and blocks of one count leave in the order in which they reached it.
//!
//! It does not age: a block that was read often stays until others were read as often. In shuffled epochs at cache share
//! c = .5 it hits .15 in the second, as LRU does, then .24, .29, .32 ... towards c: each epoch some more blocks are kept for
//! good. For a job whose favourites change `sieve` forgets them.

use super::list::SlotList;
use super::{Eviction, Slot};

const NONE: u32 = u32::MAX;

/// Blocks of one count; they are neighbours in the order.
#[derive(Debug, Clone, Copy)]
struct Group {
    count: u32,
    /// Its last block.
    last: Slot,
    /// The groups of the next lower and higher count.
    lower: u32,
    higher: u32,
}

/// Evicts the block that was read least often since it came.
#[derive(Debug, Default)]
pub struct Lfu {
    /// All blocks by count, those of one count in the order in which they reached it.
    order: SlotList,
    /// The group of each block that is in.
    group_of: Vec<u32>,
    groups: Vec<Group>,
    /// Groups that are empty and can be taken again.
    free: Vec<u32>,
    /// Where the group of count 1 is, if some block has it.
    once: Option<u32>,
}

impl Lfu {
    /// Take a block out of its group and out of the order; a group that gets empty goes.
    #[inline]
    fn take_out(&mut self, slot: Slot) {
        let number = self.group_of[slot as usize];
        let group = self.groups[number as usize];
        if group.last == slot {
            match self.order.before(slot) {
                Some(before) if self.group_of[before as usize] == number => {
                    self.groups[number as usize].last = before;
                }
                _ => self.unlink(number, group),
            }
        }
        self.order.remove(slot);
    }

    fn unlink(&mut self, number: u32, group: Group) {
        if group.lower != NONE {
            self.groups[group.lower as usize].higher = group.higher;
        }
        if group.higher != NONE {
            self.groups[group.higher as usize].lower = group.lower;
        }
        if group.count == 1 {
            self.once = None;
        }
        self.free.push(number);
    }

    /// Make a group between two others.
    fn link(&mut self, group: Group) -> u32 {
        let number = self.free.pop().unwrap_or(self.groups.len() as u32);
        if number as usize == self.groups.len() {
            self.groups.push(group);
        } else {
            self.groups[number as usize] = group;
        }
        if group.lower != NONE {
            self.groups[group.lower as usize].higher = number;
        }
        if group.higher != NONE {
            self.groups[group.higher as usize].lower = number;
        }
        number
    }

    /// Put a block behind the last of a group.
    #[inline]
    fn join(&mut self, slot: Slot, number: u32) {
        let last = std::mem::replace(&mut self.groups[number as usize].last, slot);
        self.order.insert_behind(last, slot);
        self.group_of[slot as usize] = number;
    }
}

impl Eviction for Lfu {
    #[inline]
    fn insert(&mut self, slot: Slot) {
        let index = slot as usize;
        if index >= self.group_of.len() {
            self.group_of.resize(index + 1, NONE);
        }
        if let Some(number) = self.once {
            self.join(slot, number);
            return;
        }
        let higher = self
            .order
            .front()
            .map_or(NONE, |first| self.group_of[first as usize]);
        let number = self.link(Group {
            count: 1,
            last: slot,
            lower: NONE,
            higher,
        });
        self.order.push_front(slot);
        self.group_of[index] = number;
        self.once = Some(number);
    }

    #[inline]
    fn touch(&mut self, slot: Slot) {
        let number = self.group_of[slot as usize];
        let group = self.groups[number as usize];
        let count = group.count.saturating_add(1);
        let higher = group.higher;
        if higher != NONE && self.groups[higher as usize].count == count {
            self.take_out(slot);
            self.join(slot, higher);
            return;
        }
        let before = self.order.before(slot);
        let is_first = before.is_none_or(|before| self.group_of[before as usize] != number);
        if is_first && group.last == slot {
            // alone with its count, and nobody has the next one: it takes its group along
            self.groups[number as usize].count = count;
            if group.count == 1 {
                self.once = None;
            }
            return;
        }
        self.take_out(slot);
        let last = self.groups[number as usize].last;
        self.order.insert_behind(last, slot);
        self.group_of[slot as usize] = self.link(Group {
            count,
            last: slot,
            lower: number,
            higher,
        });
    }

    #[inline]
    fn remove(&mut self, slot: Slot) {
        self.take_out(slot);
    }

    #[inline]
    fn victim(&mut self) -> Option<Slot> {
        self.order.front()
    }
}
