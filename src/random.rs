//! Randomness that depends on what it decides and on nothing else.
//!
//! Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) maps a key and a counter to 128
//! random bits. The key is made of the pipeline's seed and a purpose such as `shuffle/dataset.train[1]`; the counter of the
//! epoch or step, the example, and the block. Whoever asks, in whatever order, on whatever thread, gets the same numbers.

use sha2::{Digest, Sha256};

/// All random numbers of one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose {
    key: [u32; 2],
}

impl Purpose {
    /// The numbers of `seed` for `purpose`.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(purpose).finalize();
        let word = |at: usize| u32::from_le_bytes([digest[at], digest[at + 1], digest[at + 2], digest[at + 3]]);
        Purpose { key: [word(0), word(4)] }
    }

    /// The numbers of one decision: those of `major` (an epoch or a step) and `minor` (an example or an element).
    pub fn stream(self, major: u64, minor: u32) -> Stream {
        Stream { key: self.key, counter: [0, minor, major as u32, (major >> 32) as u32], block: [0; 4], used: 4 }
    }
}

/// A sequence of random numbers; at most 2^34 of 32 bits.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Stream {
    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// The next of them, as many as are computed side by side; what [`Stream::bits`] would give, one after the other, on a stream
    /// that has given none or a multiple of four.
    #[inline(always)]
    pub fn many_bits(&mut self) -> [u32; 4 * LANES] {
        debug_assert!(self.used == 4);
        let lanes = |word: usize| [self.counter[word]; LANES];
        let mut counters = [lanes(0), lanes(1), lanes(2), lanes(3)];
        for (lane, word) in counters[0].iter_mut().enumerate() {
            *word = word.wrapping_add(lane as u32);
        }
        self.counter[0] = self.counter[0].wrapping_add(LANES as u32);
        let blocks = philox_lanes(counters, self.key);
        let mut bits = [0; 4 * LANES];
        for (lane, block) in bits.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            *block = [blocks[0][lane], blocks[1][lane], blocks[2][lane], blocks[3][lane]];
        }
        bits
    }

    /// Uniform in `[0, 1)`, with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        let (high, low) = (u64::from(self.bits()), u64::from(self.bits()));
        ((high << 32 | low) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller's transform.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Beta(alpha, alpha) distributed, from two gamma variates (Marsaglia and Tsang, "A simple method for generating gamma
    /// variables", 2000). `alpha` must be above 0.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        // In logarithms: for a small alpha the variates themselves are too small for a number.
        let (one, other) = (self.log_gamma_variate(alpha), self.log_gamma_variate(alpha));
        1.0 / (1.0 + (other - one).exp())
    }

    /// The logarithm of a gamma variate of this shape and scale 1.
    fn log_gamma_variate(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            // 1 minus it, because the logarithm of 0 is none.
            let boost = (1.0 - self.unit()).ln() / shape;
            return self.log_gamma_variate(shape + 1.0) + boost;
        }
        let d = shape - 1.0 / 3.0;
        loop {
            let x = self.normal();
            let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
                return (d * v).ln();
            }
        }
    }

    /// Uniform in `0..bound`, without bias (Lemire's method). `bound` must not be 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u64::from(self.bits()) * u64::from(bound);
            if product as u32 >= threshold {
                return (product >> 32) as u32;
            }
        }
    }

    /// Puts `items` into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

/// How many blocks are computed side by side.
pub const LANES: usize = 16;

fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    philox_lanes(counter.map(|word| [word]), key).map(|[word]| word)
}

/// Several blocks; a counter's words lie in as many arrays.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "four arrays are read and written at the same place")]
fn philox_lanes<const N: usize>(mut counters: [[u32; N]; 4], mut key: [u32; 2]) -> [[u32; N]; 4] {
    let multiply = |a: u32, b: u32| {
        let product = u64::from(a) * u64::from(b);
        ((product >> 32) as u32, product as u32)
    };
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        for lane in 0..N {
            let [a, b, c, d] = [counters[0][lane], counters[1][lane], counters[2][lane], counters[3][lane]];
            let (high_0, low_0) = multiply(0xD251_1F53, a);
            let (high_1, low_1) = multiply(0xCD9E_8D57, c);
            counters[0][lane] = high_1 ^ b ^ key[0];
            counters[1][lane] = low_1;
            counters[2][lane] = high_0 ^ d ^ key[1];
            counters[3][lane] = low_0;
        }
    }
    counters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beta_variates_have_mean_and_variance_of_their_distribution() {
        for (number, alpha) in [0.05, 0.2, 1.0, 4.0].into_iter().enumerate() {
            let mut stream = Purpose::new(3, "beta").stream(0, number as u32);
            let values: Vec<f64> = (0..20_000).map(|_| stream.beta(alpha)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64;
            let want = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.02, "{alpha}: mean {mean}");
            assert!((variance / want - 1.0).abs() < 0.05, "{alpha}: variance {variance}, not {want}");
        }
        let extreme = Purpose::new(3, "beta").stream(0, 9).beta(1e-6);
        assert!((0.0..=1.0).contains(&extreme), "{extreme}");
    }

    /// The known answers that Random123 ships for philox4x32-10.
    #[test]
    fn philox_gives_the_known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        assert_eq!(
            philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }

    #[test]
    fn a_stream_depends_on_what_it_decides() {
        let draw = |seed, purpose: &str, major, minor| Purpose::new(seed, purpose).stream(major, minor).bits();
        let first = draw(1, "a", 2, 3);
        assert_eq!(first, draw(1, "a", 2, 3));
        for other in [draw(2, "a", 2, 3), draw(1, "b", 2, 3), draw(1, "a", 3, 3), draw(1, "a", 2, 4)] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn draws_have_their_distribution() {
        let mut stream = Purpose::new(0, "test").stream(0, 0);
        let n = 100_000;
        let units: Vec<f64> = (0..n).map(|_| stream.unit()).collect();
        let mean = units.iter().sum::<f64>() / f64::from(n);
        assert!((mean - 0.5).abs() < 0.005 && units.iter().all(|u| (0.0..1.0).contains(u)), "{mean}");
        let normals: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
        let mut counts = [0; 7];
        (0..70_000).for_each(|_| counts[stream.below(7) as usize] += 1);
        assert!(counts.iter().all(|c| (9_500..10_500).contains(c)), "{counts:?}");
    }
}
