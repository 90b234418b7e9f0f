//! Numbers that a model predicted, and how far they are from what they should be.
//!
//! Definitions are scikit-learn's; what isn't defined is `None`.

use super::statistics::quantile;
use serde::{Deserialize, Serialize};

/// What a model said of every example of a split whose number was to be predicted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimates {
    /// The true number of each example.
    pub targets: Vec<f32>,
    /// What the model said it was.
    pub predicted: Vec<f32>,
}

/// A figure of estimates, where each of them counts as often as is said.
pub type OfEstimates = fn(&Estimates, &dyn Fn(usize) -> u32) -> Option<f64>;

/// The figures by name, in the order in which they are shown.
pub const FIGURES: [(&str, OfEstimates); 4] = [
    ("mean_absolute_error", Estimates::mean_absolute_error),
    ("root_mean_squared_error", Estimates::root_mean_squared_error),
    ("mean_squared_error", Estimates::mean_squared_error),
    ("r2_score", Estimates::r2_score),
];

/// The figure of that name.
pub fn figure(name: &str) -> Option<OfEstimates> {
    FIGURES.iter().find(|(known, _)| *known == name).map(|(_, figure)| *figure)
}

/// The least and the largest value that the figure of that name can have.
pub fn range(name: &str) -> (f64, f64) {
    if name == "r2_score" { (f64::NEG_INFINITY, 1.0) } else { (0.0, f64::INFINITY) }
}

impl Estimates {
    /// How many examples there are.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// By how much an example's number is larger than what was said.
    pub fn residual(&self, index: usize) -> f64 {
        f64::from(self.targets[index]) - f64::from(self.predicted[index])
    }

    /// All of them.
    pub fn residuals(&self) -> Vec<f64> {
        (0..self.len()).map(|index| self.residual(index)).collect()
    }

    /// The mean of `value` over the examples, each counted as often as `count` says.
    fn mean(&self, count: &dyn Fn(usize) -> u32, value: impl Fn(usize) -> f64) -> Option<f64> {
        let (mut sum, mut all) = (0.0, 0u64);
        for index in 0..self.len() {
            let times = count(index);
            sum += f64::from(times) * value(index);
            all += u64::from(times);
        }
        (all > 0).then(|| sum / all as f64).filter(|mean| !mean.is_nan())
    }

    /// The mean distance from the true numbers.
    pub fn mean_absolute_error(&self, count: &dyn Fn(usize) -> u32) -> Option<f64> {
        self.mean(count, |index| self.residual(index).abs())
    }

    /// The mean of the squared distances.
    pub fn mean_squared_error(&self, count: &dyn Fn(usize) -> u32) -> Option<f64> {
        self.mean(count, |index| self.residual(index).powi(2))
    }

    /// Its square root.
    pub fn root_mean_squared_error(&self, count: &dyn Fn(usize) -> u32) -> Option<f64> {
        self.mean_squared_error(count).map(f64::sqrt)
    }

    /// The share of the true numbers' variance that the predictions explain: 1 for all of it, 0 for always saying the mean.
    /// `None` where all true numbers are the same.
    pub fn r2_score(&self, count: &dyn Fn(usize) -> u32) -> Option<f64> {
        let target = |index: usize| f64::from(self.targets[index]);
        let mean = self.mean(count, target)?;
        let variance = self.mean(count, |index| (target(index) - mean).powi(2))?;
        (variance > 0.0).then_some(1.0 - self.mean_squared_error(count)? / variance)
    }
}

/// How many values lie in each of some ranges of equal width.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Where the first range begins.
    pub from: f64,
    /// Where the last one ends; that end is its own.
    pub to: f64,
    /// How many values each of them has.
    pub counts: Vec<u64>,
}

/// A histogram has at most so many ranges.
const MOST_BINS: usize = 40;

