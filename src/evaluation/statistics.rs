//! What the steps share: intervals, resampling, quantiles, ranks, and what classes add up to.

use super::Predictions;
use crate::random::Purpose;
use rayon::prelude::*;

/// How sure the intervals are, everywhere.
pub const CONFIDENCE: f64 = 0.95;
/// The quantile of the standard normal distribution that leaves half of what [`CONFIDENCE`] leaves above it.
pub const Z: f64 = 1.959_963_984_540_054;

/// The interval of Wilson ("Probable inference, the law of succession, and statistical inference", 1927) for a share seen
/// among so many examples: (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), z = 1.96. Without examples it is 0 to 1.
pub fn wilson(share: f64, examples: usize) -> (f64, f64) {
    if examples == 0 {
        return (0.0, 1.0);
    }
    let n = examples as f64;
    let middle = share + Z * Z / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).max(0.0).sqrt();
    let below = 1.0 + Z * Z / n;
    (((middle - spread) / below).max(0.0), ((middle + spread) / below).min(1.0))
}

/// What `statistic` makes of each of `resamples` samples with replacement (Efron, "Bootstrap methods", 1979).
///
/// It is handed how often each example was drawn, which adds up to `examples`. Resample number n is the same for equal
/// `examples`, whoever asks: the draws are keyed by a constant, so that the same predictions always have the same interval.
pub fn bootstrap<T: Send>(examples: usize, resamples: u32, statistic: impl Fn(&[u32]) -> T + Sync) -> Vec<T> {
    let purpose = Purpose::new(0, "bootstrap/evaluation");
    let draw = |resample: u32| {
        let mut stream = purpose.stream(u64::from(resample), 0);
        let mut counts = vec![0u32; examples];
        for _ in 0..examples {
            counts[stream.below(examples as u32) as usize] += 1;
        }
        statistic(&counts)
    };
    (0..resamples).into_par_iter().map(draw).collect()
}

/// The middle [`CONFIDENCE`] of the values, which is the percentile method's interval. Those that are no numbers are left
/// out; `None` where none is left.
pub fn percentiles(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let outside = (1.0 - CONFIDENCE) / 2.0;
    Some((quantile(&values, outside)?, quantile(&values, 1.0 - outside)?))
}

/// How many samples the bootstrap draws for the interval of a mean.
const RESAMPLES: u32 = 1000;

/// The interval of a mean of values, one for each example, by the bootstrap. `None` where their mean isn't `mean` but for
/// what single precision loses: then they are not what it was made of.
pub fn mean_interval(values: &[f64], mean: f64) -> Option<(f64, f64)> {
    let weighted = |count: &dyn Fn(usize) -> u32| {
        let sum: f64 = values.iter().enumerate().map(|(example, value)| value * f64::from(count(example))).sum();
        sum / values.len() as f64
    };
    let off = (weighted(&|_| 1) - mean).abs();
    if off.is_nan() || off > 1e-3 * mean.abs().max(1e-2) {
        return None;
    }
    interval_of(values.len(), |count| Some(weighted(count)))
}

/// The mean of values and their standard deviation; nothing of none.
pub fn moments(values: &[f64]) -> Option<(f64, f64)> {
    let share = |sum: f64| sum / values.len() as f64;
    let mean = share(values.iter().sum());
    let variance = share(values.iter().map(|value| (value - mean).powi(2)).sum());
    (!values.is_empty()).then_some((mean, variance.sqrt()))
}

/// The interval of a figure over so many examples, by the bootstrap; `figure` is handed how often each of them counts.
pub fn interval_of(
    examples: usize,
    figure: impl Fn(&dyn Fn(usize) -> u32) -> Option<f64> + Sync,
) -> Option<(f64, f64)> {
    let drawn = bootstrap(examples, RESAMPLES, |counts| figure(&|example| counts[example]));
    percentiles(drawn.into_iter().flatten())
}

/// The quantile of Student's t with so many degrees of freedom, for a probability from 0.5 to below 1.
pub fn student_t(probability: f64, degrees: usize) -> f64 {
    let within = 2.0 * probability - 1.0;
    let mut bounds = (0.0, 1e6);
    // Halved until nothing is left between.
    for _ in 0..100 {
        let middle = (bounds.0 + bounds.1) / 2.0;
        if within_t(middle, degrees) < within { bounds.0 = middle } else { bounds.1 = middle }
    }
    bounds.1
}

