//! Every counter of the engine. Absent: rates and ratios; who prints divides.

use serde::Serialize;

use crate::{FetchClass, ServedFrom};

/// Reads and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Number.
    pub count: u64,
    /// Bytes [bytes].
    pub bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// What happened since the start. Only what was seen: silent hits are estimated, never counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Stats {
    /// Files known.
    pub files: u64,
    /// Reads answered from a demand fetch.
    pub served_source: Tally,
    /// Reads answered from what the cache policy kept in the daemon.
    pub served_resident: Tally,
    /// Reads answered from a finished prefetch.
    pub served_prefetched: Tally,
    /// Reads that waited for a prefetch under way.
    pub served_late: Tally,
    /// Reads answered with an error.
    pub failed: u64,
    /// Fetches for waiting readers.
    pub fetched_demand: Tally,
    /// Fetches ahead.
    pub fetched_prefetch: Tally,
    /// Fetches that restore what the kernel lost.
    pub fetched_refill: Tally,
    /// Fetches that failed.
    pub fetches_failed: u64,
    /// Blocks that entered a cache policy.
    pub admitted: Tally,
    /// Blocks that a cache policy gave up.
    pub evicted: Tally,
    /// Prefetched blocks that were read.
    pub prefetch_used: Tally,
    /// Prefetched blocks that left unread.
    pub prefetch_wasted: Tally,
    /// Held blocks that the kernel lost.
    pub lost: Tally,
    /// Reads of sentinel pages.
    pub sentinel_reads: u64,
    /// Held blocks with a sentinel page, now.
    pub sentinel_blocks: u64,
    /// Held kernel blocks, now.
    pub silent_blocks: u64,
    /// Bytes of the kernel part, held and passing [bytes], now.
    pub kernel_bytes: u64,
    /// Bytes that the driver holds [bytes], now.
    pub daemon_bytes: u64,
    /// Bytes of fetches under way [bytes], now.
    pub in_flight_bytes: u64,
    /// The largest sum of all bytes of the budget so far [bytes].
    pub peak_bytes: u64,
}

impl Stats {
    /// Unbiased estimate of the silent hits so far: what the sentinels saw, scaled to all held blocks.
    pub fn estimated_silent_hits(&self) -> Option<f64> {
        (self.sentinel_blocks > 0)
            .then(|| self.sentinel_reads as f64 * self.silent_blocks as f64 / self.sentinel_blocks as f64)
    }

    pub(crate) fn served(&mut self, from: ServedFrom) -> &mut Tally {
        match from {
            ServedFrom::Source => &mut self.served_source,
            ServedFrom::Resident => &mut self.served_resident,
            ServedFrom::Prefetched => &mut self.served_prefetched,
            ServedFrom::Late => &mut self.served_late,
        }
    }

    pub(crate) fn fetched(&mut self, class: FetchClass) -> &mut Tally {
        match class {
            FetchClass::Demand => &mut self.fetched_demand,
            FetchClass::Prefetch => &mut self.fetched_prefetch,
            FetchClass::Refill => &mut self.fetched_refill,
        }
    }
}
