//! Mean and variance of the channels of images, or of the features of a table.

use crate::source::Form;

/// Of each channel or feature how many values there were, their sum, the sum of their squares, and their range. Of bytes
/// all of it is exact, in whatever order they come; of other numbers it is the same wherever the parts are joined in the
/// same order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelSums(Vec<Sum>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Sum {
    count: f64,
    sum: f64,
    squares: f64,
    least: f64,
    most: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
        self.least = self.least.min(value);
        self.most = self.most.max(value);
    }
}

/// What is known of each channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Means.
    pub mean: Vec<f64>,
    /// Variances, those of all values (and not estimates from a sample).
    pub variance: Vec<f64>,
    /// The smallest values.
    pub least: Vec<f64>,
    /// The largest values.
    pub most: Vec<f64>,
}

impl Statistics {
    /// Makes them those of the values times `factor`, plus `offset`, for each channel.
    pub fn scale(&mut self, by: impl Fn(usize) -> (f64, f64)) {
        for channel in 0..self.mean.len() {
            let (factor, offset) = by(channel);
            self.variance[channel] *= factor * factor;
            let ends = [self.least[channel], self.most[channel]].map(|end| end * factor + offset);
            self.mean[channel] = self.mean[channel] * factor + offset;
            (self.least[channel], self.most[channel]) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        }
    }
}

impl ChannelSums {
    /// Of no example yet.
    pub fn new(form: Form) -> Self {
        let none = Sum { count: 0.0, sum: 0.0, squares: 0.0, least: f64::INFINITY, most: f64::NEG_INFINITY };
        ChannelSums(vec![none; form.channels()])
    }

    /// Adds examples of a form.
    pub fn add(&mut self, form: Form, values: &[u8]) {
        match form {
            Form::Image([_, _, channels]) => self.add_bytes(values, channels),
            Form::Features(features) => {
                let numbers = values.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes));
                for (at, number) in numbers.enumerate() {
                    self.0[at % features].add(f64::from(number));
                }
            }
        }
    }

    fn add_bytes(&mut self, values: &[u8], channels: usize) {
        // Whole numbers first: they are added faster, and an image's cannot overflow.
        let mut histogram = vec![[0u32; 256]; channels];
        for pixel in values.chunks_exact(channels) {
            for (histogram, &value) in histogram.iter_mut().zip(pixel) {
                histogram[usize::from(value)] += 1;
            }
        }
        for (sum, histogram) in self.0.iter_mut().zip(histogram) {
            for (value, count) in histogram.into_iter().enumerate().filter(|(_, count)| *count > 0) {
                let (value, count) = (value as f64, f64::from(count));
                sum.count += count;
                sum.sum += count * value;
                sum.squares += count * value * value;
                sum.least = sum.least.min(value);
                sum.most = sum.most.max(value);
            }
        }
    }

    /// Those of both.
    pub fn join(mut self, other: &ChannelSums) -> Self {
        for (sum, more) in self.0.iter_mut().zip(&other.0) {
            sum.count += more.count;
            sum.sum += more.sum;
            sum.squares += more.squares;
            sum.least = sum.least.min(more.least);
            sum.most = sum.most.max(more.most);
        }
        self
    }

    /// What they come to; nothing where there were no values.
    pub fn statistics(&self) -> Option<Statistics> {
        self.0.iter().all(|sum| sum.count > 0.0).then(|| {
            let mean = |sum: &Sum| sum.sum / sum.count;
            let variance = |sum: &Sum| (sum.squares / sum.count - mean(sum) * mean(sum)).max(0.0);
            Statistics {
                mean: self.0.iter().map(mean).collect(),
                variance: self.0.iter().map(variance).collect(),
                least: self.0.iter().map(|sum| sum.least).collect(),
                most: self.0.iter().map(|sum| sum.most).collect(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_variance_and_range_are_those_of_each_channel() {
        let form = Form::Image([1, 2, 2]);
        let mut sums = ChannelSums::new(form);
        sums.add(form, &[1, 10, 3, 10]);
        let mut other = ChannelSums::new(form);
        other.add(form, &[5, 40]);
        let mut found = sums.join(&other).statistics().unwrap();
        assert_eq!(found.mean, [3.0, 20.0]);
        assert!((found.variance[0] - 8.0 / 3.0).abs() < 1e-12 && (found.variance[1] - 200.0).abs() < 1e-9, "{found:?}");
        assert_eq!((&found.least[..], &found.most[..]), (&[1.0, 10.0][..], &[5.0, 40.0][..]));
        found.scale(|channel| if channel == 0 { (2.0, 1.0) } else { (-1.0, 0.0) });
        assert_eq!((&found.least[..], &found.most[..]), (&[3.0, -40.0][..], &[11.0, -10.0][..]));
        assert_eq!((found.mean[0], found.variance[1].round()), (7.0, 200.0));
        assert_eq!(ChannelSums::new(form).statistics(), None);
    }

    #[test]
    fn features_are_numbers_of_their_own() {
        let form = Form::Features(2);
        let mut sums = ChannelSums::new(form);
        for row in [[0.5f32, -1.0], [1.5, -3.0]] {
            sums.add(form, &row.map(f32::to_ne_bytes).concat());
        }
        let found = sums.statistics().unwrap();
        assert_eq!((&found.mean[..], &found.variance[..]), (&[1.0, -2.0][..], &[0.25, 1.0][..]));
    }
}
