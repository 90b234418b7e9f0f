//! What a learning-rate range test found (Smith, 2017): the loss at each of the rates, and which rate that speaks for.

use crate::exact;
use serde::{Deserialize, Serialize};

/// The rates that were tried, each for a step, from the lowest one up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RangeTest {
    /// The steps made.
    pub steps: Vec<Tried>,
    /// Whether the loss grew so much that the test ended before its time.
    pub diverged: bool,
}

/// A step at some rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// The rate.
    pub learning_rate: f64,
    /// The loss of the batch before the step.
    #[serde(with = "exact")]
    pub loss: f64,
}

/// What times the lowest loss the last ones must come to for the test to be over.
const DIVERGED: f64 = 4.0;
/// How many the last ones are.
const LAST: usize = 3;
/// A loss is smoothed over this share of the steps before and behind it, which doesn't put it off as a running mean would.
const SHARE: f64 = 0.05;

impl RangeTest {
    /// Takes up a step; says whether the test is to go on.
    pub fn add(&mut self, learning_rate: f64, loss: f64) -> bool {
        self.steps.push(Tried { learning_rate, loss });
        let mean = |tried: &[Tried]| tried.iter().map(|tried| tried.loss).sum::<f64>() / tried.len() as f64;
        let lowest = self.steps.windows(LAST).map(mean).fold(f64::INFINITY, f64::min);
        let last = self.steps.windows(LAST).last().map_or(loss, mean);
        self.diverged = !loss.is_finite() || last > DIVERGED * lowest;
        !self.diverged
    }

    /// Over how many steps to both sides losses are smoothed.
    fn reach(&self) -> usize {
        ((self.steps.len() as f64 * SHARE) as usize).max(1)
    }

    /// The rates with the means of the losses around them.
    pub fn smoothed(&self) -> Vec<(f64, f64)> {
        let count = self.steps.len();
        let mean = |at: usize| {
            let reach = self.reach().min(at).min(count - 1 - at);
            let around = &self.steps[at - reach..=at + reach];
            around.iter().map(|tried| tried.loss).sum::<f64>() / around.len() as f64
        };
        (0..count).map(|at| (self.steps[at].learning_rate, mean(at))).collect()
    }

    /// The rate with the lowest smoothed loss, and that loss.
    pub fn lowest(&self) -> Option<(f64, f64)> {
        let smoothed = self.smoothed().into_iter();
        smoothed.filter(|(_, loss)| loss.is_finite()).min_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    /// The rate at which the smoothed loss falls fastest by the logarithm of the rate, to two digits; `None` where it doesn't fall.
    pub fn suggestion(&self) -> Option<f64> {
        let (lowest, _) = self.lowest()?;
        let (smoothed, reach) = (self.smoothed(), self.reach());
        let slope = |around: &[(f64, f64)]| {
            let ((first, from), (last, to)) = (around[0], around[2 * reach]);
            (around[reach].0, (to - from) / (last / first).ln())
        };
        let slopes = smoothed.windows(2 * reach + 1).map(slope);
        let falling = slopes.filter(|(rate, slope)| *rate <= lowest && *slope < 0.0);
        let (rate, _) = falling.min_by(|(_, one), (_, other)| one.total_cmp(other))?;
        format!("{rate:.1e}").parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loss that falls around 1e-3 and explodes above 0.1.
    fn tried(steps: i32) -> RangeTest {
        let mut test = RangeTest::default();
        for step in 0..steps {
            let rate = 1e-6 * 10f64.powf(f64::from(step) * 7.0 / f64::from(steps - 1));
            let loss = 2.3 - 1.3 / (1.0 + (-3.0 * (rate / 1e-3).ln()).exp()) + (rate / 0.2).powi(3);
            if !test.add(rate, loss) {
                break;
            }
        }
        test
    }

    #[test]
    fn the_rate_at_which_the_loss_falls_fastest_is_proposed() {
        let test = tried(200);
        let rate = test.suggestion().unwrap();
        assert!((7e-4..1.4e-3).contains(&rate), "{rate}");
        assert!(rate < test.lowest().unwrap().0);
        assert!(test.diverged && test.steps.len() < 200, "{}", test.steps.len());
    }

    #[test]
    fn where_nothing_falls_nothing_is_proposed() {
        let mut test = RangeTest::default();
        assert_eq!(test.suggestion(), None);
        for step in 0..20 {
            assert!(test.add(1e-6 * f64::from(step + 1), 2.0 + 0.01 * f64::from(step)));
        }
        assert_eq!(test.suggestion(), None);
        assert!(!test.add(1.0, f64::INFINITY) && test.diverged);
        assert_eq!(test.suggestion(), None);
    }

    #[test]
    fn losses_are_smoothed_by_those_on_both_sides() {
        let mut test = RangeTest::default();
        (1..=40).for_each(|step| assert!(test.add(f64::from(step), 100.0 - f64::from(step))));
        assert_eq!(
            test.smoothed(),
            (1..=40).map(|step| (f64::from(step), 100.0 - f64::from(step))).collect::<Vec<_>>()
        );
        assert_eq!(test.lowest(), Some((40.0, 60.0)));
    }
}