impl Histogram {
    /// Of those values that are finite, by the rule of Freedman and Diaconis (1981): ranges of twice the distance of the
    /// quartiles, divided by the cube root of how many values there are. `None` without values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (from, to) = (*sorted.first()?, *sorted.last()?);
        let spread = quantile(&sorted, 0.75)? - quantile(&sorted, 0.25)?;
        let width = 2.0 * spread / (sorted.len() as f64).cbrt();
        let bins = if width > 0.0 { ((to - from) / width).ceil() } else { 1.0 };
        let bins = (bins.max(1.0) as usize).min(MOST_BINS);
        let mut counts = vec![0; bins];
        for value in sorted {
            let place = if to > from { (value - from) / (to - from) * bins as f64 } else { 0.0 };
            counts[(place as usize).min(bins - 1)] += 1;
        }
        Some(Histogram { from, to, counts })
    }

    /// Each range, with how many values it has.
    pub fn bins(&self) -> impl Iterator<Item = ((f64, f64), u64)> {
        let width = (self.to - self.from) / self.counts.len() as f64;
        let edge = move |at: usize| self.from + at as f64 * width;
        self.counts.iter().enumerate().map(move |(at, count)| ((edge(at), edge(at + 1)), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four() -> Estimates {
        Estimates { targets: vec![3.0, -0.5, 2.0, 7.0], predicted: vec![2.5, 0.0, 2.0, 8.0] }
    }

    /// The example in scikit-learn's documentation.
    #[test]
    fn figures_are_those_of_a_textbook() {
        let once = |_: usize| 1;
        let of = |name: &str| figure(name).unwrap()(&four(), &once).unwrap();
        assert_eq!(of("mean_absolute_error"), 0.5);
        assert_eq!(of("mean_squared_error"), 0.375);
        assert!((of("root_mean_squared_error") - 0.612_372_435_7).abs() < 1e-10);
        assert!((of("r2_score") - 0.948_608_137_0).abs() < 1e-10);
    }

    #[test]
    fn an_example_that_counts_twice_is_as_if_it_were_there_twice() {
        let twice = Estimates { targets: vec![3.0, 7.0, 7.0], predicted: vec![2.5, 8.0, 8.0] };
        let count = |index: usize| [1, 0, 0, 2][index];
        for (name, figure) in FIGURES {
            let (one, other) = (figure(&four(), &count).unwrap(), figure(&twice, &|_| 1).unwrap());
            assert!((one - other).abs() < 1e-12, "{name}: {one} and {other}");
        }
    }

    #[test]
    fn what_has_nothing_to_divide_by_is_not_defined() {
        let same = Estimates { targets: vec![2.0; 3], predicted: vec![1.0, 2.0, 3.0] };
        assert_eq!(same.r2_score(&|_| 1), None);
        let odd = Estimates { targets: vec![2.0, 1.0], predicted: vec![f32::NAN, 1.0] };
        for (name, figure) in FIGURES {
            assert_eq!(figure(&Estimates::default(), &|_| 1), None, "{name}");
            assert_eq!(figure(&odd, &|_| 1).filter(|value| value.is_finite()), None, "{name}");
        }
    }

    #[test]
    fn a_histogram_counts_every_value_once() {
        let values: Vec<f64> = (0..1000).map(|at| f64::from(at % 100)).chain([f64::NAN]).collect();
        let histogram = Histogram::of(&values).unwrap();
        assert_eq!((histogram.from, histogram.to), (0.0, 99.0));
        assert_eq!(histogram.counts.iter().sum::<u64>(), 1000);
        assert!((5..=MOST_BINS).contains(&histogram.counts.len()));
        assert_eq!(histogram.bins().last().unwrap().0.1, 99.0);
        assert_eq!(Histogram::of(&[5.0; 7]).unwrap().counts, [7]);
        assert_eq!(Histogram::of(&[f64::NAN]), None);
        let outlier = Histogram::of(&[1.0, 1.1, 1.2, 1.3, 1e9]).unwrap();
        assert_eq!(outlier.counts.len(), MOST_BINS);
    }
}
