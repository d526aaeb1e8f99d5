//! What the engine knows of files and their blocks: dense tables, grown on demand. Absent: decisions, budgets.

use crate::eviction::Slot;
use crate::observation::Observer;
use crate::prefetch::BlockRef;
use crate::{Extent, FetchId, FileFacts, FileId, KnownFormat, Version};

/// No class, no slot.
pub(crate) const NONE: u32 = u32::MAX;

/// Where a block stands with the kernel's copy of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// Nothing was asked of the kernel.
    #[default]
    Idle,
    /// A `DropKernel` of the whole block is under way.
    Dropping,
    /// A `Fill` is under way.
    Filling,
}

/// One block that was ever touched.
#[derive(Debug, Clone, Default)]
pub(crate) struct Block {
    pub(crate) file: FileId,
    pub(crate) index: u32,
    /// Bytes of it [bytes].
    pub(crate) length: u32,
    /// Bytes that the kernel has, as far as the books know [bytes].
    pub(crate) kernel: u32,
    /// The class that owns it, while resident.
    pub(crate) class: u32,
    /// The prefetch class whose staged block it is, or `NONE`.
    pub(crate) staged: u32,
    pub(crate) fetch: Option<FetchId>,
    /// Reads not yet answered that need it.
    pub(crate) pins: u32,
    pub(crate) phase: Phase,
    pub(crate) is_resident: bool,
    /// The driver holds its bytes.
    pub(crate) is_in_daemon: bool,
    /// A prefetch brought the bytes that the driver holds.
    pub(crate) came_ahead: bool,
    /// Its last page is left out of the kernel on purpose.
    pub(crate) is_sentinel: bool,
    /// How often the kernel lost it against our will.
    pub(crate) losses: u8,
    /// The count of demand fetches when it had to leave while its pages might still be read; 0 if it had not.
    pub(crate) left_early: u32,
}

/// One version of one file.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) size: u64,
    pub(crate) mtime_ns: i64,
    pub(crate) version: Version,
    path: (u32, u32),
    pub(crate) first: Slot,
    pub(crate) class: u32,
    pub(crate) prefetch: u32,
    /// Its class of readers that are fetched ahead of in parallel, or `NONE`.
    pub(crate) stream: u32,
    /// Its class of order and rate, or `NONE`.
    pub(crate) order: u32,
    /// The set of rules that apply to it, or `NONE` before the first decision.
    pub(crate) treatment: u32,
    pub(crate) is_dead: bool,
    /// No action asks for its blocks: just what is read of it is fetched.
    pub(crate) is_untreated: bool,
    /// Blocks of it that are silently held.
    pub(crate) silent_blocks: u32,
    pub(crate) format: Option<KnownFormat>,
}

/// All files and blocks.
pub struct Catalog {
    block_bytes: u64,
    pub(crate) files: Vec<File>,
    pub(crate) blocks: Vec<Block>,
    /// All paths, one after the other: one allocation for a million files.
    paths: Vec<u8>,
}

impl Catalog {
    pub(crate) fn new(block_bytes: u64) -> Catalog {
        Catalog {
            block_bytes,
            files: Vec::new(),
            blocks: Vec::new(),
            paths: Vec::new(),
        }
    }

    /// Size of a cache block [bytes].
    pub fn block_bytes(&self) -> u64 {
        self.block_bytes
    }

    /// Number of blocks of a file; 0 for one that is unknown, empty or retired.
    pub fn block_count(&self, file: FileId) -> u32 {
        match self.files.get(file.0 as usize) {
            Some(facts) if !facts.is_dead => facts.size.div_ceil(self.block_bytes) as u32,
            _ => 0,
        }
    }

    /// Whether a block is neither held nor on its way, nor whole among the pages that pass through the kernel: ahead of a
    /// second reader those would be fetched twice (three readers of one model fetched 61 MiB of its 48).
    pub fn is_absent(&self, block: BlockRef) -> bool {
        match self.slot(block) {
            Some(slot) => {
                let block = &self.blocks[slot as usize];
                let passes = block.kernel >= block.length && block.phase == Phase::Idle;
                !block.is_resident && !block.is_in_daemon && block.fetch.is_none() && !passes
            }
            None => true,
        }
    }

    /// Whether a cache policy holds a block.
    pub fn is_resident(&self, block: BlockRef) -> bool {
        let slot = self.slot(block);
        slot.is_some_and(|slot| self.blocks[slot as usize].is_resident)
    }

