//! Parallel fetches ahead of each sequential reader: a window, whole from the start unless told otherwise, and so many blocks
//! under way at once.
//!
//! The window opens with the second read in a row, or with a first read at the start of the file; a jump closes it. What
//! is under way is counted in the catalog, block by block of the window, so that blocks of other origin count too.

use rustc_hash::FxHashMap;

use super::window::Growth;
use super::{BlockRef, Prefetcher, SeenRead};
use crate::action::StreamAction;
use crate::catalog::Catalog;
use crate::{FileId, ReaderId};

/// Readers that are followed at once; beyond it all are forgotten and found again with their next read.
const MOST_CURSORS: usize = 1024;

#[derive(Debug)]
struct Cursor {
    file: FileId,
    reader: ReaderId,
    next_offset: u64,
    /// The farthest block that was read into, and where the window behind it ends.
    from: u32,
    to: u32,
    /// How far ahead [bytes]; 0 before the first read in order.
    window: u64,
}

/// Follows readers and keeps a window ahead of each.
#[derive(Debug)]
pub struct Stream {
    chunk_bytes: u64,
    first_window_bytes: Option<u64>,
    factor: f64,
    streams: u32,
    cursors: Vec<Cursor>,
    places: FxHashMap<(FileId, ReaderId), usize>,
    /// The cursor that is served first: they take turns.
    turn: usize,
}

impl Stream {
    /// Start with the action's window.
    pub fn new(action: &StreamAction) -> Stream {
        Stream {
            chunk_bytes: action.chunk_bytes,
            first_window_bytes: action.first_window_bytes,
            factor: action.growth,
            streams: action.streams,
            cursors: Vec::new(),
            places: FxHashMap::default(),
            turn: 0,
        }
    }

    /// Windows are whole chunks of whole blocks.
    fn growth(&self, block_bytes: u64) -> Growth {
        let chunk_bytes = self.chunk_bytes.div_ceil(block_bytes).max(1) * block_bytes;
        Growth {
            first_bytes: self.first_window_bytes,
            factor: self.factor,
            most_bytes: chunk_bytes.saturating_mul(u64::from(self.streams)),
        }
    }

    fn place(&mut self, read: &SeenRead) -> usize {
        if let Some(&place) = self.places.get(&(read.file, read.reader)) {
            return place;
        }
        if self.cursors.len() >= MOST_CURSORS {
            self.cursors.clear();
            self.places.clear();
        }
        self.places.insert((read.file, read.reader), self.cursors.len());
        self.cursors.push(Cursor {
            file: read.file,
            reader: read.reader,
            next_offset: 0,
            from: 0,
            to: 0,
            window: 0,
        });
        self.cursors.len() - 1
    }

    fn forget(&mut self, place: usize) {
        let gone = self.cursors.swap_remove(place);
        self.places.remove(&(gone.file, gone.reader));
        if let Some(moved) = self.cursors.get(place) {
            self.places.insert((moved.file, moved.reader), place);
        }
    }

    /// The next absent block of a cursor's window, unless as many as allowed are on their way.
    fn next_of(&self, cursor: &Cursor, catalog: &Catalog) -> Option<BlockRef> {
        let mut under_way = 0;
        let mut absent = None;
        for index in cursor.from..cursor.to {
            let block = BlockRef {
                file: cursor.file,
                index,
            };
            if catalog.is_on_its_way(block) {
                under_way += 1;
                if under_way >= self.streams {
                    return None;
                }
            } else if absent.is_none() && index > cursor.from && catalog.is_absent(block) {
                absent = Some(block);
            }
        }
        absent
    }
}

impl Prefetcher for Stream {
    fn read(&mut self, read: &SeenRead, catalog: &Catalog) {
        let block_bytes = catalog.block_bytes();
        let blocks = catalog.block_count(read.file);
        if blocks < 2 {
            return;
        }
        let growth = self.growth(block_bytes);
        let place = self.place(read);
        let cursor = &mut self.cursors[place];
        // the kernel's read-ahead may ask a little out of order: a block back or ahead is still the same stream
        let is_next =
            read.offset <= cursor.next_offset + block_bytes && read.end + block_bytes > cursor.next_offset;
        let block = ((read.end - 1) / block_bytes) as u32;
        if !is_next {
            (cursor.next_offset, cursor.from, cursor.to, cursor.window) = (0, 0, 0, 0);
        }
        cursor.next_offset = cursor.next_offset.max(read.end);
        if is_next || read.offset == 0 {
            if cursor.window == 0 {
                cursor.window = growth.start(growth.most_bytes);
            } else if block > cursor.from {
                cursor.window = growth.grown(cursor.window);
            }
            // what was read out of order lies behind the farthest read and is not fetched again
            cursor.from = cursor.from.max(block);
            let ahead = u32::try_from(cursor.window.div_ceil(block_bytes)).unwrap_or(u32::MAX);
            cursor.to = cursor.from.saturating_add(1).saturating_add(ahead).min(blocks);
        }
        if read.end == catalog.size(read.file) {
            self.forget(place);
        }
    }

    fn next(&mut self, catalog: &Catalog) -> Option<BlockRef> {
        for step in 0..self.cursors.len() {
            let place = (self.turn + step) % self.cursors.len();
            if let Some(block) = self.next_of(&self.cursors[place], catalog) {
                self.turn = place + 1;
                return Some(block);
            }
        }
        None
    }
}
