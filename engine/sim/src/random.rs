//! Seeded random numbers for latencies and CPU times. Absent: entropy of the machine.

/// SplitMix64: small, fast, good enough for drawing latencies.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator whose numbers depend on the seed and the stream alone.
    pub fn new(seed: u64, stream: u64) -> Random {
        let mut random = Random {
            state: seed ^ stream.wrapping_mul(0xA076_1D64_78BD_642F),
        };
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in (0, 1].
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// A factor of mean 1 from a gamma distribution of shape 6: the spread of CPU per item.
    pub fn gamma6(&mut self) -> f64 {
        let product: f64 = (0..6).map(|_| self.unit()).product();
        -product.ln() / 6.0
    }

    /// A factor of median 1 from a lognormal distribution; sigma is that of its natural logarithm.
    pub fn lognormal(&mut self, sigma: f64) -> f64 {
        if sigma <= 0.0 {
            return 1.0;
        }
        let radius = (-2.0 * self.unit().ln()).sqrt();
        (sigma * radius * (std::f64::consts::TAU * self.unit()).cos()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_has_mean_one_and_variance_of_a_sixth() {
        let mut random = Random::new(1, 0);
        let draws: Vec<f64> = (0..100_000).map(|_| random.gamma6()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert!((variance - 1.0 / 6.0).abs() < 0.01, "{variance}");
    }

    #[test]
    fn lognormal_has_median_one() {
        let mut random = Random::new(2, 0);
        let below = (0..100_000).filter(|_| random.lognormal(0.5) < 1.0).count();
        assert!((49_000..51_000).contains(&below), "{below}");
    }
}
