//! The figures of all runs by epoch.

use super::Compared;
use serde::Serialize;

/// A figure of all runs by epoch.
#[derive(Debug, Serialize)]
pub struct Curve {
    /// `val_loss`
    pub figure: String,
    /// For each run `(epoch, value)`, without values that are no numbers; empty for a run without the figure.
    pub runs: Vec<Vec<(usize, f64)>>,
}

impl Curve {
    /// The smallest and the largest value.
    pub fn range(&self) -> [f64; 2] {
        let values = || self.runs.iter().flatten().map(|(_, value)| *value);
        [values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max)]
    }

    /// The first and the last epoch of any run.
    pub fn epochs(&self) -> (usize, usize) {
        let epochs = || self.runs.iter().flatten().map(|(epoch, _)| *epoch);
        (epochs().min().unwrap_or(1), epochs().max().unwrap_or(1))
    }
}

/// A curve for each figure that any run has, each one's `val_` behind it.
pub fn curves(runs: &[Compared]) -> Vec<Curve> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in runs.iter().flat_map(|run| run.history.iter().flat_map(|epoch| &epoch.figures)) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let bases: Vec<&str> = names.iter().map(|name| name.strip_prefix("val_").unwrap_or(name)).collect();
    let first = |name: &str| bases.iter().position(|base| *base == name.strip_prefix("val_").unwrap_or(name));
    names.sort_by_key(|name| (first(name), name.starts_with("val_")));
    let points = |run: &Compared, name: &str| -> Vec<(usize, f64)> {
        let all = run.history.iter().filter_map(|epoch| Some((epoch.epoch, epoch.figure(name)?)));
        all.filter(|(_, value)| value.is_finite()).collect()
    };
    let curve =
        |name: &str| Curve { figure: name.to_owned(), runs: runs.iter().map(|run| points(run, name)).collect() };
    names.into_iter().map(curve).filter(|curve| curve.runs.iter().any(|run| !run.is_empty())).collect()
}

/// A curve in a line of text, of at most `width` characters, on a scale that all runs share.
pub fn sparkline(points: &[(usize, f64)], [low, high]: [f64; 2], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let columns = points.len().min(width);
    let at = |column: usize| points[column * points.len() / columns].1;
    let bar = |value: f64| {
        let place = if high > low { (value - low) / (high - low) } else { 0.5 };
        BARS[((place * BARS.len() as f64) as usize).min(BARS.len() - 1)]
    };
    (0..columns)
        .map(|column| if column + 1 == columns { points[points.len() - 1].1 } else { at(column) })
        .map(bar)
        .collect()
}
