//! The resolved pipeline: every key of the language, with its default. Serialised, it is itself a valid pipeline.

use super::{ClassWeight, Expectation, InitialWeights, Validation, initial_weights};
use crate::{
    callback::CallbackChoice,
    evaluation::Evaluation,
    layer::{Layer, Precision},
    loss::Loss,
    metric::Metric,
    optimizer::{OptimizerChoice, ParameterGroup},
    run::ReportSection,
    source::Source,
    stage::Stage,
    strategy::{Count, Strategy},
    task::Task,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap, path::PathBuf};

/// A Trainyard pipeline: the data, the model, its training and its evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// The version of the language: 1.
    #[schemars(with = "VersionSchema")]
    pub version: u32,
    /// Another pipeline file, its path relative to this one: what it says holds wherever this file says nothing. Mappings
    /// are merged key by key, lists replaced; `name` is not taken over.
    #[serde(default, skip_serializing)]
    #[schemars(with = "String", extend("x-default" = "nothing", "examples" = ["base.yaml"]))]
    pub extends: Option<String>,
    /// What the run is called; the file's name without its ending where it isn't given.
    #[serde(default)]
    #[schemars(extend(
        "pattern" = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        "x-default" = "the file's name",
        "x-expected" = "letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
        "examples" = ["cifar10-cnn"]
    ))]
    pub name: String,
    /// What it is about, in a sentence; it stands at the top of the report.
    #[serde(default)]
    #[schemars(length(max = 10000))]
    pub description: String,
    /// The seed of everything random: initial weights, shuffling, dropout.
    #[serde(default)]
    #[schemars(range(max = 9007199254740991u64))]
    #[schemars(extend("x-known-as" = ["random_seed", "random_state"]))]
    pub seed: u64,
    /// Threads to compute with; `auto` takes what the machine allows this process. Another number gives other last digits.
    #[serde(default)]
    pub threads: Count,
    /// The numbers that are computed with.
    #[serde(default)]
    #[schemars(extend("x-known-as" = ["dtype", "amp", "mixed_precision"]))]
    pub precision: Precision,
    /// The data, and its way to the model.
    #[schemars(extend("x-known-as" = ["data"]))]
    pub dataset: Dataset,
    /// The layers.
    pub model: Model,
    /// Where the model computes: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
    #[serde(default = "auto")]
    #[schemars(extend(
        "pattern" = "^(auto|cpu|mps|cuda(:[0-9]{1,3})?)$",
        "x-expected" = "`auto`, `cpu`, `cuda`, `cuda:1` or `mps`",
        "examples" = ["auto", "cpu", "cuda:1"]
    ))]
    pub device: String,
    /// Whether a GPU is to give the same bits each time, as a processor does. Without it, it may take the algorithms that it
    /// measures to be the fastest, and add up in any order.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["cudnn_deterministic", "use_deterministic_algorithms"]))]
    pub deterministic: bool,
    /// How the work is spread over devices.
    #[serde(default)]
    pub strategy: Strategy,
    /// Codes of warnings that are meant: they are not reported.
    #[serde(default)]
    #[schemars(extend("examples" = [["validation-on-test"]]))]
    pub allow: Vec<String>,
    /// Loss, optimizer, metrics, epochs and callbacks.
    pub training: Training,
    /// What is computed and shown after training; the test figures always are. Where it isn't given: `metrics`,
    /// `classification_report`, `confusion_matrix`, `worst_mistakes` and `calibration`; of a regression `metrics` and
    /// `residuals`.
    #[serde(default = "default_evaluation")]
    pub evaluation: Vec<Evaluation>,
    /// Gates: figures with their bounds, and with how far they may fall behind a lock file or an earlier run. A run that
    /// misses one ends with exit code 3. There are `test_loss` and `test_accuracy`, those of the epoch whose weights were
    /// kept (`val_accuracy`), and what the steps of `evaluation` give:
    /// `test_macro_f1` and others of `metrics`, `test_recall[cat]` of `classification_report`, `test_top_5_accuracy` of
    /// `top_k`, `test_expected_calibration_error` of `calibration`, `test_roc_auc[cat]` of `roc`; of a regression
    /// `test_mean_absolute_error`, `test_root_mean_squared_error` and `test_r2_score` of `metrics`.
    #[serde(default)]
    #[schemars(extend("examples" = [{"test_accuracy": {"min": 0.7}, "test_recall[cat]": {"min": 0.5}}, {"test_loss": {"max_drop": 0.05, "against": "previous"}}]))]
    #[schemars(extend("x-known-as" = ["gates", "thresholds", "assert"]))]
    pub expect: BTreeMap<String, Expectation>,
    /// The report.
    #[serde(default)]
    pub report: ReportOptions,
}

