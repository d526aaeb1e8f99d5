//! A storage as a queueing model: slots, lognormal latency, one shared link. Absent: what is asked of it and why.
//!
//! A request takes the first free of `concurrency` slots, waits one latency, then sends its bytes over the one link:
//! `done = max(start + latency, link_free) + bytes / bandwidth`, and never before `start + latency + bytes /
//! stream_bandwidth`. Everything is known when the request comes, so a request costs one event.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::Deserialize;

use crate::random::Random;

/// A storage's properties; the fields of `simulator.storage.StorageModel`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StorageModel {
    /// Median time to the first byte of a read [ns].
    pub latency_ns: f64,
    /// Standard deviation of the latency's natural logarithm [1].
    pub latency_sigma: f64,
    /// Median time of open, stat or lookup [ns].
    pub metadata_latency_ns: f64,
    /// Shared by all streams [bytes/s].
    pub bandwidth: f64,
    /// Upper limit of one stream [bytes/s].
    pub stream_bandwidth: f64,
    /// Requests served at once.
    pub concurrency: usize,
    /// Largest request that reaches the storage in one piece [bytes].
    pub request_bytes: u64,
    /// Whether pages stay in the client's page cache when the file is opened again.
    pub keeps_page_cache: bool,
    /// CPU of this machine outside the job for each request [ns].
    pub request_cpu_ns: f64,
    /// CPU of this machine outside the job for each MiB [ns].
    pub mib_cpu_ns: f64,
    /// CPU inside the reader for each request, a part of the recorded CPU [ns].
    pub client_request_cpu_ns: f64,
    /// CPU inside the reader for each MiB, a part of the recorded CPU [ns].
    pub client_mib_cpu_ns: f64,
}

/// The state of slots and link.
#[derive(Debug)]
pub struct Device {
    model: StorageModel,
    slots: BinaryHeap<Reverse<u64>>,
    link_free: u64,
    random: Random,
}

impl Device {
    /// All slots and the link free.
    pub fn new(model: StorageModel, random: Random) -> Device {
        let slots = (0..model.concurrency.max(1)).map(|_| Reverse(0)).collect();
        Device {
            model,
            slots,
            link_free: 0,
            random,
        }
    }

    /// Book a read that arrives now; when it is done [ns].
    pub fn read(&mut self, now: u64, bytes: u64) -> u64 {
        let latency = self.model.latency_ns * self.random.lognormal(self.model.latency_sigma);
        self.book(now, latency, bytes)
    }

    /// Book an open, stat or lookup that arrives now; when it is done [ns].
    pub fn metadata(&mut self, now: u64) -> u64 {
        if self.model.metadata_latency_ns <= 0.0 {
            return now;
        }
        let latency = self.model.metadata_latency_ns * self.random.lognormal(self.model.latency_sigma);
        self.book(now, latency, 0)
    }

    fn book(&mut self, now: u64, latency_ns: f64, bytes: u64) -> u64 {
        let Reverse(free) = self.slots.pop().unwrap_or(Reverse(0));
        let first_byte = free.max(now) + latency_ns as u64;
        let mut done = first_byte;
        if bytes > 0 {
            let sending = (bytes as f64 / self.model.bandwidth * 1e9) as u64;
            self.link_free = first_byte.max(self.link_free) + sending;
            let alone = first_byte + (bytes as f64 / self.model.stream_bandwidth * 1e9) as u64;
            done = self.link_free.max(alone);
        }
        self.slots.push(Reverse(done));
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn model() -> StorageModel {
        StorageModel {
            latency_ns: 5e6,
            latency_sigma: 0.0,
            metadata_latency_ns: 2e6,
            bandwidth: 100e6,
            stream_bandwidth: 50e6,
            concurrency: 2,
            request_bytes: 1 << 20,
            keeps_page_cache: false,
            request_cpu_ns: 0.0,
            mib_cpu_ns: 0.0,
            client_request_cpu_ns: 0.0,
            client_mib_cpu_ns: 0.0,
        }
    }

    #[test]
    fn a_lone_read_waits_latency_and_its_stream() {
        // 100,000 bytes at 50 MB/s: 2 ms behind 5 ms
        let mut device = Device::new(model(), Random::new(1, 0));
        assert_eq!(device.read(7, 100_000), 7 + 7 * MS);
        assert_eq!(device.metadata(100 * MS), 102 * MS);
    }

    #[test]
    fn a_third_request_waits_for_a_slot() {
        let mut device = Device::new(model(), Random::new(1, 0));
        let done: Vec<u64> = (0..3).map(|_| device.read(0, 1000) / 10_000).collect();
        // 10 us on the link, 20 us alone: 5.02, 5.02, then 5.02 + 5.02 ms
        assert_eq!(done, [502, 502, 1004]);
    }

    #[test]
    fn the_link_is_never_faster_than_its_bandwidth() {
        let mut spec = model();
        spec.concurrency = 64;
        let mut device = Device::new(spec, Random::new(1, 0));
        let last = (0..100).map(|_| device.read(0, 1_000_000)).max().unwrap();
        // 100 MB at 100 MB/s behind one latency
        assert_eq!(last, 1005 * MS);
    }

    #[test]
    fn deterministic_service_meets_the_queue_of_fixed_arrivals() {
        // D/D/c: arrivals each 1 ms, service 5 ms in 2 slots: the n-th pair starts at 5 n/2 ms
        let mut spec = model();
        spec.stream_bandwidth = f64::INFINITY;
        spec.bandwidth = f64::INFINITY;
        let mut device = Device::new(spec, Random::new(1, 0));
        let done: Vec<u64> = (0..6).map(|n| device.read(n * MS, 1) / MS).collect();
        assert_eq!(done, [5, 6, 10, 11, 15, 16]);
    }
}
