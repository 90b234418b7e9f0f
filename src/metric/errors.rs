//! What metrics share that follow from how far predicted numbers are from the true ones.

use super::Running;
use crate::evaluation::Answers;

/// What `whole` makes of the mean over the examples of what `each` makes of a residual.
pub(super) fn mean_of(each: fn(f64) -> f64, whole: fn(f64) -> f64) -> Box<dyn Running> {
    Box::new(MeanOf { sum: 0.0, each, whole })
}

struct MeanOf {
    sum: f64,
    each: fn(f64) -> f64,
    whole: fn(f64) -> f64,
}

impl Running for MeanOf {
    fn add(&mut self, answers: &Answers) {
        let estimates = answers.estimates();
        self.sum += (0..estimates.len()).map(|index| (self.each)(estimates.residual(index))).sum::<f64>();
    }

    fn value(&self, examples: usize) -> f64 {
        (self.whole)(self.sum / examples as f64)
    }

    fn sums(&self) -> Vec<f64> {
        vec![self.sum]
    }

    fn take_up(&mut self, sums: &[f64], _: &[u8]) -> bool {
        let fits = sums.len() == 1;
        if fits {
            self.sum += sums[0];
        }
        fits
    }
}
