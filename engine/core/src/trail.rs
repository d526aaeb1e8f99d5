//! What readers leave behind them in the kernel: pages of blocks that no policy holds there.
//!
//! A READ tells where the kernel's read-ahead is; the reader itself may be a whole window behind it, and it reads there
//! in silence. Pages dropped by then are asked for again, block by block: a tar stream in reads of 10 KiB fetched three
//! times its bytes that way. So a block *trails* until its stream is a window past it, or until all its readers have gone
//! on to other files; then it is *spent* and the first to leave when room is needed.
//!
//! Owns: streams, readers' files, the order of leaving. Absent: dropping and budgets (`residency`).

use rustc_hash::FxHashMap;

use crate::catalog::{Block, Catalog};
use crate::eviction::{Slot, SlotList};
use crate::{Extent, FileId, ReaderId};

/// The kernel's read-ahead window at most, as the mount sets it [bytes]. The next window is asked for when the first page
/// of the last one is touched, so that a reader is never farther behind than this.
const READ_AHEAD_BYTES: u64 = 1 << 20;
/// Streams that are told apart within a file, and readers and files that are followed.
const MOST_STREAMS: usize = 16;
const MOST_FOLLOWED: usize = 16_384;

/// Where a block stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Out,
    Trailing,
    Spent,
}

/// Somebody who reads on through a file.
#[derive(Debug, Clone, Copy)]
struct Stream {
    /// Where it began, the offset of its last READ, the end of its farthest [bytes].
    start: u64,
    at: u64,
    end: u64,
}

impl Stream {
    fn continues(&self, extent: &Extent) -> bool {
        extent.offset <= self.end + READ_AHEAD_BYTES && extent.end() + READ_AHEAD_BYTES >= self.end
    }

    /// Whether its reader may not yet have come to the end of a block.
    fn needs(&self, block: &Extent) -> bool {
        self.start < block.end() && self.at < block.end() + READ_AHEAD_BYTES
    }
}

#[derive(Debug, Default)]
struct Followed {
    readers: u32,
    streams: Vec<Stream>,
}

/// Blocks on their way out.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    trailing: SlotList,
    spent: SlotList,
    places: Vec<Place>,
    /// Length of all trailing blocks together [bytes].
    bytes: u64,
    reading: FxHashMap<ReaderId, FileId>,
    files: FxHashMap<FileId, Followed>,
}

impl Trail {
    /// Length of the blocks whose pages may still be read [bytes].
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Who is followed.
    pub(crate) fn readers(&self) -> impl Iterator<Item = ReaderId> {
        self.reading.keys().copied()
    }

    /// A READ came: whether it goes on where an earlier one was, and the blocks that are spent by what it tells.
    pub(crate) fn follow(
        &mut self,
        reader: ReaderId,
        extent: &Extent,
        catalog: &Catalog,
    ) -> (bool, Vec<Slot>) {
        if self.reading.len().max(self.files.len()) >= MOST_FOLLOWED {
            self.reading.clear();
            self.files.clear(); // what trails now leaves by age
        }
        let mut spent = Vec::new();
        let before = self.reading.insert(reader, extent.file);
        if before != Some(extent.file) {
            self.files.entry(extent.file).or_default().readers += 1;
        }
        if let Some(left) = before.filter(|file| *file != extent.file)
            && let Some(followed) = self.files.get_mut(&left)
        {
            followed.readers -= 1;
            if followed.readers == 0 {
                self.files.remove(&left);
                self.collect(&catalog.whole(left), catalog, &mut spent, |_| true);
            }
        }
        let streams = &mut self.files.entry(extent.file).or_default().streams;
        let passed = advance(streams, extent);
        let goes_on = passed.is_some();
        if let Some(passed) = passed.filter(|passed| passed.length > 0) {
            let streams = std::mem::take(streams);
            self.collect(&passed, catalog, &mut spent, |block| {
                !streams.iter().any(|stream| stream.needs(block))
            });
            self.files.entry(extent.file).or_default().streams = streams;
        }
        (goes_on, spent)
    }

    fn collect(
        &self,
        within: &Extent,
        catalog: &Catalog,
        spent: &mut Vec<Slot>,
        is_spent: impl Fn(&Extent) -> bool,
    ) {
        let slots = catalog.slots(within);
        spent.extend(
            slots.filter(|&slot| self.place(slot) == Place::Trailing && is_spent(&catalog.extent(slot))),
        );
    }

    /// A block was read; its pages may be needed until the stream has passed.
    pub(crate) fn touch(&mut self, slot: Slot, block: &Block) {
        self.remove(slot, block);
        self.put(slot, Place::Trailing);
        self.trailing.push_back(slot);
        self.bytes += u64::from(block.length);
    }

    /// A block's pages are no longer needed.
    pub(crate) fn spend(&mut self, slot: Slot, block: &Block) {
        self.remove(slot, block);
        self.put(slot, Place::Spent);
        self.spent.push_back(slot);
    }

