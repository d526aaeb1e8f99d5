//! What the mount counts, and its two texts: JSON and Prometheus. Absent: file names; labels are bounded by construction.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use mlopt_core::Stats;

macro_rules! counters {
    ($($name:ident: $help:literal,)*) => {
        /// Counters since the mount began; each only grows.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $(#[doc = $help] pub $name: Counter,)*
        }

        impl Metrics {
            /// Name, meaning and value of each counter.
            pub fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), $help, self.$name.get()),)*]
            }
        }
    };
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Count one.
    pub fn one(&self) {
        self.add(1);
    }

    /// Count several.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

counters! {
    lookup_messages: "LOOKUP messages from the kernel",
    getattr_messages: "GETATTR messages from the kernel",
    readdirplus_messages: "READDIRPLUS messages from the kernel",
    open_messages: "OPEN messages from the kernel",
    read_messages: "READ messages from the kernel",
    read_message_bytes: "bytes asked for by READ messages",
    ioctl_messages: "IOCTL messages from the kernel, one per open() of Python without the isatty shim",
    forgotten_files: "files that the kernel forgot",
    served_source_reads: "reads answered by a demand fetch",
    served_resident_reads: "reads answered by bytes that the daemon held",
    served_prefetched_reads: "reads answered by bytes fetched ahead and complete in time",
    served_late_reads: "reads that waited for the rest of a prefetch",
    failed_reads: "reads answered with an error",
    timed_out_operations: "operations answered with ETIMEDOUT by their timer",
    source_read_requests: "reads issued to the source",
    source_read_bytes: "bytes read from the source",
    source_errors: "failed requests to the source",
    source_metadata_requests: "lookups, attribute requests and listings issued to the source",
    fills: "blocks pushed into the kernel",
    filled_bytes: "bytes pushed into the kernel",
    failed_fills: "blocks that could not be pushed",
    drops: "blocks dropped from the kernel",
    undropped_pages: "pages that the kernel kept in spite of a drop, as mapped ones",
    lost_blocks: "held blocks that a check found gone from the kernel",
    changed_files: "file versions retired because the source changed",
    warden_deaths: "times that the warden ended unasked",
    broken_promises: "effects that could not be carried out as the core ordered; a defect if not 0",
}

/// A value of the moment, beside the counters.
pub type Gauge = (&'static str, &'static str, u64);

/// All values as Prometheus text.
pub fn prometheus(metrics: &Metrics, gauges: &[Gauge]) -> String {
    let mut text = String::new();
    for (kind, suffix, rows) in [
        ("counter", "_total", metrics.rows()),
        ("gauge", "", gauges.to_vec()),
    ] {
        for (name, help, value) in rows {
            let _ = writeln!(
                text,
                "# HELP mlopt_{name}{suffix} {help}.\n# TYPE mlopt_{name}{suffix} {kind}\nmlopt_{name}{suffix} {value}"
            );
        }
    }
    text
}

/// All values as one JSON object; what the core counted stands under `core`.
pub fn json(metrics: &Metrics, gauges: &[Gauge], core: &Stats) -> String {
    let rows = metrics.rows().into_iter().chain(gauges.iter().copied());
    let mut object: serde_json::Map<String, serde_json::Value> = rows
        .map(|(name, _, value)| (name.to_owned(), value.into()))
        .collect();
    let mut counted = serde_json::to_value(core).unwrap_or_default();
    counted["estimated_silent_hits"] = core.estimated_silent_hits().into();
    object.insert("core".to_owned(), counted);
    serde_json::Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_texts_tell_the_same() {
        let metrics = Metrics::default();
        metrics.fills.add(3);
        let gauges = [("daemon_bytes", "bytes held by the daemon", 7)];
        let text = prometheus(&metrics, &gauges);
        assert!(text.contains("# TYPE mlopt_fills_total counter\nmlopt_fills_total 3\n"));
        assert!(text.contains("# TYPE mlopt_daemon_bytes gauge\nmlopt_daemon_bytes 7\n"));
        let value: serde_json::Value =
            serde_json::from_str(&json(&metrics, &gauges, &Stats::default())).unwrap();
        assert_eq!(
            (value["fills"].as_u64(), value["daemon_bytes"].as_u64()),
            (Some(3), Some(7))
        );
    }
}
