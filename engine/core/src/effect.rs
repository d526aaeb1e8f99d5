//! What the core asks of a driver. Absent: how it is carried out.

use serde::{Deserialize, Serialize};

use crate::{Extent, FetchId, FileId, Nanos, Priority, TicketId, Version};

/// Where a cached block lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Pages held in the kernel: reads are silent.
    Kernel,
    /// Bytes held by the daemon: each read is one message.
    Daemon,
    /// The cache directory.
    Disk,
}

/// Why a fetch is made; drivers serve demand first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FetchClass {
    /// A reader waits.
    Demand,
    /// Ahead of a reader.
    Prefetch,
    /// To restore a held block that the kernel lost.
    Refill,
}

/// Where the bytes of an answered read came from; the books of hits are kept by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServedFrom {
    /// A demand fetch of this read or of one that it joined: a miss.
    Source,
    /// A block that the daemon part held because of the cache policy: a resident hit.
    Resident,
    /// A block that was prefetched and complete before this read: a prefetched hit.
    Prefetched,
    /// A block whose prefetch was under way: the read waited for the rest of it (a late prefetch, a miss).
    Late,
}

/// An output of the core, in order. The driver carries out each one.
///
/// Holding bytes: after `FetchDone` the driver holds the fetched extent until a `DropDaemon` covers it.
/// `Serve` and `Fill` only ever name bytes that the driver holds then, or has just read through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Answer a read from the bytes held. The kernel keeps a copy of the pages until `DropKernel`.
    Serve {
        /// Which read.
        ticket: TicketId,
        /// For the books.
        from: ServedFrom,
    },
    /// Answer a read with an error.
    Fail {
        /// Which read.
        ticket: TicketId,
        /// The error number, positive.
        errno: i32,
    },
    /// Read from the source; answer with `FetchDone` or `FetchFailed`.
    Fetch {
        /// Names the fetch in the answer.
        id: FetchId,
        /// Which bytes; whole blocks, clipped to the file's size, or just what one read asked for.
        extent: Extent,
        /// The bytes are not held: they answer the reads of just this extent that are served when they come.
        #[serde(default)]
        reads_through: bool,
        /// Why: what a reader waits for goes first.
        class: FetchClass,
        /// Among fetches of its class.
        #[serde(default)]
        priority: Priority,
        /// Into how many parallel ranged reads the fetch may be split.
        streams: u16,
        /// When to give up and answer `FetchFailed(ETIMEDOUT)`.
        deadline: Nanos,
    },
    /// The fetch is no longer wanted. It is still answered by `FetchDone` or `FetchFailed(ECANCELED)`.
    Cancel {
        /// Which fetch.
        id: FetchId,
    },
    /// The block was admitted to a tier. For `Tier::Kernel` the driver sees to it that the inode lives (warden).
    Keep {
        /// The block.
        extent: Extent,
        /// Where it is meant to stay.
        tier: Tier,
    },
    /// Push bytes held into the kernel, charged to the daemon; answer `Filled`, or `Dropped` if it could not be.
    Fill {
        /// Which bytes.
        extent: Extent,
        /// Pages left out at the end on purpose, so that a read of them is seen (a sentinel) [pages].
        leave_tail_pages: u32,
    },
    /// Drop the kernel's pages, once the copies of answered reads are over; answer `Dropped`.
    DropKernel {
        /// Which bytes.
        extent: Extent,
    },
    /// Forget bytes held since a `FetchDone`. Not answered.
    DropDaemon {
        /// Which bytes.
        extent: Extent,
    },
    /// Remove a block from the cache directory. Not answered.
    DropDisk {
        /// Which bytes.
        extent: Extent,
    },
    /// Lock the kernel's pages in memory (mlock by the warden).
    Lock {
        /// Which bytes.
        extent: Extent,
    },
    /// The id is dead: reads of it are ESTALE, its entry is invalidated, the next lookup gets a new id.
    Retire {
        /// The dead id.
        file: FileId,
        /// What the source has now.
        version: Version,
    },
}
