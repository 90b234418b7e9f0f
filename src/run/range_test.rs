//! What a learning-rate range test found (Smith, 2017): the loss at each of the rates, and which rate that speaks for.

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
    pub loss: f64,
    /// The running mean of the losses.
    pub smoothed: f64,
}

/// How much of the running mean stays at each step.
const MOMENTUM: f64 = 0.95;
/// What times the lowest loss a loss must come to for the test to be over.
const DIVERGED: f64 = 4.0;
/// The first steps, whose running mean is a mean of hardly anything.
const FIRST: usize = 5;

impl RangeTest {
    /// Takes up a step; says whether the test is to go on.
    pub fn add(&mut self, learning_rate: f64, loss: f64) -> bool {
        let before = self.steps.len() as i32;
        // The mean is kept as it is shown; that it began with nothing is taken out and put in again.
        let mean = self.steps.last().map_or(0.0, |last| last.smoothed * (1.0 - MOMENTUM.powi(before)));
        let smoothed = (MOMENTUM * mean + (1.0 - MOMENTUM) * loss) / (1.0 - MOMENTUM.powi(before + 1));
        self.steps.push(Tried { learning_rate, loss, smoothed });
        let lowest = self.lowest().map_or(smoothed, |lowest| lowest.smoothed);
        self.diverged = !loss.is_finite() || (self.steps.len() > FIRST && smoothed > DIVERGED * lowest);
        !self.diverged
    }

    /// The step with the lowest running mean, but for the first ones.
    pub fn lowest(&self) -> Option<&Tried> {
        let sound = self.steps.iter().skip(FIRST).filter(|tried| tried.smoothed.is_finite());
        sound.min_by(|one, other| one.smoothed.total_cmp(&other.smoothed))
    }

    /// The rate at which the loss falls fastest by the logarithm of the rate, to two digits; `None` where it doesn't fall.
    pub fn suggestion(&self) -> Option<f64> {
        let lowest = self.lowest()?.learning_rate;
        let slope = |three: &[Tried]| {
            let run = (three[2].learning_rate / three[0].learning_rate).ln();
            (three[1].learning_rate, (three[2].smoothed - three[0].smoothed) / run)
        };
        let falling =
            self.steps.get(FIRST..)?.windows(3).map(slope).filter(|(rate, slope)| *rate <= lowest && *slope < 0.0);
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
        // The running mean is some steps behind the loss.
        assert!((8e-4..6e-3).contains(&rate), "{rate}");
        assert!(rate < test.lowest().unwrap().learning_rate);
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
    fn the_running_mean_of_equal_losses_is_that_loss() {
        let mut test = RangeTest::default();
        (1..10).for_each(|step| assert!(test.add(f64::from(step), 1.5)));
        assert!(test.steps.iter().all(|tried| (tried.smoothed - 1.5).abs() < 1e-12), "{test:?}");
    }
}