/// The probability that Student's t lies between `-t` and `t` (Abramowitz and Stegun, 26.7.3 and 26.7.4).
fn within_t(t: f64, degrees: usize) -> f64 {
    let angle = (t / (degrees as f64).sqrt()).atan();
    let (sine, square) = (angle.sin(), angle.cos().powi(2));
    // Each term of the sum is the one before it times this.
    let sum = |first: f64, from: usize| {
        let mut term = first;
        let mut sum = 0.0;
        for k in (from..degrees).step_by(2) {
            sum += term;
            term *= square * k as f64 / (k + 1) as f64;
        }
        sum
    };
    match degrees % 2 {
        0 => sine * sum(1.0, 1),
        _ => std::f64::consts::FRAC_2_PI * (angle + sine * sum(angle.cos(), 2)),
    }
}

/// The `q`-quantile, 0 to 1, of values in ascending order, interpolated linearly as NumPy does. `None` without values.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let place = q * sorted.len().checked_sub(1)? as f64;
    let (lower, upper) = (place.floor() as usize, place.ceil() as usize);
    Some(sorted[lower] + (sorted[upper] - sorted[lower]) * place.fract())
}

/// The probabilities, `[example, class]`, where there are some and all of them are numbers.
pub fn probabilities(predictions: &Predictions) -> Option<&[f32]> {
    let all = &predictions.probabilities;
    let complete = all.len() == predictions.labels.len() * predictions.classes.len() && !all.is_empty();
    (complete && all.iter().all(|p| p.is_finite())).then_some(all)
}

/// The probability of the predicted class of each example.
pub fn confidences(predictions: &Predictions) -> Option<Vec<f64>> {
    at(predictions, &predictions.predicted)
}

/// The probability of the true class of each example.
pub fn true_probabilities(predictions: &Predictions) -> Option<Vec<f64>> {
    at(predictions, &predictions.labels)
}

/// The log loss of each example: −ln of the probability of its true class. As scikit-learn does, a probability is taken to
/// be at least 2.2e-16, so that one example that was thought impossible isn't infinitely bad.
pub fn log_losses(predictions: &Predictions) -> Option<Vec<f64>> {
    let bound = |p: f64| p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    Some(true_probabilities(predictions)?.into_iter().map(|p| -bound(p).ln()).collect())
}

/// The probability of one class for each example.
fn at(predictions: &Predictions, classes: &[u32]) -> Option<Vec<f64>> {
    let rows = probabilities(predictions)?.chunks_exact(predictions.classes.len());
    Some(rows.zip(classes).map(|(row, &class)| f64::from(row[class as usize])).collect())
}

/// Scores in descending order, for areas under curves.
pub struct Ranking {
    /// Indices of the scores.
    order: Vec<u32>,
    /// Where each run of equal scores ends in `order`.
    ends: Vec<u32>,
}

impl Ranking {
    /// Ranks the scores, none of which may be NaN.
    pub fn new(scores: &[f32]) -> Self {
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
        let differs = |i: &usize| *i == order.len() || scores[order[i - 1] as usize] != scores[order[*i] as usize];
        let ends = (1..=order.len()).filter(differs).map(|i| i as u32).collect();
        Ranking { order, ends }
    }

    /// How many positives and negatives each run of equal scores has, from the highest score down, if each example counts
    /// as often as `count` says.
    fn runs(&self, positive: impl Fn(usize) -> bool, count: impl Fn(usize) -> u32) -> impl Iterator<Item = (u64, u64)> {
        let mut begin = 0;
        self.ends.iter().map(move |&end| {
            let (mut positives, mut negatives) = (0, 0);
            for &example in &self.order[begin..end as usize] {
                let times = u64::from(count(example as usize));
                if positive(example as usize) {
                    positives += times;
                } else {
                    negatives += times;
                }
            }
            begin = end as usize;
            (positives, negatives)
        })
    }

    /// The area under the ROC curve: the probability that a positive has a higher score than a negative, equal ones counted
    /// half (the statistic of Mann and Whitney). `None` without positives or without negatives.
    pub fn auc(&self, positive: impl Fn(usize) -> bool, count: impl Fn(usize) -> u32) -> Option<f64> {
        let (mut positives, mut negatives, mut area) = (0, 0, 0.0);
        for (right, wrong) in self.runs(positive, count) {
            area += wrong as f64 * (positives as f64 + right as f64 / 2.0);
            positives += right;
            negatives += wrong;
        }
        (positives > 0 && negatives > 0).then(|| area / (positives as f64 * negatives as f64))
    }

