//! How far ahead of one reader is fetched: from a first size, growing while it reads on, up to a cap. Absent: readers.

/// The sizes that a window takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growth {
    /// Where it starts; the prefetcher's own choice where absent [bytes].
    pub(super) first_bytes: Option<u64>,
    /// How many times as large it gets with each step [1].
    pub(super) factor: f64,
    /// The cap [bytes].
    pub(super) most_bytes: u64,
}

impl Growth {
    /// The window of a reader that begins [bytes].
    pub(super) fn start(&self, otherwise: u64) -> u64 {
        self.first_bytes.unwrap_or(otherwise).min(self.most_bytes)
    }

    /// The window of a reader that reads on [bytes].
    pub(super) fn grown(&self, window_bytes: u64) -> u64 {
        ((window_bytes as f64 * self.factor) as u64).min(self.most_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_grows_by_its_factor_from_its_first_size_to_its_cap() {
        let sizes = |first_bytes, factor| {
            let growth = Growth {
                first_bytes,
                factor,
                most_bytes: 100_000,
            };
            let mut window = growth.start(8192);
            std::array::from_fn::<u64, 5, _>(|_| {
                let next = growth.grown(window);
                std::mem::replace(&mut window, next)
            })
        };
        assert_eq!(sizes(None, 2.0), [8192, 16384, 32768, 65536, 100_000]);
        assert_eq!(
            sizes(Some(20_000), 1.5),
            [20_000, 30_000, 45_000, 67_500, 100_000]
        );
        assert_eq!(sizes(Some(20_000), 1.0), [20_000; 5]);
        assert_eq!(sizes(Some(200_000), 4.0), [100_000; 5]);
    }
}
