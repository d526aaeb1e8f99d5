//! What the emulated storage served, and how well it kept its promises. Absent: what a request costs.

use mlopt_core::Nanos;
use serde::Serialize;

use super::schedule::Booking;

/// Requests that are remembered one by one for [`Counts::log`]: about 3 MB.
const LOG_LIMIT: usize = 65_536;

/// Kinds of requests, in the order of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A name in a directory; pays one latency, also when there is none of that name.
    Lookup,
    /// Attributes that the kernel had no (fresh) copy of; pays one latency.
    Getattr,
    /// An open; pays one latency (an NFS client asks for the attributes then: close-to-open).
    Open,
    /// A target of a symbolic link; pays one latency.
    Readlink,
    /// A part of a listing; pays one latency at the start and after each 1,000 entries.
    Readdir,
    /// Bytes; pays one latency and the bytes' time on the link.
    Read,
    /// Anything else (closing, statfs, access); free.
    Other,
}

const KINDS: [Operation; 7] = [
    Operation::Lookup,
    Operation::Getattr,
    Operation::Open,
    Operation::Readlink,
    Operation::Readdir,
    Operation::Read,
    Operation::Other,
];

/// Totals of one kind of request.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Totals {
    /// Requests.
    pub count: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Sum of the times from arrival to the promised end [ns].
    pub scheduled_ns: u64,
    /// Sum of the times spent in the queue for a slot [ns].
    pub queued_ns: u64,
    /// Sum of the answers' delays behind their promise [ns].
    pub late_ns: u64,
    /// Longest delay behind a promise [ns].
    pub late_ns_max: u64,
}

/// One served request: what it was promised and when it was answered.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct LogEntry {
    /// What.
    pub operation: Operation,
    /// Bytes sent.
    pub bytes: u64,
    /// When it came [ns].
    pub arrival_ns: u64,
    /// When it got a slot [ns].
    pub start_ns: u64,
    /// Its drawn latency [ns].
    pub latency_ns: u64,
    /// When its answer was due [ns].
    pub done_ns: u64,
    /// When its answer was sent [ns].
    pub answered_ns: u64,
}

/// All counters since the start or the last reset.
#[derive(Debug, Default)]
pub struct Counts {
    totals: [Totals; KINDS.len()],
    busy_max: usize,
    log: Vec<LogEntry>,
    log_dropped: u64,
}

impl Counts {
    /// Count a request that costs nothing.
    pub fn free(&mut self) {
        self.totals[Operation::Other as usize].count += 1;
    }

    /// Remember how many slots were taken.
    pub fn saw_busy(&mut self, slots: usize) {
        self.busy_max = self.busy_max.max(slots);
    }

    /// Count an answered request; bytes is None when it failed.
    pub fn answered(&mut self, operation: Operation, bytes: Option<u64>, booking: Booking, now: Nanos) {
        let totals = &mut self.totals[operation as usize];
        let late_ns = now.0.saturating_sub(booking.done.0);
        totals.count += 1;
        totals.errors += u64::from(bytes.is_none());
        totals.bytes += bytes.unwrap_or(0);
        totals.scheduled_ns += booking.done.0 - booking.arrival.0;
        totals.queued_ns += booking.start.0 - booking.arrival.0;
        totals.late_ns += late_ns;
        totals.late_ns_max = totals.late_ns_max.max(late_ns);
        if self.log.len() == LOG_LIMIT {
            self.log_dropped += 1;
            return;
        }
        self.log.push(LogEntry {
            operation,
            bytes: bytes.unwrap_or(0),
            arrival_ns: booking.arrival.0,
            start_ns: booking.start.0,
            latency_ns: booking.latency_ns,
            done_ns: booking.done.0,
            answered_ns: now.0,
        });
    }

    /// The first 65,536 requests since the start or the last reset, in the order of their answers.
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// Everything as JSON; `operations` has one entry per kind.
    pub fn to_json(&self) -> serde_json::Value {
        let operations: serde_json::Map<String, serde_json::Value> = KINDS
            .iter()
            .map(|kind| {
                let name = format!("{kind:?}").to_lowercase();
                (name, serde_json::json!(self.totals[*kind as usize]))
            })
            .collect();
        serde_json::json!({
            "operations": operations,
            "busy_slots_max": self.busy_max,
            "log_dropped": self.log_dropped,
        })
    }
}
