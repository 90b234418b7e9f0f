//! Precision, recall, F1 and support by class, with macro and weighted averages, as scikit-learn defines them.
//!
//! Where a class was never predicted, its precision is 0/0; it is shown as such (`null` here) and counted as 0 in the
//! averages, which is scikit-learn's `zero_division=0`. The same holds for the recall of a class without examples.

use super::{EvaluationStep, FigureName, Predictions, StepResult, Subject, statistics::Tally, figures::of_classes};
use crate::{diagnostic::Result, task::Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A table of precision, recall, F1 and support for each class, with macro and weighted averages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct ClassificationReport {}

/// The computed table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// A row for each class, in the order of labels.
    pub classes: Vec<Row>,
    /// The plain mean over classes.
    pub macro_average: Row,
    /// The mean weighted by support.
    pub weighted_average: Row,
    /// The share of examples predicted right.
    pub accuracy: f64,
}

/// One row of the table. `None` where the figure is 0/0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The class, or the kind of average.
    pub name: String,
    /// Right among those predicted to be of the class.
    pub precision: Option<f64>,
    /// Right among those that are of the class.
    pub recall: Option<f64>,
    /// Harmonic mean of the two.
    pub f1: Option<f64>,
    /// How many examples are of the class.
    pub support: u64,
}

/// A figure of one class.
type OfClass = fn(&Tally, usize) -> Option<f64>;

impl ClassificationReport {
    /// Computes the table.
    pub fn outcome(&self, predictions: &Predictions) -> Outcome {
        let tally = Tally::new(predictions, |_| 1);
        let classes = predictions.classes.iter().enumerate().map(|(class, name)| Row {
            name: name.clone(),
            precision: tally.precision(class),
            recall: tally.recall(class),
            f1: tally.f1(class),
            support: tally.support[class],
        });
        let row = |name: &str, average: &dyn Fn(OfClass) -> Option<f64>| Row {
            name: name.to_owned(),
            precision: average(Tally::precision),
            recall: average(Tally::recall),
            f1: average(Tally::f1),
            support: tally.examples(),
        };
        Outcome {
            classes: classes.collect(),
            macro_average: row("macro average", &|figure| tally.macro_average(figure)),
            weighted_average: row("weighted average", &|figure| tally.weighted_average(figure)),
            accuracy: tally.accuracy().unwrap_or(0.0),
        }
    }
}

impl Outcome {
    pub(super) fn named_figures(&self) -> Vec<(String, f64)> {
        let of = |figure: &str, value: fn(&Row) -> Option<f64>| {
            of_classes(figure, self.classes.iter().map(|row| (row.name.as_str(), value(row))))
        };
        [of("precision", |row| row.precision), of("recall", |row| row.recall), of("f1", |row| row.f1)].concat()
    }
}

impl EvaluationStep for ClassificationReport {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        Ok(self.outcome(subject.predictions()).into())
    }

    fn figures(&self, _: Task) -> Vec<FigureName> {
        ["precision", "recall", "f1"].map(FigureName::of_classes).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_never_predicted_has_no_precision() {
        let predictions = Predictions {
            classes: vec!["a".into(), "b".into(), "c".into()],
            labels: vec![0, 0, 1, 2],
            predicted: vec![0, 2, 0, 2],
            probabilities: vec![],
        };
        let table = ClassificationReport {}.outcome(&predictions);
        assert_eq!(table.classes[0].precision, Some(0.5));
        assert_eq!(table.classes[1].precision, None);
        assert_eq!(table.classes[1].recall, Some(0.0));
        // (1/2 + 0 + 1/2) / 3: the undefined one counts as 0.
        assert!((table.macro_average.precision.unwrap() - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(table.accuracy, 0.5);
    }
}
