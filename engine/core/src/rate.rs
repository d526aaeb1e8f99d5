//! A limit on the bytes that the files of one `prioritize` action fetch per second. Absent: a clock; what is fetched.
//!
//! A token bucket that may go into debt: a fetch starts while there are tokens and takes all its bytes at once. In any
//! time t at most `rate x t`, the burst and one block are started, however large blocks are against the rate.

use std::collections::VecDeque;

use crate::FetchId;
use crate::Nanos;

/// How much a class may save up while it asks for nothing, as a part of a second: 1 / 8.
const BURST_PART: u64 = 8;
const SECOND: i128 = 1_000_000_000;

/// The bucket, and the demand fetches that wait for its tokens.
#[derive(Debug)]
pub(crate) struct Limit {
    rate: i128,
    burst: i128,
    /// Tokens in bytes x 1e9, so that nothing is lost to rounding.
    tokens: i128,
    filled_at: Nanos,
    /// Demand fetches that wait.
    pub(crate) waiting: VecDeque<FetchId>,
    /// A prefetcher had more to fetch than the limit let through.
    pub(crate) holds_prefetch: bool,
}

impl Limit {
    /// A full bucket.
    pub(crate) fn new(bytes_per_s: u64, now: Nanos) -> Limit {
        let burst = i128::from(bytes_per_s / BURST_PART) * SECOND;
        Limit {
            rate: i128::from(bytes_per_s.max(1)),
            burst,
            tokens: burst,
            filled_at: now,
            waiting: VecDeque::new(),
            holds_prefetch: false,
        }
    }

    fn fill(&mut self, now: Nanos) {
        let gained = self.rate * i128::from(now.0 - self.filled_at.0);
        self.tokens = (self.tokens + gained).min(self.burst);
        self.filled_at = now;
    }

    /// Whether a fetch may start now.
    pub(crate) fn is_open(&mut self, now: Nanos) -> bool {
        self.fill(now);
        self.tokens > 0
    }

    /// A fetch starts.
    pub(crate) fn charge(&mut self, bytes: u64) {
        self.tokens -= i128::from(bytes) * SECOND;
    }

    /// When the driver must ask again, if anything waits.
    pub(crate) fn next_due(&self) -> Option<Nanos> {
        (!self.waiting.is_empty() || self.holds_prefetch).then(|| self.opens_at())
    }

    /// When the next fetch may start.
    fn opens_at(&self) -> Nanos {
        if self.tokens > 0 {
            return self.filled_at;
        }
        // the first instant with a token in the bucket
        let wait = -self.tokens / self.rate + 1;
        Nanos(
            self.filled_at
                .0
                .saturating_add(u64::try_from(wait).unwrap_or(u64::MAX)),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_window_has_more_than_rate_burst_and_one_block(
            rate in 1_u64 << 16..1 << 30,
            block in 4096_u64..1 << 22,
            pauses in proptest::collection::vec(0_u64..2_000_000_000, 1..60),
        ) {
            let mut limit = Limit::new(rate, Nanos(0));
            let (mut now, mut started) = (0_u64, Vec::new());
            for pause in pauses {
                // a greedy class: as often as it may, and idle now and then
                for _ in 0..20 {
                    if !limit.is_open(Nanos(now)) {
                        let opens = limit.opens_at().0;
                        prop_assert!(opens > now);
                        prop_assert!(!limit.is_open(Nanos(opens - 1)));
                        now = opens;
                    }
                    prop_assert!(limit.is_open(Nanos(now)));
                    limit.charge(block);
                    started.push(now);
                }
                now += pause;
            }
            for (first, from) in started.iter().enumerate() {
                for (last, until) in started.iter().enumerate().skip(first) {
                    let bytes = (last - first + 1) as f64 * block as f64;
                    let allowed = rate as f64 * ((until - from) as f64 * 1e-9 + 1.0 / BURST_PART as f64);
                    prop_assert!(bytes <= allowed + block as f64 + 1.0);
                }
            }
        }
    }
}
