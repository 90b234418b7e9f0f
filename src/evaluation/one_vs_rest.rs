//! Areas under curves of each class against all others: what `roc` and `precision_recall` share.

use super::{
    Predictions,
    figures::{named, of_classes},
    statistics::{Ranking, mean, probabilities},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, collections::BinaryHeap};

/// The areas of all classes, and curves of some.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Areas {
    /// For each class, in the order of labels. Empty where there are no probabilities, or where one of them is no number.
    pub classes: Vec<Area>,
    /// The plain mean over the classes for which the area is defined.
    pub macro_average: Option<f64>,
    /// Their mean weighted by examples.
    pub weighted_average: Option<f64>,
    /// Of all pairs of an example and a class, ranked together.
    pub micro_average: Option<f64>,
    /// The micro-average's curve first, then those of the classes, by area from the smallest; where there are more than
    /// [`MOST_CURVES`], of the worst half and the best half as many.
    pub curves: Vec<Curve>,
}

impl Areas {
    /// The mean over classes, and the area of each class, which is called `figure`.
    pub(super) fn named_figures(&self, figure: &str) -> Vec<(String, f64)> {
        let mut figures = named([(format!("macro_{figure}").as_str(), self.macro_average)]);
        figures.extend(of_classes(figure, self.classes.iter().map(|class| (class.name.as_str(), class.area))));
        figures
    }
}

/// The area under the curve of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// The class.
    pub name: String,
    /// `None` where it isn't defined.
    pub area: Option<f64>,
    /// How many examples are of the class.
    pub support: u64,
}

/// A curve, thinned to at most [`MOST_POINTS`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The label of its class, or `None` for the micro-average.
    pub class: Option<u32>,
    /// Pairs of shares, from 0 to 1 each.
    pub points: Vec<(f64, f64)>,
}

/// So many classes' curves are kept.
pub const MOST_CURVES: usize = 10;
/// So many points of a curve are kept.
pub const MOST_POINTS: usize = 100;

/// True and false positives where all from the highest score down to each distinct score are accepted.
pub(super) type Sweep = [(u64, u64)];

/// Computes the areas by `area` and the curves by `curve`, which both are defined on a sweep.
pub(super) fn areas(
    predictions: &Predictions,
    area: impl Fn(&Sweep) -> Option<f64> + Sync,
    curve: impl Fn(&Sweep) -> Vec<(f64, f64)> + Sync,
) -> Areas {
    let classes = predictions.classes.len();
    let Some(all) = probabilities(predictions) else {
        return Areas {
            classes: vec![],
            macro_average: None,
            weighted_average: None,
            micro_average: None,
            curves: vec![],
        };
    };
    let mut support = vec![0u64; classes];
    predictions.labels.iter().for_each(|&label| support[label as usize] += 1);

    let of_class = |class: usize| {
        let scores: Vec<f32> = all.iter().skip(class).step_by(classes).copied().collect();
        let sweep = Ranking::new(&scores).sweep(|example| predictions.labels[example] as usize == class);
        let area = area(&sweep);
        (area, area.map_or_else(Vec::new, |_| thinned(curve(&sweep), MOST_POINTS)))
    };
    let of_classes: Vec<_> = (0..classes).into_par_iter().map(of_class).collect();
    let pairs = Ranking::new(all).sweep(|pair| predictions.labels[pair / classes] as usize == pair % classes);
    let micro_average = area(&pairs);

    let mut defined: Vec<usize> = (0..classes).filter(|&class| of_classes[class].0.is_some()).collect();
    defined.sort_by(|&a, &b| of_classes[a].0.unwrap_or(0.0).total_cmp(&of_classes[b].0.unwrap_or(0.0)));
    if defined.len() > MOST_CURVES {
        defined.drain(MOST_CURVES / 2..defined.len() - MOST_CURVES / 2);
    }
    let micro = micro_average.map(|_| Curve { class: None, points: thinned(curve(&pairs), MOST_POINTS) });
    let shown = defined.iter().map(|&class| Curve { class: Some(class as u32), points: of_classes[class].1.clone() });
    let weights: u64 = (0..classes).filter(|&class| of_classes[class].0.is_some()).map(|class| support[class]).sum();
    let weighted: f64 = (0..classes).filter_map(|class| Some(of_classes[class].0? * support[class] as f64)).sum();
    Areas {
        macro_average: mean(of_classes.iter().map(|(area, _)| *area)),
        weighted_average: (weights > 0).then(|| weighted / weights as f64),
        micro_average,
        curves: micro.into_iter().chain(shown).collect(),
        classes: (0..classes)
            .map(|class| Area {
                name: predictions.classes[class].clone(),
                area: of_classes[class].0,
                support: support[class],
            })
            .collect(),
    }
}

/// Leaves out points until `most` are left, always the one whose triangle with its neighbours is smallest, so that the
/// area under the curve changes least (Visvalingam and Whyatt, "Line generalisation by repeated elimination of points",
/// 1993). Points that lie on the line between their neighbours are left out in any case; both ends stay.
fn thinned(points: Vec<(f64, f64)>, most: usize) -> Vec<(f64, f64)> {
    let count = points.len();
    let triangle = |a: usize, b: usize, c: usize| {
        let ((ax, ay), (bx, by), (cx, cy)) = (points[a], points[b], points[c]);
        ((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)).abs() / 2.0
    };
    // Areas aren't negative, and the bits of such numbers are in their order.
    let entry = |area: f64, at: usize, before: usize, after: usize| Reverse((area.to_bits(), at, before, after));
    let mut before: Vec<usize> = (0..count).map(|i| i.saturating_sub(1)).collect();
    let mut after: Vec<usize> = (1..=count).collect();
    let mut heap: BinaryHeap<_> =
        (1..count.saturating_sub(1)).map(|i| entry(triangle(i - 1, i, i + 1), i, i - 1, i + 1)).collect();
    let (mut kept, mut left) = (vec![true; count], count);
    while let Some(Reverse((area, at, from, to))) = heap.pop() {
        // A neighbour has gone since, and with it came a newer entry.
        if !kept[at] || before[at] != from || after[at] != to {
            continue;
        }
        if left <= most && f64::from_bits(area) > 1e-15 {
            break;
        }
        kept[at] = false;
        left -= 1;
        (after[from], before[to]) = (to, from);
        for i in [from, to] {
            if i > 0 && i + 1 < count {
                heap.push(entry(triangle(before[i], i, after[i]), i, before[i], after[i]));
            }
        }
    }
    points.iter().zip(kept).filter(|(_, kept)| *kept).map(|(&point, _)| point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area_below(points: &[(f64, f64)]) -> f64 {
        points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0).sum()
    }

    #[test]
    fn thinning_keeps_ends_and_area() {
        let points: Vec<(f64, f64)> = (0..=5000).map(|i| f64::from(i) / 5000.0).map(|x| (x, x.powf(0.1))).collect();
        let thin = thinned(points.clone(), MOST_POINTS);
        assert_eq!((thin.len(), thin[0], thin[99]), (100, (0.0, 0.0), (1.0, 1.0)));
        assert!((area_below(&thin) - area_below(&points)).abs() < 1e-4);
    }

    #[test]
    fn what_lies_on_a_line_goes() {
        let points = vec![(0.0, 0.0), (0.0, 0.5), (0.0, 1.0), (0.5, 1.0), (1.0, 1.0)];
        assert_eq!(thinned(points, MOST_POINTS), [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)]);
        assert_eq!(thinned(vec![], 5), []);
        assert_eq!(thinned(vec![(0.0, 1.0)], 5), [(0.0, 1.0)]);
    }
}
