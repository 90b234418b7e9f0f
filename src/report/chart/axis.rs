//! Where an axis begins and ends, its ticks, and their labels.

use crate::report::figure;
use plotters::{
    coord::ranged1d::{DefaultFormatting, KeyPointHint},
    prelude::Ranged,
};

/// An axis of a chart: what it shows, in which unit, and from where to where.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it shows, with its unit where it has one: `confidence (%)`.
    pub title: String,
    scale: Scale,
    from: f64,
    to: f64,
    /// The distance of ticks, which decides how many decimals a label has.
    step: f64,
    ticks: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// Whole numbers, such as epochs.
    Whole,
    /// Numbers of any size.
    Number,
    /// Shares, which lie from 0 to 1 and are shown as percent.
    Share,
    /// Numbers above 0 by their logarithm.
    Logarithm,
}

impl Axis {
    /// Epochs, first to last, with some room on both sides.
    pub fn epochs((first, last): (usize, usize)) -> Self {
        let margin = ((last - first) as f64 * 0.025).max(if first == last { 0.5 } else { 0.05 });
        let (from, to) = (first as f64 - margin, last as f64 + margin);
        Axis { title: "epoch".to_owned(), scale: Scale::Whole, from, to, step: 1.0, ticks: epoch_ticks((first, last)) }
    }

    /// Places numbered from 1, each with room for a bar.
    pub fn whole(title: impl Into<String>, count: usize) -> Self {
        let ticks = (1..=count).map(|place| place as f64).collect();
        Axis { title: title.into(), scale: Scale::Whole, from: 0.4, to: count as f64 + 0.6, step: 1.0, ticks }
    }

    /// Round numbers around the values; `None` where none of them is a number.
    pub fn numbers(title: impl Into<String>, values: impl Iterator<Item = f64>) -> Option<Self> {
        Self::around(title.into(), Scale::Number, values)
    }

    /// The same for shares, which never lead beyond 0 and 100%.
    pub fn shares(title: impl Into<String>, values: impl Iterator<Item = f64>) -> Option<Self> {
        Self::around(title.into(), Scale::Share, values)
    }

    /// All shares, 0 to 100%.
    pub fn all_shares(title: impl Into<String>) -> Self {
        Self::linear(title.into(), Scale::Share, 0.0, 1.0, 0.2)
    }

    /// Decades around the values, or a straight axis where one of them isn't above 0; `None` where none is a number.
    pub fn logarithm(title: impl Into<String>, values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let (low, high) = extremes(values.clone())?;
        if low <= 0.0 {
            return Self::numbers(title, values);
        }
        let (mut first, mut last) = ((low.log10() + 1e-9).floor() as i32, (high.log10() - 1e-9).ceil() as i32);
        if first >= last {
            (first, last) = (last - 1, first + 1);
        }
        let decades = (first..=last).map(|decade| 10f64.powi(decade)).collect();
        Some(Axis {
            title: title.into(),
            scale: Scale::Logarithm,
            from: 10f64.powi(first),
            to: 10f64.powi(last),
            step: 1.0,
            ticks: decades,
        })
    }

    fn around(title: String, scale: Scale, values: impl Iterator<Item = f64>) -> Option<Self> {
        let (low, high) = extremes(values)?;
        // A nearly flat curve shall not look like a mountain range.
        let least = if scale == Scale::Share { 0.02 } else { 0.02 * low.abs().max(high.abs()).max(1e-9) };
        let (low, high) = if high - low < least {
            let middle = f64::midpoint(low, high);
            (middle - least / 2.0, middle + least / 2.0)
        } else {
            (low, high)
        };
        let step = round_step((high - low) / 5.0);
        let (mut from, mut to) = ((low / step).floor() * step, (high / step).ceil() * step);
        if scale == Scale::Share {
            (from, to) = (from.max(0.0), to.min(1.0));
        }
        Some(Self::linear(title, scale, from, to, step))
    }

    fn linear(title: String, scale: Scale, from: f64, to: f64, step: f64) -> Self {
        let first = (from / step - 1e-9).ceil() as i64;
        let last = (to / step + 1e-9).floor() as i64;
        Axis { title, scale, from, to, step, ticks: (first..=last).map(|i| i as f64 * step).collect() }
    }

    /// The values at its two ends.
    pub fn ends(&self) -> (f64, f64) {
        (self.from, self.to)
    }