    /// True and false positives where all from the highest score down to each distinct score are accepted.
    pub fn sweep(&self, positive: impl Fn(usize) -> bool) -> Vec<(u64, u64)> {
        let (mut positives, mut negatives) = (0, 0);
        let add = |(right, wrong): (u64, u64)| {
            positives += right;
            negatives += wrong;
            (positives, negatives)
        };
        self.runs(positive, |_| 1).map(add).collect()
    }
}

/// The ranking of the probabilities of each class; `None` where there are none, or one is no number.
pub fn rankings(predictions: &Predictions) -> Option<Vec<Ranking>> {
    let (all, classes) = (probabilities(predictions)?, predictions.classes.len());
    let of = |class: usize| {
        let scores: Vec<f32> = all.iter().skip(class).step_by(classes).copied().collect();
        Ranking::new(&scores)
    };
    Some((0..classes).into_par_iter().map(of).collect())
}

/// The mean of the areas under the ROC curves of the classes, where each example counts as often as `count` says.
pub fn mean_area(predictions: &Predictions, rankings: &[Ranking], count: impl Fn(usize) -> u32) -> Option<f64> {
    let area = |(class, ranking): (usize, &Ranking)| {
        ranking.auc(|example| predictions.labels[example] as usize == class, &count)
    };
    mean(rankings.iter().enumerate().map(area))
}

/// The same over all examples.
pub fn macro_roc_auc(predictions: &Predictions) -> Option<f64> {
    mean_area(predictions, &rankings(predictions)?, |_| 1)
}

/// What precision, recall and their kin are made of, by class.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    /// Examples of the class predicted to be of it.
    pub right: Vec<u64>,
    /// Examples predicted to be of the class.
    pub predicted: Vec<u64>,
    /// Examples of the class.
    pub support: Vec<u64>,
}

/// `None` for 0/0.
pub fn ratio(above: u64, below: u64) -> Option<f64> {
    (below > 0).then(|| above as f64 / below as f64)
}

/// The mean of what is defined.
pub fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.flatten().fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

impl Tally {
    /// Of no examples.
    pub fn empty(classes: usize) -> Self {
        Tally { right: vec![0; classes], predicted: vec![0; classes], support: vec![0; classes] }
    }

    /// Counts each example as often as `count` says.
    pub fn new(predictions: &Predictions, count: impl Fn(usize) -> u32) -> Self {
        let mut tally = Tally::empty(predictions.classes.len());
        tally.add(predictions, count);
        tally
    }

    /// Counts more examples, each as often as `count` says.
    pub fn add(&mut self, predictions: &Predictions, count: impl Fn(usize) -> u32) {
        for (example, (&label, &guess)) in predictions.labels.iter().zip(&predictions.predicted).enumerate() {
            let times = u64::from(count(example));
            self.support[label as usize] += times;
            self.predicted[guess as usize] += times;
            if label == guess {
                self.right[label as usize] += times;
            }
        }
    }

    /// How many examples there are.
    pub fn examples(&self) -> u64 {
        self.support.iter().sum()
    }

    /// Right among those predicted to be of the class.
    pub fn precision(&self, class: usize) -> Option<f64> {
        ratio(self.right[class], self.predicted[class])
    }

    /// Right among those that are of the class.
    pub fn recall(&self, class: usize) -> Option<f64> {
        ratio(self.right[class], self.support[class])
    }

    /// The harmonic mean of the two.
    pub fn f1(&self, class: usize) -> Option<f64> {
        ratio(2 * self.right[class], self.predicted[class] + self.support[class])
    }