fn yes() -> bool {
    true
}

fn auto() -> String {
    "auto".to_owned()
}

fn default_evaluation() -> Vec<Evaluation> {
    vec![
        Evaluation::Metrics(Default::default()),
        Evaluation::ClassificationReport(Default::default()),
        Evaluation::ConfusionMatrix(Default::default()),
        Evaluation::WorstMistakes(Default::default()),
        Evaluation::Calibration(Default::default()),
    ]
}

struct VersionSchema;

impl JsonSchema for VersionSchema {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": 1, "examples": [1] })
    }
}

/// The data, and its way to the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Where examples come from.
    #[schemars(extend("examples" = ["digits"]))]
    pub source: Source,
    /// What the model is validated on after each epoch. Where it isn't given: `official` where the source has a `validation`,
    /// else `none`.
    #[serde(default)]
    #[schemars(extend("x-default" = "`official` where the source has a `validation`, else `none`", "x-known-as" = ["val", "validation_data", "validation_split"]))]
    pub validation: Validation,
    /// The stages that training examples pass; one of them is `batch`.
    #[schemars(length(min = 1), extend("examples" = [["shuffle", {"batch": 32}]]))]
    pub train: Vec<Stage>,
    /// The stages that validation and test examples pass. Where it isn't given: `cache`, training's `batch`, `prefetch`.
    #[serde(default)]
    #[schemars(length(min = 1), extend("x-default" = "`cache`, the batch of `train`, `prefetch`"))]
    pub evaluate: Vec<Stage>,
    /// What becomes of examples that cannot be read, such as images that cannot be decoded. They are found before training.
    #[serde(default)]
    pub on_error: OnError,
    /// How many of them `on_error: skip` leaves out at most; more end the run before it trains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1000000000), extend("x-default" = "any number", "examples" = [10]))]
    pub max_errors: Option<usize>,
}

/// What becomes of examples that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// All of them are named, and nothing is trained.
    #[default]
    Fail,
    /// They are left out; the run and its report list them.
    Skip,
}

/// The layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The layers, from the images to the classes, or from the features to the number that is predicted.
    #[schemars(length(min = 1), extend("examples" = [["flatten", {"dense": 10}]]))]
    pub layers: Vec<Layer>,
    /// Weights that training begins with: a safetensors file, such as the `model.safetensors` of an earlier run, its path
    /// relative to this file; or the file and what its tensors are called here.
    #[serde(default, deserialize_with = "initial_weights::deserialize", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "initial_weights::schema")]
    #[schemars(extend("x-default" = "drawn by the layers' initializers", "x-known-as" = ["weights", "pretrained", "checkpoint"], "examples" = ["base.safetensors"]))]
    pub initial_weights: Option<InitialWeights>,
}

