//! What metrics share that follow from how many examples of each class were predicted to be of which.

use super::{Running, averaged};
use crate::evaluation::{Answers, Predictions, statistics::Tally};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a figure of single classes becomes one of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Average {
    /// All classes count the same.
    #[default]
    Macro,
    /// Classes count by their examples.
    Weighted,
}

/// A figure of a single class; `None` where it isn't defined.
type OfClass = fn(&Tally, usize) -> Option<f64>;

impl Average {
    /// The name of the averaged figure, `macro_f1`.
    pub(super) fn named(self, figure: &str) -> String {
        match self {
            Average::Macro => format!("macro_{figure}"),
            Average::Weighted => format!("weighted_{figure}"),
        }
    }

    pub(super) fn start(self, classes: usize, figure: OfClass) -> Box<dyn Running> {
        match self {
            Average::Macro => counting(classes, move |tally| tally.macro_average(figure)),
            Average::Weighted => counting(classes, move |tally| tally.weighted_average(figure)),
        }
    }
}

/// A figure that follows from the counts.
pub(super) fn counting(classes: usize, figure: impl Fn(&Tally) -> Option<f64> + 'static) -> Box<dyn Running> {
    Box::new(Counting { tally: Tally::empty(classes), figure })
}

struct Counting<F> {
    tally: Tally,
    figure: F,
}

impl<F: Fn(&Tally) -> Option<f64>> Running for Counting<F> {
    fn add(&mut self, answers: &Answers) {
        self.tally.add(answers.predictions(), |_| 1);
    }

    fn value(&self, _: usize) -> f64 {
        (self.figure)(&self.tally).unwrap_or(f64::NAN)
    }

    fn sums(&self) -> Vec<f64> {
        let Tally { right, predicted, support } = &self.tally;
        [right, predicted, support].into_iter().flatten().map(|&count| count as f64).collect()
    }

    fn take_up(&mut self, sums: &[f64], _: &[u8]) -> bool {
        let classes = self.tally.support.len();
        let fits = sums.len() == 3 * classes;
        if fits {
            let Tally { right, predicted, support } = &mut self.tally;
            for (counts, sums) in [right, predicted, support].into_iter().zip(sums.chunks_exact(classes.max(1))) {
                counts.iter_mut().zip(sums).for_each(|(count, &sum)| *count += sum as u64);
            }
        }
        fits
    }
}

/// The share of examples that are right in some sense.
pub(super) fn share(is_right: impl Fn(&Predictions, usize) -> bool + 'static) -> Box<dyn Running> {
    averaged(
        move |answers| {
            let examples = answers.predictions();
            (0..examples.len()).filter(|&index| is_right(examples, index)).count() as f64
        },
        |share| share,
    )
}
