//! The next files of a known order: hinted, or learned from the epoch before.
//!
//! Only reads that reach the daemon are seen, so the order holds the files that are not silently held; that is just the
//! set whose next members must be fetched.

use rustc_hash::FxHashMap;

use super::{BlockRef, Prefetcher, SeenRead};
use crate::FileId;
use crate::action::PrefetchAction;
use crate::catalog::Catalog;

/// Follows an order of files.
pub struct Sequence {
    files: usize,
    order: Vec<FileId>,
    position: FxHashMap<FileId, usize>,
    /// First reads of the running epoch, in their order.
    learning: Vec<FileId>,
    learned: FxHashMap<FileId, usize>,
    /// Position in `order` and block index of what to ask for next.
    next: (usize, u32),
    target: usize,
}

impl Sequence {
    /// Start without an order; look ahead by the action's `files`.
    pub fn new(action: &PrefetchAction) -> Sequence {
        Sequence {
            files: action.files as usize,
            order: Vec::new(),
            position: FxHashMap::default(),
            learning: Vec::new(),
            learned: FxHashMap::default(),
            next: (0, 0),
            target: 0,
        }
    }

    fn follow(&mut self, order: Vec<FileId>) {
        self.position = order
            .iter()
            .enumerate()
            .map(|(position, &file)| (file, position))
            .collect();
        self.order = order;
        self.next = (0, 0);
        self.target = self.files.min(self.order.len());
    }
}

impl Prefetcher for Sequence {
    fn must_see_reads(&self) -> bool {
        true
    }

    fn read(&mut self, read: &SeenRead, _catalog: &Catalog) {
        let starts = read.offset == 0;
        // A first byte read again begins a new epoch, unless it is only a neighbour being re-read.
        if starts && self.learned.contains_key(&read.file) && self.learning.len() > self.files {
            self.learned.clear();
            let order = std::mem::take(&mut self.learning);
            self.follow(order);
        }
        if let std::collections::hash_map::Entry::Vacant(entry) = self.learned.entry(read.file) {
            entry.insert(self.learning.len());
            self.learning.push(read.file);
        }
        if let Some(&position) = self.position.get(&read.file) {
            if position + 1 > self.next.0 {
                self.next = (position + 1, 0);
            }
            self.target = (position + 1 + self.files).min(self.order.len());
        }
    }

    fn hint(&mut self, files: &[FileId], _catalog: &Catalog) {
        self.learned.clear();
        self.learning.clear();
        self.follow(files.to_vec());
    }

    fn next(&mut self, catalog: &Catalog) -> Option<BlockRef> {
        while self.next.0 < self.target {
            let wanted = BlockRef {
                file: self.order[self.next.0],
                index: self.next.1,
            };
            if wanted.index >= catalog.block_count(wanted.file) {
                self.next = (self.next.0 + 1, 0);
                continue;
            }
            self.next.1 += 1;
            if catalog.is_absent(wanted) {
                return Some(wanted);
            }
        }
        None
    }
}
