//! Mean and variance of the channels of images, exact and the same in whatever order the images come.

/// Of each channel how many values there were, their sum, and the sum of their squares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelSums(Vec<(u64, u64, u64)>);

/// Mean and variance of each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Means.
    pub mean: Vec<f64>,
    /// Variances, those of all values (and not estimates from a sample).
    pub variance: Vec<f64>,
}

impl Statistics {
    /// Makes them those of the values times `factor`, plus `offset`.
    pub fn scale(&mut self, factor: f64, offset: f64) {
        self.mean.iter_mut().for_each(|mean| *mean = *mean * factor + offset);
        self.variance.iter_mut().for_each(|variance| *variance *= factor * factor);
    }
}

impl ChannelSums {
    /// Of no image yet.
    pub fn new(channels: usize) -> Self {
        ChannelSums(vec![(0, 0, 0); channels])
    }

    /// Adds images, `[..., channels]`.
    pub fn add(&mut self, values: &[u8]) {
        for pixel in values.chunks_exact(self.0.len()) {
            for (sum, &value) in self.0.iter_mut().zip(pixel) {
                let value = u64::from(value);
                *sum = (sum.0 + 1, sum.1 + value, sum.2 + value * value);
            }
        }
    }

    /// Those of both.
    pub fn join(mut self, other: &ChannelSums) -> Self {
        for (sum, more) in self.0.iter_mut().zip(&other.0) {
            *sum = (sum.0 + more.0, sum.1 + more.1, sum.2 + more.2);
        }
        self
    }

    /// What they come to.
    pub fn statistics(&self) -> Statistics {
        let mean = |&(count, sum, _): &(u64, u64, u64)| sum as f64 / count.max(1) as f64;
        let variance = |sums: &(u64, u64, u64)| {
            let mean = mean(sums);
            (sums.2 as f64 / sums.0.max(1) as f64 - mean * mean).max(0.0)
        };
        Statistics { mean: self.0.iter().map(mean).collect(), variance: self.0.iter().map(variance).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_variance_are_those_of_each_channel() {
        let mut sums = ChannelSums::new(2);
        sums.add(&[1, 10, 3, 10]);
        let mut other = ChannelSums::new(2);
        other.add(&[5, 40]);
        let Statistics { mean, variance } = sums.join(&other).statistics();
        assert_eq!(mean, [3.0, 20.0]);
        assert!((variance[0] - 8.0 / 3.0).abs() < 1e-12 && (variance[1] - 200.0).abs() < 1e-9, "{variance:?}");
    }
}