    /// The share of examples predicted right.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.right.iter().sum(), self.examples())
    }

    /// The mean recall of the classes that have examples.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        mean((0..self.right.len()).map(|class| self.recall(class)))
    }

    /// The plain mean of a figure over all classes; what isn't defined counts as 0. `None` without examples.
    pub fn macro_average(&self, figure: impl Fn(&Self, usize) -> Option<f64>) -> Option<f64> {
        let values = (0..self.right.len()).map(|class| Some(figure(self, class).unwrap_or(0.0)));
        mean(values).filter(|_| self.examples() > 0)
    }

    /// The mean of a figure over classes, weighted by their examples; what isn't defined counts as 0. `None` without
    /// examples.
    pub fn weighted_average(&self, figure: impl Fn(&Self, usize) -> Option<f64>) -> Option<f64> {
        let sum: f64 =
            (0..self.right.len()).map(|class| figure(self, class).unwrap_or(0.0) * self.support[class] as f64).sum();
        (self.examples() > 0).then(|| sum / self.examples() as f64)
    }

    /// What an agreement by chance would come to, in examples squared: Σ predicted · support.
    fn chance(&self) -> f64 {
        self.predicted.iter().zip(&self.support).map(|(&p, &s)| p as f64 * s as f64).sum()
    }

    /// Cohen's kappa: the agreement beyond chance, as a share of what is possible. `None` where chance alone agrees fully.
    pub fn kappa(&self) -> Option<f64> {
        let n = self.examples() as f64;
        let (seen, chance) = (self.accuracy()?, self.chance() / (n * n));
        (chance < 1.0).then(|| (seen - chance) / (1.0 - chance))
    }

    /// The correlation coefficient of Matthews for any number of classes (Gorodkin, 2004). `None` where all labels or all
    /// predictions are the same.
    pub fn matthews(&self) -> Option<f64> {
        let squares = |counts: &[u64]| counts.iter().map(|&count| (count as f64).powi(2)).sum::<f64>();
        let n = self.examples() as f64;
        let right = self.right.iter().sum::<u64>() as f64;
        let below = (n * n - squares(&self.predicted)) * (n * n - squares(&self.support));
        (below > 0.0).then(|| (right * n - self.chance()) / below.sqrt())
    }
}

/// Also what the tests of the steps share.
#[cfg(test)]
pub mod tests {
    use super::*;

    /// Invented predictions that are right more often than not, keyed by a constant.
    pub fn invented(classes: usize, examples: usize) -> Predictions {
        let mut stream = Purpose::new(1, "invented").stream(0, 0);
        let mut predictions = Predictions {
            classes: (0..classes).map(|class| format!("class {class}")).collect(),
            labels: vec![],
            predicted: vec![],
            probabilities: vec![],
        };
        for _ in 0..examples {
            let label = stream.below(classes as u32);
            let logits: Vec<f64> =
                (0..classes).map(|class| stream.normal() + if class == label as usize { 2.0 } else { 0.0 }).collect();
            let sum: f64 = logits.iter().map(|x| x.exp()).sum();
            let row: Vec<f32> = logits.iter().map(|x| (x.exp() / sum) as f32).collect();
            let best = (0..classes).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
            predictions.labels.push(label);
            predictions.predicted.push(best as u32);
            predictions.probabilities.extend(row);
        }
        predictions
    }

    #[test]
    fn the_interval_is_wilsons() {
        // 8 of 10: 0.4902 to 0.9433, as in the literature.
        let (low, high) = wilson(0.8, 10);
        assert!((low - 0.4902).abs() < 1e-4 && (high - 0.9433).abs() < 1e-4, "{low} {high}");
        assert_eq!(wilson(1.0, 5).1, 1.0);
        assert_eq!(wilson(0.0, 5).0, 0.0);
        assert_eq!(wilson(0.5, 0), (0.0, 1.0));
    }

    #[test]
    fn quantiles_are_numpys() {
        let values = [1.0, 2.0, 4.0, 8.0];
        for (q, want) in [(0.0, 1.0), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            let ours = quantile(&values, q).unwrap();
            assert!((ours - want).abs() < 1e-12, "{q}: {ours}");
        }
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(percentiles([f64::NAN].into_iter()), None);
    }

