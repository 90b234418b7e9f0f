//! Runs that differ in nothing but their seed: what the luck of the draw makes of the figures.

use super::{ExpectationResult, Status};
use crate::evaluation::statistics::student_t;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The file in the directory of a group.
pub const SEEDS: &str = "seeds.json";

/// `seeds.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seeds {
    /// Version of this file's form.
    pub format: u32,
    /// The pipeline's name.
    pub name: String,
    /// The directory's own name.
    pub id: String,
    /// The runs, in the order of their seeds.
    pub runs: Vec<SeedRun>,
    /// The figures over the runs that are complete.
    pub figures: BTreeMap<String, Spread>,
    /// The gates, held against the means.
    pub expectations: Vec<ExpectationResult>,
}

/// One of the runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedRun {
    /// Its seed.
    pub seed: u64,
    /// Its directory's own name; nothing where it left none.
    pub id: Option<String>,
    /// How it ended.
    pub status: Status,
    /// The epochs it took.
    pub epochs: usize,
    /// From start to end, in seconds.
    pub seconds: f64,
    /// Its figures on the test data.
    pub figures: BTreeMap<String, f64>,
}

/// A figure over several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How many runs have it.
    pub runs: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, with `runs - 1` below; nothing of a single run.
    pub deviation: Option<f64>,
    /// The 95% interval of the mean by Student's t; nothing of a single run.
    pub interval: Option<(f64, f64)>,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub largest: f64,
}

impl Spread {
    /// The spread of some values; nothing without values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let runs = values.len();
        let mean = values.iter().sum::<f64>() / runs as f64;
        let fold = |with: fn(f64, f64) -> f64| values.iter().copied().reduce(with);
        let (least, largest) = (fold(f64::min)?, fold(f64::max)?);
        let deviation = (runs > 1).then(|| {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            (squares / (runs - 1) as f64).sqrt()
        });
        let interval = deviation.map(|deviation| {
            let half = student_t(0.975, runs - 1) * deviation / (runs as f64).sqrt();
            (mean - half, mean + half)
        });
        Some(Spread { runs, mean, deviation, interval, least, largest })
    }
}

impl Seeds {
    /// The figures over `runs`, of those that are complete. What an interval has beyond the figure's range is cut off.
    pub fn spreads(runs: &[SeedRun], range_of: impl Fn(&str) -> (f64, f64)) -> BTreeMap<String, Spread> {
        let complete = runs.iter().filter(|run| run.status == Status::Completed);
        let mut values: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
        for (name, value) in complete.flat_map(|run| &run.figures) {
            values.entry(name).or_default().push(*value);
        }
        let spread = |(name, values): (&String, Vec<f64>)| {
            let (least, most) = range_of(name);
            let spread = Spread::of(&values)?;
            let interval = spread.interval.map(|(low, high)| (low.max(least), high.min(most)));
            Some((name.clone(), Spread { interval, ..spread }))
        };
        values.into_iter().filter_map(spread).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_that_of_a_textbook() {
        let spread = Spread::of(&[0.91, 0.93, 0.92]).unwrap();
        assert!((spread.mean - 0.92).abs() < 1e-12 && (spread.deviation.unwrap() - 0.01).abs() < 1e-12);
        let (low, high) = spread.interval.unwrap();
        // t of 0.975 with 2 degrees of freedom is 4.3027.
        assert!((high - 0.92 - 4.3027 * 0.01 / 3f64.sqrt()).abs() < 1e-6 && (low + high - 1.84).abs() < 1e-9);
        assert_eq!((spread.least, spread.largest, spread.runs), (0.91, 0.93, 3));
        assert_eq!(Spread::of(&[0.5]).unwrap().interval, None);
        assert_eq!(Spread::of(&[]), None);
    }
}
