//! What is computed after training, on test examples that training never saw.
//!
//! A step asks a [`Subject`] for what it needs: predictions, images, layers. It knows no tensor, so it can be tried on
//! made-up numbers. Its result is plain data that stands in `evaluation.json` and becomes a section of the report.

mod answers;
pub mod estimates;
mod figures;
mod gallery;
mod known;
pub mod one_vs_rest;
pub mod significance;
pub mod statistics;
mod subject;
#[cfg(test)]
pub(crate) mod trial;

pub use answers::Answers;
pub use estimates::{Estimates, Histogram};
pub use figures::FigureName;
pub use gallery::{Shown, Sure, shown};
pub use known::{Known, Misfit};
pub use subject::{Activations, Curve, Kernels, LayerShape, Predictions, Split, Subject};

use crate::{diagnostic::Result, family, task::Task};
use serde::{Deserialize, Serialize};

/// What the steps share.
pub trait EvaluationStep {
    /// Computes the step's result.
    ///
    /// # Errors
    /// Where an example cannot be read, libtorch fails, or the user wants to stop.
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult>;

    /// Whether it can be computed where that is predicted.
    fn suits(&self, task: Task) -> bool {
        task == Task::Classification
    }

    /// Whether examples must be images.
    fn needs_images(&self) -> bool {
        false
    }

    /// Whether a few examples take it no time, so that it can be rehearsed before training.
    fn is_quick(&self) -> bool {
        true
    }

    /// What expectations can name of its result, where that is predicted.
    fn figures(&self, _task: Task) -> Vec<FigureName> {
        Vec::new()
    }

    /// What of its arguments doesn't fit the model and the data.
    fn misfits(&self, _known: &Known<'_>) -> Vec<Misfit> {
        Vec::new()
    }
}

/// A step's result, as it is found among those of all steps.
pub trait Outcome: Sized {
    /// The result, where it is of this step.
    fn of(result: &StepResult) -> Option<&Self>;
}

/// Declares the family, and from the same list the results: each member's file has a struct `Outcome`.
macro_rules! steps {
    ($($module:ident::$Type:ident),+ $(,)?) => {
        family! {
            /// Something computed and shown after training.
            pub enum Evaluation("evaluation"): EvaluationStep { $($module::$Type),+ }
        }

        /// The result of one step, as it stands in `evaluation.json`.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum StepResult {
            $(#[allow(missing_docs)] $Type($module::Outcome),)+
        }

        $(
            impl From<$module::Outcome> for StepResult {
                fn from(outcome: $module::Outcome) -> Self {
                    StepResult::$Type(outcome)
                }
            }

            impl Outcome for $module::Outcome {
                fn of(result: &StepResult) -> Option<&Self> {
                    match result {
                        StepResult::$Type(outcome) => Some(outcome),
                        _ => None,
                    }
                }
            }
        )+
    };
}

steps! {
    learning_curves::LearningCurves,
    data::Data,
    metrics::Metrics,
    residuals::Residuals,
    classification_report::ClassificationReport,
    confusion_matrix::ConfusionMatrix,
    top_k::TopK,
    roc::Roc,
    precision_recall::PrecisionRecall,
    calibration::Calibration,
    threshold_table::ThresholdTable,
    sample_grid::SampleGrid,
    prediction_grid::PredictionGrid,
    worst_mistakes::WorstMistakes,
    most_uncertain::MostUncertain,
    per_class_examples::PerClassExamples,
    slices::Slices,
    robustness::Robustness,
    test_time_augmentation::TestTimeAugmentation,
    filters::Filters,
    feature_maps::FeatureMaps,
    saliency::Saliency,
    embedding::Embedding,
    latency::Latency,
}