    /// The mean of n normal values is spread by 1/√n, and so must be its resamples.
    #[test]
    fn the_bootstrap_spreads_a_mean_as_theory_says() {
        let mut stream = Purpose::new(5, "values").stream(0, 0);
        let values: Vec<f64> = (0..400).map(|_| stream.normal()).collect();
        let weighted = |counts: &[u32]| {
            assert_eq!(counts.iter().sum::<u32>(), 400);
            counts.iter().zip(&values).map(|(&count, value)| f64::from(count) * value).sum::<f64>() / 400.0
        };
        let means = bootstrap(values.len(), 1000, weighted);
        assert_eq!(means, bootstrap(values.len(), 1000, weighted));
        let (low, high) = percentiles(means.into_iter()).unwrap();
        let want = 2.0 * Z / 20.0;
        assert!(((high - low) / want - 1.0).abs() < 0.1, "{low} to {high}, not {want} wide");
        assert_eq!(bootstrap(0, 3, |counts| counts.len()), [0, 0, 0]);
    }

    #[test]
    fn a_mean_has_an_interval_only_where_the_values_make_it() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i % 10)).collect();
        let (low, high) = mean_interval(&values, 4.5).unwrap();
        // The standard error is that of ten equally frequent values, 2.872 / √200.
        let want = 2.0 * Z * 2.872 / 200f64.sqrt();
        assert!(low < 4.5 && 4.5 < high && ((high - low) / want - 1.0).abs() < 0.1, "{low} to {high}");
        assert_eq!(mean_interval(&values, 4.6), None);
        assert_eq!(mean_interval(&values, f64::NAN), None);
        assert_eq!(mean_interval(&[], 0.0), None);
    }

    #[test]
    fn ranks_count_equal_scores_half() {
        let (scores, positive) = ([0.1, 0.4, 0.35, 0.8, 0.4], [false, false, true, true, true]);
        let ranking = Ranking::new(&scores);
        // Of six pairs, 0.35 beats one and loses to one, 0.4 beats one and equals one, 0.8 beats two.
        let auc = ranking.auc(|i| positive[i], |_| 1).unwrap();
        assert!((auc - 4.5 / 6.0).abs() < 1e-12, "{auc}");
        assert_eq!(ranking.sweep(|i| positive[i]), [(1, 0), (2, 1), (3, 1), (3, 2)]);
        // An example that is counted twice is one that is there twice.
        let twice = Ranking::new(&[0.1, 0.4, 0.35, 0.8, 0.4, 0.35]);
        let positive_twice = [false, false, true, true, true, true];
        assert_eq!(ranking.auc(|i| positive[i], |i| 1 + u32::from(i == 2)), twice.auc(|i| positive_twice[i], |_| 1));
        assert_eq!(ranking.auc(|_| true, |_| 1), None);
        assert_eq!(Ranking::new(&[]).auc(|_| true, |_| 1), None);
    }

    #[test]
    fn what_is_no_number_is_not_used() {
        let mut predictions = invented(3, 5);
        assert!(probabilities(&predictions).is_some());
        predictions.probabilities[4] = f32::NAN;
        assert!(probabilities(&predictions).is_none() && log_losses(&predictions).is_none());
        predictions.probabilities.clear();
        assert!(confidences(&predictions).is_none());
    }

    #[test]
    fn the_impossible_is_not_infinitely_bad() {
        let predictions = Predictions {
            classes: vec!["a".into(), "b".into()],
            labels: vec![0, 1],
            predicted: vec![0, 0],
            probabilities: vec![0.5, 0.5, 1.0, 0.0],
        };
        let losses = log_losses(&predictions).unwrap();
        assert!((losses[0] - 2f64.ln()).abs() < 1e-12 && (losses[1] - 36.04).abs() < 0.01, "{losses:?}");
    }

    #[test]
    fn agreement_by_chance_is_worth_nothing() {
        let tally = |right: &[u64], predicted: &[u64], support: &[u64]| Tally {
            right: right.to_vec(),
            predicted: predicted.to_vec(),
            support: support.to_vec(),
        };
        // Always the frequent class: right in 9 of 10, no better than chance.
        let lazy = tally(&[9, 0], &[10, 0], &[9, 1]);
        assert_eq!((lazy.accuracy(), lazy.balanced_accuracy()), (Some(0.9), Some(0.5)));
        assert_eq!(lazy.kappa(), Some(0.0));
        assert_eq!(lazy.matthews(), None);
        let perfect = tally(&[4, 6], &[4, 6], &[4, 6]);
        assert_eq!((perfect.kappa(), perfect.matthews()), (Some(1.0), Some(1.0)));
        let none = tally(&[0, 0], &[0, 0], &[0, 0]);
        assert_eq!((none.kappa(), none.matthews(), none.accuracy()), (None, None, None));
    }
}
