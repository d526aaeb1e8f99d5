//! When a request of the emulated storage is done, as arithmetic on virtual time. Absent: clocks, threads, bytes.
//!
//! A request takes the first free of `concurrency` slots, waits one latency, then sends its bytes over the one link:
//! `done = max(start + latency, link_free) + bytes / bandwidth`. The link has a clock of its own and no bucket of
//! tokens, so no burst can beat the bandwidth after a pause. It is the storage model that the simulator charges.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use mlopt_core::Nanos;

/// The emulated storage's properties.
#[derive(Debug, Clone, PartialEq)]
pub struct StorageSpec {
    /// Median time to the first byte, and of each metadata operation [ns].
    pub latency_ns: u64,
    /// Standard deviation of the latency's natural logarithm [1].
    pub jitter: f64,
    /// Shared by all requests, infinite for no limit [bytes/s].
    pub bandwidth: f64,
    /// Requests served at once.
    pub concurrency: usize,
    /// Seed of the latencies.
    pub seed: u64,
}

/// What a request was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Booking {
    /// When it came.
    pub arrival: Nanos,
    /// When it got a slot.
    pub start: Nanos,
    /// Its drawn latency [ns].
    pub latency_ns: u64,
    /// When its answer is due.
    pub done: Nanos,
}

/// The state of slots and link.
#[derive(Debug)]
pub struct Schedule {
    spec: StorageSpec,
    slots: BinaryHeap<Reverse<u64>>,
    link_free: u64,
    draws: u64,
}

impl Schedule {
    /// All slots and the link free.
    pub fn new(spec: StorageSpec) -> Schedule {
        let slots = (0..spec.concurrency.max(1)).map(|_| Reverse(0)).collect();
        Schedule {
            spec,
            slots,
            link_free: 0,
            draws: 0,
        }
    }

    /// What it was made from.
    pub fn spec(&self) -> &StorageSpec {
        &self.spec
    }

    /// Book a request that arrives now and sends this many bytes.
    pub fn admit(&mut self, now: Nanos, bytes: u64) -> Booking {
        let Reverse(free) = self.slots.pop().unwrap_or(Reverse(0));
        let start = free.max(now.0);
        let latency_ns = self.draw_latency();
        let mut done = start + latency_ns;
        if bytes > 0 {
            let sending = (bytes as f64 / self.spec.bandwidth * 1e9) as u64;
            done = done.max(self.link_free) + sending;
            self.link_free = done;
        }
        self.slots.push(Reverse(done));
        Booking {
            arrival: now,
            start: Nanos(start),
            latency_ns,
            done: Nanos(done),
        }
    }

    /// Slots that are taken at this time.
    pub fn busy(&self, now: Nanos) -> usize {
        self.slots.iter().filter(|Reverse(free)| *free > now.0).count()
    }

    /// The n-th latency of a seed is always the same, whatever was asked before.
    fn draw_latency(&mut self) -> u64 {
        self.draws += 1;
        let normal = standard_normal(self.spec.seed, self.draws);
        (self.spec.latency_ns as f64 * (self.spec.jitter * normal).exp()) as u64
    }
}

/// The n-th number of a seed's standard normal sequence (Box and Muller).
fn standard_normal(seed: u64, n: u64) -> f64 {
    let unit = |k: u64| (mixed(seed ^ mixed(k)) >> 11) as f64 / (1_u64 << 53) as f64;
    let radius = (-2.0 * (1.0 - unit(2 * n)).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(2 * n + 1)).cos()
}

/// SplitMix64's output function: each input bit moves half of the output bits.
fn mixed(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn spec() -> StorageSpec {
        StorageSpec {
            latency_ns: 5 * MS,
            jitter: 0.0,
            bandwidth: 100e6,
            concurrency: 2,
            seed: 1,
        }
    }

    #[test]
    fn a_lone_request_waits_latency_and_sending() {
        // 100,000 bytes at 100 MB/s: 1 ms
        let booking = Schedule::new(spec()).admit(Nanos(7), 100_000);
        assert_eq!((booking.start, booking.done), (Nanos(7), Nanos(7 + 6 * MS)));
    }

    #[test]
    fn latencies_overlap_up_to_the_slots_and_bytes_never() {
        let mut schedule = Schedule::new(spec());
        let done: Vec<u64> = (0..4)
            .map(|_| schedule.admit(Nanos(0), 100_000).done.0 / MS)
            .collect();
        // two slots: 5+1, link behind it 7; the third starts at 6 and ends at 12, the fourth starts at 7: 13
        assert_eq!(done, [6, 7, 12, 13]);
        assert_eq!((schedule.busy(Nanos(0)), schedule.busy(Nanos(12 * MS))), (2, 1));
    }

    #[test]
    fn a_pause_saves_no_bandwidth_up() {
        let mut schedule = Schedule::new(StorageSpec {
            latency_ns: 0,
            ..spec()
        });
        let later = 10_000 * MS;
        schedule.admit(Nanos(0), 100_000);
        let done: Vec<u64> = (0..3)
            .map(|_| schedule.admit(Nanos(later), 100_000).done.0 - later)
            .collect();
        assert_eq!(done, [MS, 2 * MS, 3 * MS]);
    }

    #[test]
    fn metadata_neither_uses_nor_waits_for_the_link() {
        let mut schedule = Schedule::new(spec());
        schedule.admit(Nanos(0), 100_000_000);
        assert_eq!(schedule.admit(Nanos(0), 0).done, Nanos(5 * MS));
    }

    #[test]
    fn latencies_are_lognormal_around_the_median_and_repeat_with_the_seed() {
        let draw = |seed| -> Vec<f64> {
            let jittery = StorageSpec {
                jitter: 0.2,
                seed,
                bandwidth: f64::INFINITY,
                ..spec()
            };
            let mut schedule = Schedule::new(jittery);
            (0..4001)
                .map(|_| schedule.admit(Nanos(0), 0).latency_ns as f64)
                .collect()
        };
        let mut latencies = draw(3);
        assert_eq!(latencies, draw(3));
        assert_ne!(latencies, draw(4));
        let logs: Vec<f64> = latencies
            .iter()
            .map(|latency| (latency / (5 * MS) as f64).ln())
            .collect();
        let sigma = (logs.iter().map(|log| log * log).sum::<f64>() / logs.len() as f64).sqrt();
        assert!((sigma - 0.2).abs() < 0.01, "{sigma}");
        latencies.sort_by(f64::total_cmp);
        assert!(
            (latencies[2000] / (5 * MS) as f64 - 1.0).abs() < 0.02,
            "{}",
            latencies[2000]
        );
    }
}
