//! The rest of a file as soon as one byte of it is touched: for files that are always read to the end.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;

use super::{BlockRef, Prefetcher, SeenRead};
use crate::action::{PrefetchAction, Trigger};
use crate::catalog::Catalog;
use crate::{FileId, ReaderId};

/// Fetches whole files.
pub struct WholeFile {
    trigger: Trigger,
    wanted: VecDeque<BlockRef>,
    under_way: FxHashSet<FileId>,
}

impl WholeFile {
    /// Start with the action's trigger.
    pub fn new(action: &PrefetchAction) -> WholeFile {
        WholeFile {
            trigger: action.trigger,
            wanted: VecDeque::new(),
            under_way: FxHashSet::default(),
        }
    }

    fn want(&mut self, file: FileId, catalog: &Catalog) {
        if catalog.block_count(file) > 0 && self.under_way.insert(file) {
            self.wanted.push_back(BlockRef { file, index: 0 });
        }
    }
}

impl Prefetcher for WholeFile {
    fn opened(&mut self, file: FileId, _reader: ReaderId, catalog: &Catalog) {
        if self.trigger == Trigger::Open {
            self.want(file, catalog);
        }
    }

    fn read(&mut self, read: &SeenRead, catalog: &Catalog) {
        if self.trigger == Trigger::Read && catalog.block_count(read.file) > 1 {
            self.want(read.file, catalog);
        }
    }

    fn hint(&mut self, files: &[FileId], catalog: &Catalog) {
        for &file in files {
            self.want(file, catalog);
        }
    }

    fn next(&mut self, catalog: &Catalog) -> Option<BlockRef> {
        while let Some(wanted) = self.wanted.front_mut() {
            let block = *wanted;
            wanted.index += 1;
            if block.index >= catalog.block_count(block.file) {
                self.under_way.remove(&block.file);
                self.wanted.pop_front();
            } else if catalog.is_absent(block) {
                return Some(block);
            }
        }
        None
    }
}