    /// A block left, for whatever reason.
    pub(crate) fn remove(&mut self, slot: Slot, block: &Block) {
        match self.place(slot) {
            Place::Out => return,
            Place::Trailing => {
                self.trailing.remove(slot);
                self.bytes -= u64::from(block.length);
            }
            Place::Spent => self.spent.remove(slot),
        }
        self.put(slot, Place::Out);
    }

    /// The spent block that may go first.
    pub(crate) fn oldest_spent(&self) -> Option<Slot> {
        self.spent.front()
    }

    /// The trailing block that was read longest ago.
    pub(crate) fn oldest_trailing(&self) -> Option<Slot> {
        self.trailing.front()
    }

    fn place(&self, slot: Slot) -> Place {
        self.places.get(slot as usize).copied().unwrap_or_default()
    }

    fn put(&mut self, slot: Slot, place: Place) {
        let index = slot as usize;
        if index >= self.places.len() {
            self.places.resize(index + 1, Place::Out);
        }
        self.places[index] = place;
    }
}

/// Let the stream that a READ belongs to go on; what it passed since its last READ, `None` for a new one.
fn advance(streams: &mut Vec<Stream>, extent: &Extent) -> Option<Extent> {
    let Some(position) = streams.iter().position(|stream| stream.continues(extent)) else {
        if streams.len() >= MOST_STREAMS {
            streams.remove(0);
        }
        streams.push(Stream {
            start: extent.offset,
            at: extent.offset,
            end: extent.end(),
        });
        return None;
    };
    let stream = &mut streams[position];
    let before = stream.at;
    stream.at = stream.at.max(extent.offset);
    stream.end = stream.end.max(extent.end());
    // a block is passed when its end is; begin before the last mark, where one may have ended in between
    let from = before.saturating_sub(2 * READ_AHEAD_BYTES);
    let to = stream.at.saturating_sub(READ_AHEAD_BYTES);
    Some(Extent {
        file: extent.file,
        offset: from,
        length: to.saturating_sub(from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileFacts, Version};

    const MIB: u64 = 1 << 20;
    const NOTHING: Vec<Slot> = Vec::new();

    fn catalog(sizes: &[u64]) -> Catalog {
        let mut catalog = Catalog::new(MIB);
        for (number, &size) in sizes.iter().enumerate() {
            catalog.add(&FileFacts {
                path: format!("{number}").into_bytes(),
                size,
                mtime_ns: 0,
                version: Version(1),
                format: None,
            });
            catalog.ensure_slot(FileId(number as u32), 0);
        }
        catalog
    }

    fn read(
        trail: &mut Trail,
        catalog: &Catalog,
        reader: u32,
        file: u32,
        offset: u64,
        length: u64,
    ) -> Vec<Slot> {
        let extent = Extent {
            file: FileId(file),
            offset,
            length,
        };
        let (_, spent) = trail.follow(ReaderId(reader), &extent, catalog);
        for &slot in &spent {
            trail.spend(slot, &catalog.blocks[slot as usize]);
        }
        for slot in catalog.slots(&extent) {
            trail.touch(slot, &catalog.blocks[slot as usize]);
        }
        spent
    }

    #[test]
    fn blocks_of_a_stream_trail_one_window() {
        let (catalog, mut trail) = (catalog(&[8 * MIB]), Trail::default());
        let mut spent = Vec::new();
        for piece in 0..32 {
            let now = read(&mut trail, &catalog, 1, 0, piece * MIB / 4, MIB / 4);
            spent.extend(now.into_iter().map(|slot| (piece, slot)));
        }
        // block b ends at b + 1 MiB and is passed when a READ begins a window later, at b + 2 MiB
        assert_eq!(
            spent,
            (0..6)
                .map(|block| (4 * (u64::from(block) + 2), block))
                .collect::<Vec<_>>()
        );
        assert_eq!(trail.bytes(), 2 * MIB);
    }

    #[test]
    fn a_slower_stream_keeps_what_it_will_read() {
        let (catalog, mut trail) = (catalog(&[8 * MIB]), Trail::default());
        read(&mut trail, &catalog, 2, 0, 0, MIB / 4);
        // too far ahead to be the first one's continuation
        for block in 3..8 {
            assert_eq!(read(&mut trail, &catalog, 1, 0, block * MIB, MIB), NOTHING);
        }
        assert_eq!(trail.bytes(), 6 * MIB);
        assert_eq!(read(&mut trail, &catalog, 2, 0, MIB, MIB), NOTHING);
        assert_eq!(read(&mut trail, &catalog, 2, 0, 2 * MIB, MIB), vec![0]);
    }

    #[test]
    fn a_file_is_spent_when_its_last_reader_reads_another() {
        let (catalog, mut trail) = (catalog(&[MIB / 10, MIB / 10, MIB / 10]), Trail::default());
        for reader in [1, 2] {
            assert_eq!(read(&mut trail, &catalog, reader, 0, 0, MIB / 10), NOTHING);
        }
        assert_eq!(read(&mut trail, &catalog, 1, 1, 0, MIB / 10), NOTHING);
        assert_eq!(read(&mut trail, &catalog, 2, 2, 0, MIB / 10), vec![0]);
        assert_eq!(
            (trail.oldest_spent(), trail.oldest_trailing()),
            (Some(0), Some(1))
        );
    }
}
