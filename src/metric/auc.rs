//! The area under the ROC curve of each class against all others, and the mean over the classes.

use super::{MetricDefinition, Running};
use crate::evaluation::{Answers, Predictions, statistics::macro_roc_auc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The probability that an example of a class gets more of it than one of another class, as the mean over the classes; told as
/// `macro_roc_auc`. It is exact, and so all probabilities of an epoch are kept until its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["AUROC", "roc_auc"], "examples" = [{}]))]
pub struct Auc {}

impl MetricDefinition for Auc {
    fn figure(&self) -> String {
        "macro_roc_auc".to_owned()
    }

    fn needs_probabilities(&self) -> bool {
        true
    }

    fn start(&self, classes: usize) -> Box<dyn Running> {
        let classes = vec![String::new(); classes];
        Box::new(Kept(Predictions { classes, ..Predictions::default() }))
    }
}

/// All examples so far.
struct Kept(Predictions);

impl Running for Kept {
    fn add(&mut self, answers: &Answers) {
        let examples = answers.predictions();
        self.0.labels.extend(&examples.labels);
        self.0.probabilities.extend(&examples.probabilities);
    }

    fn value(&self, _: usize) -> f64 {
        macro_roc_auc(&self.0).unwrap_or(f64::NAN)
    }

    /// Labels and probabilities, example by example.
    fn remembered(&self) -> Vec<u8> {
        let rows = self.0.labels.iter().zip(self.0.probabilities.chunks_exact(self.0.classes.len().max(1)));
        let row = |(label, probabilities): (&u32, &[f32])| {
            let probabilities = probabilities.iter().flat_map(|p| p.to_le_bytes());
            label.to_le_bytes().into_iter().chain(probabilities).collect::<Vec<u8>>()
        };
        rows.flat_map(row).collect()
    }

    fn keeps_examples(&self) -> bool {
        true
    }

    fn take_up(&mut self, sums: &[f64], remembered: &[u8]) -> bool {
        let classes = self.0.classes.len();
        let rows = remembered.chunks_exact(4 * (classes + 1));
        if !sums.is_empty() || !rows.remainder().is_empty() {
            return false;
        }
        for row in rows {
            let number = |at: usize| [row[at], row[at + 1], row[at + 2], row[at + 3]];
            self.0.labels.push(u32::from_le_bytes(number(0)));
            self.0.probabilities.extend((1..=classes).map(|class| f32::from_le_bytes(number(4 * class))));
        }
        self.0.labels.iter().all(|&label| (label as usize) < classes)
    }

    fn is_quick(&self) -> bool {
        false
    }
}
