//! What one simulated run found, epoch by epoch. Absent: medians over seeds, words.

use serde::Serialize;

/// Books of one epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EpochReport {
    /// How long it took, the job's work behind it included [s].
    pub epoch_s: f64,
    /// Reads of the job that returned bytes.
    pub reads: u64,
    /// Reads that found all pages held.
    pub resident_reads: u64,
    /// Reads that found all pages, some of them by a prefetch.
    pub prefetched_reads: u64,
    /// Bytes returned to the job [bytes].
    pub bytes: u64,
    /// Of those, bytes on pages that were held [bytes].
    pub resident_bytes: u64,
    /// Of those, bytes on pages that a prefetch had brought [bytes].
    pub prefetched_bytes: u64,
    /// Bytes read from the source [bytes].
    pub source_bytes: u64,
    /// Requests to the source: reads and metadata.
    pub source_requests: u64,
    /// READ messages, mount only.
    pub messages: u64,
    /// Time that readers waited for data, all readers together [s].
    pub stall_s: f64,
}

/// Books of one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunReport {
    /// One per epoch.
    pub epochs: Vec<EpochReport>,
    /// Time that each reader waited for data [s].
    pub stall_s: Vec<f64>,
    /// CPU time of job and daemon together [s].
    pub cpu_s: f64,
    /// Reads that ended with an error.
    pub failed_reads: u64,
    /// Accesses that were simulated.
    pub accesses: u64,
    /// The trace of the mount's decisions, if its plan asks for one.
    pub decisions: Option<serde_json::Value>,
}