    /// A value as its ticks show it.
    pub fn label(&self, value: f64) -> String {
        let (value, step, unit) = match self.scale {
            Scale::Whole => return format!("{value:.0}"),
            Scale::Logarithm => return figure::rate(value),
            Scale::Share => (value * 100.0, self.step * 100.0, "%"),
            Scale::Number => (value, self.step, ""),
        };
        if value.abs() >= 1e6 || step < 1e-5 {
            return format!("{value:.2e}{unit}");
        }
        let decimals = (0..6).find(|&d| {
            let scaled = step * 10f64.powi(d);
            (scaled - scaled.round()).abs() < 1e-6 * scaled
        });
        // `+ 0.0` keeps a zero from being written as -0.
        format!("{:.*}{unit}", decimals.unwrap_or(6) as usize, value + 0.0).replace('-', "\u{2212}")
    }

    /// Where a value lies between the ends: 0 to 1.
    fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Logarithm => (value / self.from).ln() / (self.to / self.from).ln(),
            _ => (value - self.from) / (self.to - self.from),
        }
    }
}

/// plotters' view of it: the ticks that were asked for, and no others.
impl Ranged for Axis {
    type ValueType = f64;
    type FormatOption = DefaultFormatting;

    fn map(&self, value: &f64, (begin, end): (i32, i32)) -> i32 {
        begin + (f64::from(end - begin) * self.place(*value)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Light points are those of a finer grid, which isn't drawn.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.from..self.to
    }
}

fn extremes(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    (low <= high).then_some((low, high))
}

/// The smallest of 1, 2, 2.5, 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= step * (1.0 - 1e-9)).unwrap_or(power)
}

/// Whole epochs to label, at most about ten.
fn epoch_ticks((first, last): (usize, usize)) -> Vec<f64> {
    let mut step = 1;
    for next in [2, 5].into_iter().chain((1..12).flat_map(|p| [1, 2, 5].map(|m| m * 10usize.pow(p)))) {
        if (last - first) / step < 10 {
            break;
        }
        step = next;
    }
    let multiples = (first.div_ceil(step) * step..=last).step_by(step);
    let begin = (step > 2 && first % step != 0 && first % step <= step / 2).then_some(first);
    begin.into_iter().chain(multiples).map(|epoch| epoch as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_round_and_stay_within_shares() {
        let around = |values: &[f64], scale| Axis::around(String::new(), scale, values.iter().copied());
        let shares = |values: &[f64]| around(values, Scale::Share).unwrap();
        let numbers = |values: &[f64]| around(values, Scale::Number).unwrap();
        let axis = shares(&[0.41, 0.88]);
        assert_eq!((axis.from, axis.to, axis.step), (0.4, 0.9, 0.1));
        assert_eq!(axis.label(0.4), "40%");
        assert_eq!(shares(&[1.0]).to, 1.0);
        assert_eq!(shares(&[0.0]).from, 0.0);
        let flat = numbers(&[2.0, f64::NAN, 2.0]);
        assert!(flat.from < 2.0 && flat.to > 2.0);
        assert_eq!(around(&[f64::NAN], Scale::Number), None);
        assert_eq!(numbers(&[0.0, 0.0]).label(0.0), "0.00e0");
        assert_eq!(numbers(&[0.61, 0.82]).label(0.65), "0.65");
        assert_eq!(Axis::all_shares("").ticks.len(), 6);
    }

    #[test]
    fn a_logarithm_has_decades_and_no_zero() {
        let axis = Axis::logarithm("", [3e-4, 1e-3, 0.02].into_iter()).unwrap();
        assert_eq!(axis.ends(), (1e-4, 0.1));
        assert_eq!(
            axis.ticks.iter().map(|&tick| axis.label(tick)).collect::<Vec<_>>(),
            ["1e-4", "0.001", "0.01", "0.1"]
        );
        assert_eq!(axis.map(&1e-4, (0, 300)), 0);
        assert_eq!(axis.map(&1e-2, (0, 300)), 200);
        assert_eq!(Axis::logarithm("", [0.001; 2].into_iter()).unwrap().ends(), (1e-4, 1e-2));
        let straight = Axis::logarithm("", [0.0, 0.1].into_iter()).unwrap();
        assert_eq!((straight.scale, straight.from), (Scale::Number, 0.0));
        assert_eq!(Axis::logarithm("", [f64::NAN].into_iter()), None);
    }

    #[test]
    fn epochs_are_whole_and_few() {
        assert_eq!(epoch_ticks((1, 1)), [1.0]);
        assert_eq!(epoch_ticks((1, 4)), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(epoch_ticks((1, 12)), [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
        assert_eq!(epoch_ticks((1, 50)), [1.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0]);
        assert!(epoch_ticks((1, 12_345)).len() <= 14);
    }
}