/// Loss, optimizer, metrics, epochs and callbacks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// What training makes small.
    #[schemars(extend("examples" = ["sparse_categorical_crossentropy"]))]
    pub loss: Loss,
    /// How gradients become changes of the weights.
    #[serde(default)]
    pub optimizer: OptimizerChoice,
    /// Layers that learn faster or slower than the others; of several groups that name a layer, the first counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-known-as" = ["param_groups"], "examples" = [[{"layers": ["dense"], "learning_rate_factor": 0.1}]]))]
    pub parameter_groups: Vec<ParameterGroup>,
    /// Figures to tell besides the loss. Where none are given: `accuracy`; of a regression `mean_absolute_error`.
    #[serde(default = "default_metrics")]
    pub metrics: Vec<Metric>,
    /// How many epochs there are at most: passes over the training data, unless `steps_per_epoch` says otherwise.
    #[schemars(range(min = 1, max = 1000000), extend("examples" = [10]))]
    #[schemars(extend("x-known-as" = ["num_epochs", "n_epochs", "max_epochs", "num_train_epochs"]))]
    pub epochs: usize,
    /// How many steps make an epoch: the batches go on over pass after pass of the data, and at the end of each epoch it is
    /// validated. Where it isn't given, an epoch is a pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000000), extend("x-default" = "a pass over the training data", "x-known-as" = ["limit_train_batches", "max_steps"], "examples" = [200]))]
    pub steps_per_epoch: Option<usize>,
    /// How much the examples of each class count while training: `balanced`, so that rare classes count as much as frequent
    /// ones, or a number for some classes by name; 1 for the others. Validation and test don't heed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ClassWeight", extend("x-default" = "all the same", "x-known-as" = ["weight", "pos_weight"], "examples" = ["balanced", {"cat": 2.0}]))]
    pub class_weight: Option<ClassWeight>,
    /// What accompanies training, such as `early_stopping` and `tensorboard`.
    #[serde(default)]
    pub callbacks: Vec<CallbackChoice>,
    /// What else is looked at while training and shown in the report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-known-as" = ["log_grad_norm", "track_grad_norm"], "examples" = [["gradient_norm", "dead_activations"]]))]
    pub watch: Vec<Watch>,
    /// How often everything is kept that `run --resume` needs: where nothing is said, after every epoch and every ten minutes,
    /// but for epochs so short that it would take more than a twentieth of the time. When a run ends or is interrupted, it is
    /// kept in any case.
    #[serde(default)]
    pub checkpoint: Checkpoint,
}

/// What else is looked at while training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// The norm of the gradients before they are clipped, of all together and of each layer: the mean over the steps of an epoch.
    GradientNorm,
    /// The share of units, or of channels of images, behind `relu` that give 0 for all examples of the epoch's first batch.
    DeadActivations,
}

/// How often a checkpoint is kept: whenever one of these has come round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("examples" = [{"epochs": 1}, {"steps": 500}, {"minutes": 5}]))]
pub struct Checkpoint {
    /// After so many epochs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000), extend("x-default" = "not by epochs", "x-known-as" = ["every_n_epochs", "save_freq", "period"], "examples" = [1]))]
    pub epochs: Option<usize>,
    /// After so many steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000000), extend("x-default" = "not by steps", "x-known-as" = ["every_n_train_steps", "save_steps"], "examples" = [500]))]
    pub steps: Option<u64>,
    /// After so many minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100000, "x-default" = "not by minutes", "examples" = [5]))]
    pub minutes: Option<f64>,
}

fn default_metrics() -> Vec<Metric> {
    vec![Metric::Accuracy(Default::default())]
}

/// The report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReportOptions {
    /// Its title; the pipeline's name where it is empty.
    #[schemars(length(max = 1000))]
    pub title: String,
    /// The sections to show, in their order; all of them where it isn't given. One without anything to show is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<ReportSection>", length(min = 1), extend("x-default" = "all", "examples" = [["verdict", "learning_curves", "confusion_matrix"]]))]
    pub sections: Option<Vec<ReportSection>>,
    /// A page to use instead of the program's own: HTML in the language of Jinja, its path relative to this file. It gets
    /// `title`, `name`, `description`, `id`, `started`, `started_shown`, `version`, `running`, `style`, `style_digest`,
    /// `script`, `script_digest`, `results` (all results as JSON) and `sections`, each with `id`, `title` and `html`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1), extend("x-default" = "the program's own", "examples" = ["report.html"]))]
    pub template: Option<PathBuf>,
}

impl Pipeline {
    /// The pipeline as YAML, with every default written out.
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("a pipeline is plain data")
    }

    /// What its model is to predict.
    pub fn task(&self) -> Task {
        self.dataset.source.task()
    }

    /// The least and the largest value that a figure can have: a metric's, a step's, or else a loss's.
    pub fn range_of(&self, figure: &str) -> (f64, f64) {
        let of_steps = self.evaluation.iter().flat_map(|step| step.figures(self.task()));
        if let Some(of_step) = of_steps.into_iter().find(|of_step| of_step.is(figure, None)) {
            return of_step.range;
        }
        let name = figure.strip_prefix("val_").or_else(|| figure.strip_prefix("test_")).unwrap_or(figure);
        let metric = self.training.metrics.iter().find(|metric| metric.figure() == name);
        metric.map_or((0.0, f64::INFINITY), |metric| metric.range())
    }

    /// Examples in a training batch.
    pub fn batch_size(&self) -> usize {
        self.dataset.train.iter().find_map(|stage| stage.batch_size()).unwrap_or(1)
    }
}
