//! Whatever of the class was not read in this epoch: for shuffled epochs, whose order nobody knows.
//!
//! Every member is read once per epoch, so any not yet read is worth fetching now. A staged share k beside a held share p
//! gives the hit ratio p + k (1 + ln((1-p)/k)), above the bound p + k of every demand policy, for the same source bytes.
//!
//! No epoch is ever detected. Members are fetched in the order of their last reads, the oldest first: within an epoch
//! those are just the members not yet read, and at its end the ones of the next epoch. Workers that drift apart, or an
//! epoch that nobody saw end, cannot turn that order round (a boundary guessed wrong once made half of all fetches waste).

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::{BlockRef, Prefetcher, SeenRead};
use crate::FileId;
use crate::action::PrefetchAction;
use crate::catalog::Catalog;
use crate::eviction::SlotList;

/// Below this share of used fetches prefetching stops: the job reads only a part of the set, or something else.
const LEAST_ACCURACY: f64 = 0.7;
/// Outcomes before accuracy is judged.
const LEAST_OUTCOMES: u32 = 32;
/// A staged block that was not read while this many times the visible set was read is waste, in halves: 3 / 2.
const STALE_HALVES: u64 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the queue: a candidate for fetching.
    Queued,
    /// Fetched, not yet read.
    Issued,
    /// Silently held, or fetched in vain: comes back with its next read that is seen.
    Aside,
}

/// Members that are left for later in one go because their bytes only pass through after a read. They stay candidates:
/// were they set aside, a set of which all passes at once would never be fetched ahead again.
const MOST_PASSED_BY: u32 = 16;

/// A block that was asked for.
#[derive(Debug, Clone, Copy)]
struct Issue {
    /// The count of reads then.
    at: u64,
    /// How many of them make it stale. By the visible set of then: in an epoch whose files fall silent as they are read,
    /// the set of now shrinks faster than its members come (two fetches in five were given up in vain).
    stale_at: u64,
    block: BlockRef,
}

/// Fetches the unread rest of an epoch.
pub struct EpochSet {
    files: Vec<FileId>,
    places: Vec<Place>,
    index: FxHashMap<FileId, u32>,
    /// Candidates, the one read longest ago first.
    queue: SlotList,
    queued: u64,
    /// The block of the queue's first member to ask for next.
    block: u32,
    /// First bytes of members that were seen to be read.
    reads: u64,
    /// Blocks fetched and not yet known as used, with the count of reads when they were asked for.
    issued: FxHashMap<BlockRef, u64>,
    oldest: VecDeque<Issue>,
    used: u32,
    wasted: u32,
    /// When old outcomes fade next [reads].
    fade_at: u64,
}

impl EpochSet {
    /// Start with an empty class.
    pub fn new(_action: &PrefetchAction) -> EpochSet {
        EpochSet {
            files: Vec::new(),
            places: Vec::new(),
            index: FxHashMap::default(),
            queue: SlotList::default(),
            queued: 0,
            block: 0,
            reads: 0,
            issued: FxHashMap::default(),
            oldest: VecDeque::new(),
            used: 0,
            wasted: 0,
            fade_at: 0,
        }
    }

    /// Members whose reads can be seen.
    fn visible(&self) -> u64 {
        self.queued + self.issued.len() as u64
    }

    fn is_accurate(&self) -> bool {
        let outcomes = self.used + self.wasted;
        outcomes < LEAST_OUTCOMES || f64::from(self.used) >= LEAST_ACCURACY * f64::from(outcomes)
    }

    fn take_first(&mut self, member: u32, place: Place) {
        self.queue.remove(member);
        self.queued -= 1;
        self.block = 0;
        self.places[member as usize] = place;
    }
}

impl Prefetcher for EpochSet {
    fn must_see_reads(&self) -> bool {
        true
    }

    fn member(&mut self, file: FileId) {
        let member = self.files.len() as u32;
        self.files.push(file);
        self.places.push(Place::Queued);
        self.index.insert(file, member);
        self.queue.push_back(member);
        self.queued += 1;
    }

    fn read(&mut self, read: &SeenRead, catalog: &Catalog) {
        let Some(&member) = self.index.get(&read.file) else {
            return;
        };
        if catalog.is_silent(read.file) || read.offset > 0 {
            return; // a sentinel, or the rest of a file whose beginning was seen
        }
        self.reads += 1;
        if self.places[member as usize] == Place::Queued {
            if self.queue.front() == Some(member) {
                self.block = 0;
            }
            self.queue.remove(member);
            self.queued -= 1;
        }
        self.places[member as usize] = Place::Queued;
        self.queue.push_back(member);
        self.queued += 1;
        if self.reads >= self.fade_at {
            // once per visible set: a class that was given up gets another chance
            self.fade_at = self.reads + self.visible().max(1);
            self.used /= 2;
            self.wasted /= 2;
        }
    }

    fn next(&mut self, catalog: &Catalog) -> Option<BlockRef> {
        if self.reads == 0 || !self.is_accurate() {
            return None; // nobody reads yet: the set may never be used
        }
        let mut passed_by = 0;
        while let Some(member) = self.queue.front() {
            let wanted = BlockRef {
                file: self.files[member as usize],
                index: self.block,
            };
            if wanted.index >= catalog.block_count(wanted.file) {
                // all its blocks were asked for, or there already
                let first = BlockRef { index: 0, ..wanted };
                if self.issued.contains_key(&first) {
                    self.take_first(member, Place::Issued);
                } else if wanted.index == 0 || catalog.is_resident(first) {
                    self.take_first(member, Place::Aside);
                } else if passed_by == MOST_PASSED_BY {
                    return None;
                } else {
                    passed_by += 1;
                    self.block = 0;
                    self.queue.remove(member);
                    self.queue.push_back(member);
                }
                continue;
            }
            self.block += 1;
            if catalog.is_absent(wanted) {
                self.issued.insert(wanted, self.reads);
                self.oldest.push_back(Issue {
                    at: self.reads,
                    stale_at: self.reads + (self.visible() * STALE_HALVES).div_ceil(2),
                    block: wanted,
                });
                return Some(wanted);
            }
        }
        None
    }

    fn stale(&mut self, _catalog: &Catalog) -> Option<BlockRef> {
        while let Some(&Issue { at, stale_at, block }) = self.oldest.front() {
            let is_outstanding = self.issued.get(&block) == Some(&at);
            if is_outstanding && self.reads < stale_at {
                return None;
            }
            self.oldest.pop_front();
            if is_outstanding {
                return Some(block);
            }
        }
        None
    }

    fn outcome(&mut self, block: BlockRef, was_used: bool) {
        self.issued.remove(&block);
        if was_used {
            self.used += 1;
        } else {
            self.wasted += 1;
            if let Some(&member) = self.index.get(&block.file)
                && self.places[member as usize] == Place::Issued
            {
                self.places[member as usize] = Place::Aside;
            }
        }
    }
}
