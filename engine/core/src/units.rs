//! Newtypes for everything that would otherwise be a bare integer. Absent: arithmetic policy, formatting for people.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
        #[serde(transparent)]
        pub struct $name(pub $inner);
    };
}

id!(
    /// Monotonic time since the driver's start [ns]. Never goes backwards.
    Nanos(u64)
);
id!(
    /// One version of one file, dense from 0 in the order of [`crate::Event::Seen`].
    FileId(u32)
);
id!(
    /// Who reads: a process or thread as far as the driver can tell them apart.
    ReaderId(u32)
);
id!(
    /// One unanswered read; given by the driver, answered by exactly one `Serve` or `Fail`.
    TicketId(u64)
);
id!(
    /// One fetch from the source; given by the core.
    FetchId(u64)
);
id!(
    /// What tells two versions of a file's content apart (a hash of the validator).
    Version(u64)
);

impl Nanos {
    /// Seconds as a number for people and reports [s].
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 * 1e-9
    }
}

/// The half-open byte range `[offset, offset + length)` of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Extent {
    /// The file.
    pub file: FileId,
    /// First byte [bytes].
    pub offset: u64,
    /// Number of bytes [bytes].
    pub length: u64,
}

impl Extent {
    /// First byte after the range [bytes].
    pub fn end(&self) -> u64 {
        self.offset + self.length
    }
}
