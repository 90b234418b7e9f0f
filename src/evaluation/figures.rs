//! What of the steps' results an expectation can name.

use super::StepResult;

/// A figure that a step gives.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureName {
    /// Its name, such as `test_macro_f1`; of a figure of single classes what stands before the brackets, `test_recall`.
    pub name: String,
    /// Whether there is one for each class: `test_recall[cat]`.
    pub by_class: bool,
    /// The least and the largest value that it can have.
    pub range: (f64, f64),
}

impl FigureName {
    /// A share of something.
    pub(super) fn share(name: &str) -> Self {
        FigureName { name: format!("test_{name}"), by_class: false, range: (0.0, 1.0) }
    }

    /// A figure of that range.
    pub(super) fn within(name: &str, range: (f64, f64)) -> Self {
        FigureName { range, ..Self::share(name) }
    }

    /// A share for each class.
    pub(super) fn of_classes(name: &str) -> Self {
        FigureName { by_class: true, ..Self::share(name) }
    }

    /// Whether `figure` is this one; of single classes where `classes`, if they are known, has the class.
    pub fn is(&self, figure: &str, classes: Option<&[String]>) -> bool {
        let of_class = || figure.strip_prefix(&self.name)?.strip_prefix('[')?.strip_suffix(']');
        match self.by_class {
            false => figure == self.name,
            true => of_class().is_some_and(|class| classes.is_none_or(|classes| classes.iter().any(|c| c == class))),
        }
    }
}

/// Figures by name, without those that aren't defined.
pub(super) fn named<'a>(figures: impl IntoIterator<Item = (&'a str, Option<f64>)>) -> Vec<(String, f64)> {
    figures.into_iter().filter_map(|(name, value)| Some((format!("test_{name}"), value?))).collect()
}

/// A figure of single classes, likewise.
pub(super) fn of_classes<'a>(
    figure: &str,
    classes: impl IntoIterator<Item = (&'a str, Option<f64>)>,
) -> Vec<(String, f64)> {
    classes.into_iter().filter_map(|(class, value)| Some((format!("test_{figure}[{class}]"), value?))).collect()
}

impl StepResult {
    /// What expectations can name of it: see [`super::EvaluationStep::figures`].
    pub fn figures(&self) -> Vec<(String, f64)> {
        match self {
            StepResult::Metrics(outcome) => outcome.named_figures(),
            StepResult::ClassificationReport(outcome) => outcome.named_figures(),
            StepResult::TopK(outcome) => outcome.named_figures(),
            StepResult::Calibration(outcome) => outcome.named_figures(),
            StepResult::TestTimeAugmentation(outcome) => outcome.named_figures(),
            StepResult::Roc(outcome) => outcome.0.named_figures("roc_auc"),
            StepResult::PrecisionRecall(outcome) => outcome.0.named_figures("average_precision"),
            _ => Vec::new(),
        }
    }

    /// The 95% intervals of some of them.
    pub fn intervals(&self) -> Vec<(String, (f64, f64))> {
        match self {
            StepResult::Metrics(outcome) => outcome.named_intervals(),
            StepResult::TopK(outcome) => outcome.named_intervals(),
            StepResult::TestTimeAugmentation(outcome) => outcome.named_intervals(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evaluation::{Evaluation, trial::Trial},
        task::Task,
    };

    #[test]
    fn every_figure_that_a_step_names_is_given_and_no_other() {
        let trial =
            Trial::new(&[(0, [0.7, 0.2, 0.1]), (1, [0.1, 0.6, 0.3]), (2, [0.2, 0.5, 0.3]), (2, [0.1, 0.1, 0.8])]);
        let regression = Trial {
            task: Task::Regression,
            ..Trial::new(&[(0, [0.7, 0.2, 0.1]), (1, [0.1, 0.6, 0.3]), (2, [0.2, 0.5, 0.3])])
        };
        let classes = &trial.predictions.classes;
        let mut all = 0;
        for (name, trial) in Evaluation::NAMES.iter().flat_map(|name| [(name, &trial), (name, &regression)]) {
            let step: Evaluation = serde_json::from_value(serde_json::json!({ *name: {} })).unwrap();
            if !step.suits(trial.task) {
                continue;
            }
            let (names, given) = (step.figures(trial.task), step.compute(trial).unwrap().figures());
            for (figure, value) in &given {
                let own = names.iter().find(|own| own.is(figure, Some(classes)));
                let own = own.unwrap_or_else(|| panic!("{name} doesn't name {figure}"));
                assert!(own.range.0 <= *value && *value <= own.range.1, "{figure}: {value}");
            }
            for (figure, (low, high)) in step.compute(trial).unwrap().intervals() {
                // Accuracy is a figure of the evaluation itself.
                let value = given.iter().find(|(name, _)| *name == figure).map_or(0.75, |(_, value)| *value);
                assert!(low <= value && value <= high, "{figure}: {value} from {low} to {high}");
            }
            for own in names.iter().filter(|own| own.name != "test_top_5_accuracy") {
                assert!(given.iter().any(|(figure, _)| own.is(figure, None)), "{name} doesn't give {}", own.name);
            }
            all += given.len();
        }
        assert!(all > 20, "{all}");
    }

    #[test]
    fn figures_of_classes_name_their_class() {
        let recall = FigureName::of_classes("recall");
        let classes = ["cat".to_owned(), "a [b]".to_owned()];
        assert!(recall.is("test_recall[cat]", Some(&classes)) && recall.is("test_recall[a [b]]", Some(&classes)));
        assert!(!recall.is("test_recall[dog]", Some(&classes)) && recall.is("test_recall[dog]", None));
        assert!(!recall.is("test_recall", None));
    }
}
