//! Read-ahead within a file, per reader. Source: the on-demand read-ahead of Fengguang, Hongsheng and Chenfeng, 2008.
//!
//! The window starts at two blocks, or as told, grows each time the reader enters a new block, by default to twice its size,
//! and ends at `window_bytes`. A jump starts it anew, so that random reads fetch nothing ahead but the first guess at offset 0.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::window::Growth;
use super::{BlockRef, Prefetcher, SeenRead};
use crate::action::PrefetchAction;
use crate::catalog::Catalog;
use crate::{FileId, ReaderId};

const FIRST_WINDOW_BLOCKS: u64 = 2;
/// Readers that are followed at once; the longest idle one is forgotten.
const MOST_CURSORS: usize = 4096;

struct Cursor {
    next_offset: u64,
    block: u32,
    /// How far ahead [bytes]; 0 before the first read in order.
    window: u64,
    /// First block not yet asked for.
    issued: u32,
    target: u32,
    queued: bool,
}

/// Follows readers through files.
pub struct Sequential {
    growth: Growth,
    cursors: FxHashMap<(FileId, ReaderId), Cursor>,
    active: VecDeque<(FileId, ReaderId)>,
}

impl Sequential {
    /// Start following with the action's window.
    pub fn new(action: &PrefetchAction) -> Sequential {
        Sequential {
            growth: Growth {
                first_bytes: action.first_window_bytes,
                factor: action.growth,
                most_bytes: action.window_bytes,
            },
            cursors: FxHashMap::default(),
            active: VecDeque::new(),
        }
    }
}

impl Prefetcher for Sequential {
    fn read(&mut self, read: &SeenRead, catalog: &Catalog) {
        let block_bytes = catalog.block_bytes();
        let blocks = catalog.block_count(read.file);
        if blocks < 2 {
            return;
        }
        if self.cursors.len() >= MOST_CURSORS {
            self.cursors.clear();
            self.active.clear();
        }
        let key = (read.file, read.reader);
        let growth = self.growth;
        let block = ((read.end - 1) / block_bytes) as u32;
        let cursor = self.cursors.entry(key).or_insert(Cursor {
            next_offset: 0,
            block: 0,
            window: 0,
            issued: 0,
            target: 0,
            queued: false,
        });
        // Kernel read-ahead may ask a little out of order: up to one block back or ahead is still the same stream.
        let is_next =
            read.offset <= cursor.next_offset + block_bytes && read.end + block_bytes > cursor.next_offset;
        if !is_next {
            (cursor.window, cursor.issued, cursor.target) = (0, 0, 0);
        }
        // a jump to the start is another pass, which begins as the first one did
        if cursor.window == 0 && (is_next || read.offset == 0) {
            cursor.window = growth.start(FIRST_WINDOW_BLOCKS * block_bytes);
        } else if is_next && block > cursor.block {
            cursor.window = growth.grown(cursor.window);
        }
        cursor.next_offset = read.end.max(if is_next { cursor.next_offset } else { 0 });
        cursor.block = block;
        cursor.issued = cursor.issued.max(block + 1);
        let ahead = cursor.window.div_ceil(block_bytes) as u32;
        cursor.target = (block + 1).saturating_add(ahead).min(blocks);
        if block + 1 >= blocks {
            self.cursors.remove(&key);
        } else if cursor.issued < cursor.target && !cursor.queued {
            cursor.queued = true;
            self.active.push_back(key);
        }
    }

    fn next(&mut self, catalog: &Catalog) -> Option<BlockRef> {
        while let Some(&key) = self.active.front() {
            if let Some(cursor) = self.cursors.get_mut(&key) {
                while cursor.issued < cursor.target {
                    let wanted = BlockRef {
                        file: key.0,
                        index: cursor.issued,
                    };
                    cursor.issued += 1;
                    if catalog.is_absent(wanted) {
                        // readers take turns, so that one long window does not starve the others
                        self.active.rotate_left(1);
                        return Some(wanted);
                    }
                }
                cursor.queued = false;
            }
            self.active.pop_front();
        }
        None
    }
}
