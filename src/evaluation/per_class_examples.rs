//! What the model takes each class for: its surest hits and its hardest examples.

use super::{
    EvaluationStep, Shown, StepResult, Subject,
    gallery::{all_shown, largest},
};
use crate::diagnostic::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For each class, the test examples that the model is surest of, and those to which it gives the least probability of being
/// what they are. Of more than 30 classes, those with the least recall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "count", "examples" = [{}, {"count": 6}]))]
pub struct PerClassExamples {
    /// How many of each kind.
    #[schemars(range(min = 1, max = 12))]
    pub count: usize,
}

impl Default for PerClassExamples {
    fn default() -> Self {
        PerClassExamples { count: 4 }
    }
}

/// More classes would make a page that takes long to load.
const MOST_CLASSES: usize = 30;

/// The examples found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// By class, in the order of labels.
    pub classes: Vec<OfClass>,
    /// How many classes with examples aren't shown.
    pub left_out: usize,
}

/// Examples of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfClass {
    /// The class.
    pub class: u32,
    /// How many examples of it there are.
    pub examples: usize,
    /// How many of them were predicted right.
    pub right: usize,
    /// Right, and the most probable ones first.
    pub surest: Vec<Shown>,
    /// The least probable ones first.
    pub hardest: Vec<Shown>,
}

impl EvaluationStep for PerClassExamples {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let predictions = subject.predictions();
        let mut counts = vec![(0usize, 0usize); predictions.classes.len()];
        for index in 0..predictions.len() {
            let (all, right) = &mut counts[predictions.labels[index] as usize];
            *all += 1;
            *right += usize::from(predictions.is_right(index));
        }
        let mut classes: Vec<usize> = (0..counts.len()).filter(|&class| counts[class].0 > 0).collect();
        let recall = |class: usize| counts[class].1 as f64 / counts[class].0 as f64;
        classes.sort_by(|&a, &b| recall(a).total_cmp(&recall(b)).then(a.cmp(&b)));
        let left_out = classes.len().saturating_sub(MOST_CLASSES);
        classes.truncate(MOST_CLASSES);
        classes.sort_unstable();

        let of_label = |index: usize| f64::from(predictions.of(index)[predictions.labels[index] as usize]);
        let surest = largest(predictions, |index| predictions.is_right(index).then(|| of_label(index)));
        let hardest = largest(predictions, |index| Some(-of_label(index)));
        let some = |order: &[usize], class: usize| {
            let of_class = order.iter().copied().filter(|&index| predictions.labels[index] as usize == class);
            all_shown(subject, of_class.take(self.count), 1)
        };
        let shown = classes.into_iter().map(|class| {
            let (examples, right) = counts[class];
            let (surest, hardest) = (some(&surest, class)?, some(&hardest, class)?);
            Ok(OfClass { class: class as u32, examples, right, surest, hardest })
        });
        Ok(Outcome { classes: shown.collect::<Result<_>>()?, left_out }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::trial::Trial;

    #[test]
    fn each_class_has_its_surest_and_its_hardest() {
        let trial =
            Trial::new(&[(0, [0.6, 0.3, 0.1]), (0, [0.9, 0.1, 0.0]), (0, [0.2, 0.7, 0.1]), (2, [0.8, 0.1, 0.1])]);
        let StepResult::PerClassExamples(outcome) = (PerClassExamples { count: 2 }).compute(&trial).unwrap() else {
            panic!()
        };
        let indices = |examples: &[Shown]| examples.iter().map(|example| example.index).collect::<Vec<_>>();
        assert_eq!(outcome.classes.len(), 2);
        let cats = &outcome.classes[0];
        assert_eq!((indices(&cats.surest), indices(&cats.hardest)), (vec![1, 0], vec![2, 0]));
        assert_eq!((outcome.classes[1].right, outcome.classes[1].surest.len()), (0, 0));
    }
}
