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

/// Parts of the names of figures, with the least and the largest value that they can have.
const RANGES: [(&str, (f64, f64)); 10] = [
    ("accuracy", (0.0, 1.0)),
    ("precision", (0.0, 1.0)),
    ("recall", (0.0, 1.0)),
    ("f1", (0.0, 1.0)),
    ("auc", (0.0, 1.0)),
    ("calibration_error", (0.0, 1.0)),
    ("kappa", (-1.0, 1.0)),
    ("correlation", (-1.0, 1.0)),
    ("loss", (0.0, f64::INFINITY)),
    ("brier", (0.0, 2.0)),
];

impl Spread {
    /// The spread of a figure; what its interval has beyond the figure's range is cut off.
    pub fn of_figure(name: &str, values: &[f64]) -> Option<Self> {
        let mut spread = Self::of(values)?;
        if let Some((_, (least, most))) = RANGES.iter().find(|(part, _)| name.contains(part)) {
            spread.interval = spread.interval.map(|(low, high)| (low.max(*least), high.min(*most)));
        }
        Some(spread)
    }
}

impl Seeds {
    /// The figures over `runs`, of those that are complete; those of single classes are left out.
    pub fn spreads(runs: &[SeedRun]) -> BTreeMap<String, Spread> {
        let complete = || runs.iter().filter(|run| run.status == Status::Completed);
        let names = complete().flat_map(|run| run.figures.keys()).filter(|name| !name.contains('['));
        let spread = |name: &String| {
            let values: Vec<f64> = complete().filter_map(|run| run.figures.get(name).copied()).collect();
            Some((name.clone(), Spread::of_figure(name, &values)?))
        };
        names.filter_map(spread).collect()
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
