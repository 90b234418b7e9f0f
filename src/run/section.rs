//! The parts that a report can have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! sections {
    ($($(#[doc = $doc:literal])+ $Section:ident,)+) => {
        /// A section of the report.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ReportSection {
            $($(#[doc = $doc])+ $Section,)+
        }

        impl ReportSection {
            /// All of them, in the order in which a report shows them.
            pub const ALL: &'static [ReportSection] = &[$(ReportSection::$Section),+];
        }
    };
}

sections! {
    /// How the run ended, whether its expectations held, and its headline figures.
    Verdict,
    /// What the check warned of.
    Warnings,
    /// Loss and metrics by epoch.
    LearningCurves,
    /// The norms of gradients, and the share of dead activations, where `training.watch` asks for them.
    TrainingDynamics,
    /// How often each class was taken for each other, with examples of the mistakes.
    ConfusionMatrix,
    /// Precision, recall and F1 by class.
    ClassificationReport,
    /// Figures with their intervals.
    Metrics,
    /// How far predicted numbers are from the true ones.
    Residuals,
    /// How often the true class is among the most probable ones.
    TopK,
    /// Some test examples with what the model says of them.
    PredictionGrid,
    /// The mistakes that the model was surest of.
    WorstMistakes,
    /// The examples that the model is least sure of.
    MostUncertain,
    /// The surest and the hardest examples of each class.
    PerClassExamples,
    /// Some test images with their labels.
    SampleGrid,
    /// Whether probabilities mean what they say.
    Calibration,
    /// True against false positive rate.
    Roc,
    /// Precision against recall.
    PrecisionRecall,
    /// What if only confident predictions are accepted.
    ThresholdTable,
    /// The accuracy on parts of the test split.
    Slices,
    /// The accuracy on worse images.
    Robustness,
    /// The accuracy where several views of an image decide together.
    TestTimeAugmentation,
    /// Which pixels a prediction hangs on.
    Saliency,
    /// What leaves layers for single images.
    FeatureMaps,
    /// The kernels of the first convolution.
    Filters,
    /// The examples before the last layer, on a plane.
    Embedding,
    /// How long a prediction takes.
    Latency,
    /// The layers.
    Model,
    /// What was seen of the data.
    Data,
    /// Where the time went, and what the data was.
    TimeAndData,
    /// The pipeline.
    Configuration,
    /// On what, by what and from what the run was made.
    Provenance,
}

impl ReportSection {
    /// Its name, as a pipeline has it.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }
}
