//! What a driver tells the core. Absent: how the driver came to know it.

use serde::{Deserialize, Serialize};

use crate::{Extent, FactSet, FetchId, FileId, KnownFormat, Plan, ReaderId, TicketId, Tier, Version};

/// What is known of a file when it is first seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Path relative to the source, bytes as they are, no leading slash.
    pub path: Vec<u8>,
    /// Size of this version [bytes].
    pub size: u64,
    /// Modification time since the Unix epoch [ns].
    pub mtime_ns: i64,
    /// Which content this is.
    pub version: Version,
    /// What its first bytes told, where somebody saw them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<KnownFormat>,
}

/// An input of the core. The driver calls [`crate::Core::handle`] with each, in one total order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A file (one version of it) became known: listed or looked up. Ids are dense and come in ascending order.
    Seen {
        /// The id the driver gave to this version.
        file: FileId,
        /// What is known of it.
        facts: FileFacts,
    },
    /// A file was opened. Only where the plan observes opens.
    Open {
        /// The file.
        file: FileId,
        /// Who opened it.
        reader: ReaderId,
    },
    /// A read that the kernel could not answer. `extent` starts on a page and is clipped to the file's size.
    Read {
        /// To be named in the one `Serve` or `Fail` that answers.
        ticket: TicketId,
        /// The bytes asked for; within one file, length > 0.
        extent: Extent,
        /// Who asked.
        reader: ReaderId,
    },
    /// The kernel dropped the inode: none of its pages are left.
    Forgotten {
        /// The file.
        file: FileId,
    },
    /// A fetch ended well: the driver now holds all bytes of the fetch's extent, until told `DropDaemon`.
    FetchDone {
        /// Which fetch.
        id: FetchId,
        /// How much came from the source [bytes]; equals the extent's length.
        bytes: u64,
    },
    /// A fetch failed or ran into its deadline; the driver holds nothing of it.
    FetchFailed {
        /// Which fetch.
        id: FetchId,
        /// The error to hand to waiting readers (EIO, ETIMEDOUT, ESTALE, ...).
        errno: i32,
    },
    /// A `Fill` was carried out: the kernel holds these bytes, charged to the daemon.
    Filled {
        /// What the kernel holds now.
        extent: Extent,
    },
    /// The kernel no longer holds these bytes: a `DropKernel` was carried out, or a check found them gone.
    Dropped {
        /// What is gone.
        extent: Extent,
    },
    /// The order in which files will be read next, from a hint or a learned order.
    Hint {
        /// Files in the order of their next reads.
        files: Vec<FileId>,
    },
    /// The source holds another version of this file now. The id is dead from here on.
    SourceChanged {
        /// The retired id.
        file: FileId,
        /// What the source has now.
        version: Version,
    },
    /// The tier must give back memory that the driver found missing in the books.
    Pressure {
        /// Which tier.
        tier: Tier,
        /// How much to give back [bytes].
        bytes: u64,
    },
    /// The deadline asked for by [`crate::Core::poll_deadline`] has come.
    Tick,
    /// The first bytes of a file were seen and tell its format.
    Recognized {
        /// The file.
        file: FileId,
        /// What they tell.
        format: KnownFormat,
    },
    /// Job or machine are other than they were: all that is known of them now, in place of what was.
    FactsChanged {
        /// What is known.
        facts: FactSet,
    },
    /// A new recipe takes effect between two events.
    PlanSwapped {
        /// The compiled recipe.
        plan: Box<Plan>,
    },
}
