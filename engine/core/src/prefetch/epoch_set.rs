//! Whatever of the class was not read in this epoch: for shuffled epochs, whose order nobody knows.
//!
//! Every member is read once per epoch, so any not yet read is worth fetching now. A staged share k beside a held share p
//! gives the hit ratio p + k (1 + ln((1-p)/k)), above the bound p + k of every demand policy, for the same source bytes.
//! When all of this epoch's members are read, held or staged, the next epoch's are fetched: those that were read.
//! An epoch ends when all members that can be seen were read, or one that was read is read again.

use rustc_hash::FxHashMap;

use super::{BlockRef, Prefetcher, SeenRead};
use crate::FileId;
use crate::action::PrefetchAction;
use crate::catalog::Catalog;

/// Below this share of used fetches prefetching stops: the job reads only a part of the set, or something else.
const LEAST_ACCURACY: f64 = 0.7;
/// Outcomes before accuracy is judged.
const LEAST_OUTCOMES: u32 = 32;
/// A re-read ends an epoch only after this share of what an epoch read last time (ranks may share files), 1 / 16.
const LEAST_EPOCH: usize = 16;

#[derive(Default)]
struct Member {
    read_in: u32,
}

/// Fetches the unread rest of an epoch.
pub struct EpochSet {
    epoch: u32,
    members: Vec<FileId>,
    index: FxHashMap<FileId, Member>,
    read_count: usize,
    /// Files read in the epoch before; the size of the class at first.
    expected: usize,
    /// Members that were silently held when the epoch began.
    silent: usize,
    /// Position in `members` and block of the scan for this epoch, and of the one for the next.
    now: (usize, u32),
    following: (usize, u32),
    /// Blocks fetched and not yet known as used, with the epoch that asked for them.
    issued: FxHashMap<BlockRef, u32>,
    stale: Vec<BlockRef>,
    used: u32,
    wasted: u32,
}

impl EpochSet {
    /// Start with an empty class.
    pub fn new(_action: &PrefetchAction) -> EpochSet {
        EpochSet {
            epoch: 1,
            members: Vec::new(),
            index: FxHashMap::default(),
            read_count: 0,
            expected: 0,
            silent: 0,
            now: (0, 0),
            following: (0, 0),
            issued: FxHashMap::default(),
            stale: Vec::new(),
            used: 0,
            wasted: 0,
        }
    }

    fn end_epoch(&mut self, catalog: &Catalog) {
        self.silent = self
            .members
            .iter()
            .filter(|&&file| catalog.is_silent(file))
            .count();
        self.expected = self.read_count;
        self.read_count = 0;
        self.epoch += 1;
        self.now = (0, 0);
        self.following = (0, 0);
        // what was staged through a whole epoch without being read makes room for others
        let oldest = self.epoch.saturating_sub(2);
        let mut stale: Vec<BlockRef> = self
            .issued
            .iter()
            .filter(|&(_, &epoch)| epoch <= oldest)
            .map(|(&block, _)| block)
            .collect();
        stale.sort_unstable_by_key(|block| (block.file, block.index));
        self.stale = stale;
        // old outcomes fade, so that a class that was given up gets another chance
        self.used /= 2;
        self.wasted /= 2;
    }

    fn is_accurate(&self) -> bool {
        let outcomes = self.used + self.wasted;
        outcomes < LEAST_OUTCOMES || f64::from(self.used) >= LEAST_ACCURACY * f64::from(outcomes)
    }

    fn was_read(&self, file: FileId) -> bool {
        self.index
            .get(&file)
            .is_some_and(|member| member.read_in == self.epoch)
    }

    /// Walk on from `from` to the next absent block of a member that was read in this epoch or was not.
    fn scan(
        &self,
        mut from: (usize, u32),
        read: bool,
        catalog: &Catalog,
    ) -> ((usize, u32), Option<BlockRef>) {
        while let Some(&file) = self.members.get(from.0) {
            if self.was_read(file) != read || from.1 >= catalog.block_count(file) {
                from = (from.0 + 1, 0);
                continue;
            }
            let block = BlockRef { file, index: from.1 };
            from.1 += 1;
            if catalog.is_absent(block) {
                return (from, Some(block));
            }
        }
        (from, None)
    }
}

impl Prefetcher for EpochSet {
    fn member(&mut self, file: FileId) {
        self.members.push(file);
        self.index.insert(file, Member::default());
    }

    fn read(&mut self, read: &SeenRead, catalog: &Catalog) {
        if catalog.is_silent(read.file) {
            return; // a sentinel or a lost page: says nothing of the visible set
        }
        let again = read.offset == 0 && self.was_read(read.file);
        if again && self.read_count * LEAST_EPOCH >= self.expected.max(self.members.len()) {
            self.end_epoch(catalog);
        }
        let epoch = self.epoch;
        let Some(member) = self.index.get_mut(&read.file) else {
            return;
        };
        if member.read_in == epoch {
            return;
        }
        member.read_in = epoch;
        self.read_count += 1;
        for index in 0..catalog.block_count(read.file) {
            self.issued.remove(&BlockRef {
                file: read.file,
                index,
            });
        }
        // Files that were held when the epoch began are read in silence; what can be seen is the rest.
        if self.read_count + self.silent >= self.members.len() {
            self.end_epoch(catalog);
        }
    }

    fn next(&mut self, catalog: &Catalog) -> Option<BlockRef> {
        if self.read_count == 0 && self.epoch == 1 {
            return None; // nobody reads yet: the set may never be used
        }
        if !self.is_accurate() {
            return None;
        }
        let (now, found) = self.scan(self.now, false, catalog);
        self.now = now;
        let found = found.or_else(|| {
            let (following, found) = self.scan(self.following, true, catalog);
            self.following = following;
            found
        });
        if let Some(block) = found {
            self.issued.insert(block, self.epoch);
        }
        found
    }

    fn stale(&mut self, _catalog: &Catalog) -> Option<BlockRef> {
        let block = self.stale.pop()?;
        self.issued.remove(&block);
        Some(block)
    }

    fn outcome(&mut self, block: BlockRef, was_used: bool) {
        self.issued.remove(&block);
        if was_used {
            self.used += 1;
        } else {
            self.wasted += 1;
        }
    }
}