    /// Whether a block is on its way.
    pub fn is_on_its_way(&self, block: BlockRef) -> bool {
        let slot = self.slot(block);
        slot.is_some_and(|slot| self.blocks[slot as usize].fetch.is_some())
    }

    /// Size of a known file [bytes].
    pub fn size(&self, file: FileId) -> u64 {
        self.files.get(file.0 as usize).map_or(0, |known| known.size)
    }

    /// Whether all blocks of a file are held in the kernel, so that its reads are silent.
    pub fn is_silent(&self, file: FileId) -> bool {
        let count = self.block_count(file);
        count > 0 && self.files[file.0 as usize].silent_blocks == count
    }

    pub(crate) fn add(&mut self, facts: &FileFacts) {
        let start = self.paths.len() as u32;
        self.paths.extend_from_slice(&facts.path);
        self.files.push(File {
            size: facts.size,
            mtime_ns: facts.mtime_ns,
            version: facts.version,
            path: (start, facts.path.len() as u32),
            first: NONE,
            class: NONE,
            prefetch: NONE,
            stream: NONE,
            order: NONE,
            treatment: NONE,
            is_dead: false,
            is_untreated: false,
            silent_blocks: 0,
            format: facts.format,
        });
    }

    pub(crate) fn path(&self, file: FileId) -> &[u8] {
        let (start, length) = self.files[file.0 as usize].path;
        &self.paths[start as usize..(start + length) as usize]
    }

    pub(crate) fn facts(&self, file: FileId) -> FileFacts {
        let known = &self.files[file.0 as usize];
        FileFacts {
            path: self.path(file).to_vec(),
            size: known.size,
            mtime_ns: known.mtime_ns,
            version: known.version,
            format: known.format,
        }
    }

    /// An observer that knows all files, and of no read.
    pub(crate) fn observer(&self) -> Observer {
        let mut observer = Observer::default();
        for file in (0..self.files.len() as u32).map(FileId) {
            observer.add(self.path(file), self.files[file.0 as usize].size);
        }
        observer
    }

    pub(crate) fn slot(&self, block: BlockRef) -> Option<Slot> {
        let first = self.files.get(block.file.0 as usize)?.first;
        (first != NONE).then(|| first + block.index)
    }

    /// The slot of a block, made if the file is touched for the first time.
    pub(crate) fn ensure_slot(&mut self, file: FileId, index: u32) -> Slot {
        let count = self.block_count(file);
        let known = &mut self.files[file.0 as usize];
        if known.first == NONE {
            known.first = self.blocks.len() as Slot;
            let size = known.size;
            self.blocks.extend((0..count).map(|index| Block {
                file,
                index,
                length: self.block_bytes.min(size - u64::from(index) * self.block_bytes) as u32,
                class: NONE,
                staged: NONE,
                ..Block::default()
            }));
        }
        self.files[file.0 as usize].first + index
    }

    /// Slots of the blocks that an extent touches, as far as the file was ever touched.
    pub(crate) fn slots(&self, extent: &Extent) -> std::ops::Range<Slot> {
        let known = &self.files[extent.file.0 as usize];
        if known.first == NONE || extent.length == 0 {
            return 0..0;
        }
        let first = (extent.offset / self.block_bytes) as u32;
        let last = (extent.end() - 1) / self.block_bytes;
        let last = (last as u32 + 1).min(known.size.div_ceil(self.block_bytes) as u32);
        known.first + first.min(last)..known.first + last
    }

    /// All of a file.
    pub(crate) fn whole(&self, file: FileId) -> Extent {
        Extent {
            file,
            offset: 0,
            length: self.files[file.0 as usize].size,
        }
    }

    /// What is held of a file: in the kernel, and by the driver [bytes].
    pub(crate) fn held_of(&self, file: FileId) -> (u64, u64) {
        let slots = self.slots(&self.whole(file));
        slots.fold((0, 0), |(kernel, daemon), slot| {
            let block = &self.blocks[slot as usize];
            let held = if block.is_in_daemon { block.length } else { 0 };
            (kernel + u64::from(block.kernel), daemon + u64::from(held))
        })
    }

    pub(crate) fn extent(&self, slot: Slot) -> Extent {
        let block = &self.blocks[slot as usize];
        Extent {
            file: block.file,
            offset: u64::from(block.index) * self.block_bytes,
            length: u64::from(block.length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_takes_less_than_256_bytes() {
        let path = 64; // a long one, as in ImageNet: train/n01440764/n01440764_10026.JPEG has 39
        let tables = size_of::<File>() + size_of::<Block>();
        assert!(tables + path <= 256, "{tables} + {path} bytes");
    }
}
