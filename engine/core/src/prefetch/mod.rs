//! Prefetchers: which block is worth fetching before it is asked for. One file per prefetcher, one line in [`PREFETCHERS`].
//!
//! Owns: the contract of a prefetcher and the list of all. Absent: budgets, depth and staging (the core's business): a
//! prefetcher is asked for the next block only when there is room for it.

mod epoch_set;
mod sequence;
mod sequential;
mod stream;
mod whole_file;
mod window;

use serde::Serialize;

use crate::action::{PrefetchAction, StreamAction};
use crate::catalog::Catalog;
use crate::eviction::Needs;
use crate::{FileId, ReaderId};

/// One block of one file, by its index in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockRef {
    /// The file.
    pub file: FileId,
    /// Index of the block in the file.
    pub index: u32,
}

/// A read as a prefetcher sees it: only reads that reach the daemon.
#[derive(Debug, Clone, Copy)]
pub struct SeenRead {
    /// The file.
    pub file: FileId,
    /// First byte [bytes].
    pub offset: u64,
    /// First byte after it [bytes].
    pub end: u64,
    /// Who reads.
    pub reader: ReaderId,
}

/// Decides what is fetched ahead for the files of one class.
pub trait Prefetcher: Send {
    /// A file of the class became known.
    fn member(&mut self, _file: FileId) {}
    /// A file was opened (only where opens are observed).
    fn opened(&mut self, _file: FileId, _reader: ReaderId, _catalog: &Catalog) {}
    /// A read was seen, before it is answered.
    fn read(&mut self, read: &SeenRead, catalog: &Catalog);
    /// Files will be read in this order.
    fn hint(&mut self, _files: &[FileId], _catalog: &Catalog) {}
    /// The next block to fetch, absent from the cache; asked again after each that was issued.
    fn next(&mut self, catalog: &Catalog) -> Option<BlockRef>;
    /// A staged block that is no longer worth its place.
    fn stale(&mut self, _catalog: &Catalog) -> Option<BlockRef> {
        None
    }
    /// Whether reads of files that it knows as read must be seen again: their pages may not stay in the kernel.
    fn must_see_reads(&self) -> bool {
        false
    }
    /// A fetched block was read, or left without.
    fn outcome(&mut self, _block: BlockRef, _was_used: bool) {}
}

/// One line of the list of prefetchers.
#[derive(Clone, Copy, Serialize)]
pub struct PrefetcherInfo {
    /// As recipes name it.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// What it must see.
    pub needs: Needs,
    /// Needs the future, which only a simulation has.
    pub simulation_only: bool,
    /// The parameters that it reads.
    pub parameters: &'static [&'static str],
    /// Where it comes from.
    pub source: &'static str,
    #[serde(skip)]
    make: fn(&PrefetchAction) -> Box<dyn Prefetcher>,
}

/// Every prefetcher.
pub const PREFETCHERS: &[PrefetcherInfo] = &[
    PrefetcherInfo {
        name: "epoch_set",
        summary: "Fetches whatever of the class was not read in this epoch: for shuffled epochs.",
        needs: Needs::Misses,
        simulation_only: false,
        parameters: &["share", "depth"],
        source: "This project: every file of a set is read once per epoch, see the module's documentation.",
        make: |action| Box::new(epoch_set::EpochSet::new(action)),
    },
    PrefetcherInfo {
        name: "sequence",
        summary: "Fetches the next files of a hinted order, or of the order of the epoch before.",
        needs: Needs::Misses,
        simulation_only: false,
        parameters: &["share", "depth", "files"],
        source: "Hints as in Patterson et al., Informed prefetching and caching, SOSP 1995.",
        make: |action| Box::new(sequence::Sequence::new(action)),
    },
    PrefetcherInfo {
        name: "sequential",
        summary: "Fetches ahead of each reader within a file, in a window that grows while it reads on.",
        needs: Needs::Misses,
        simulation_only: false,
        parameters: &["share", "depth", "window_bytes", "first_window_bytes", "growth"],
        source: "Fengguang, Hongsheng and Chenfeng, On the design of a new Linux readahead framework, 2008.",
        make: |action| Box::new(sequential::Sequential::new(action)),
    },
    PrefetcherInfo {
        name: "whole_file",
        summary: "Fetches the rest of a file when its first byte is touched.",
        needs: Needs::Misses,
        simulation_only: false,
        parameters: &["share", "depth", "trigger"],
        source: "Read-ahead without a window, for files that are always read to the end.",
        make: |action| Box::new(whole_file::WholeFile::new(action)),
    },
];

/// Start the prefetcher that an action names.
pub fn make(action: &PrefetchAction) -> Option<Box<dyn Prefetcher>> {
    let info = PREFETCHERS.iter().find(|info| info.name == action.mode)?;
    Some((info.make)(action))
}

/// Start the prefetcher behind a stream action.
pub fn stream(action: &StreamAction) -> Box<dyn Prefetcher> {
    Box::new(stream::Stream::new(action))
}
