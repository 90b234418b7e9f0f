//! What a run leaves behind, as serde reads and writes it.

use super::{Baseline, ExpectationResult, Inspection, Provenance, ReportSection, Unreadable};
use crate::{
    evaluation::{Outcome, StepResult, statistics::wilson},
    exact,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a run ended, or that it hasn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Still at work; or killed, where no process holds the run's lock any more.
    Running,
    /// Came to its end.
    Completed,
    /// Stopped by the user, with everything trained so far saved.
    Interrupted,
    /// Could not go on; `reason` says why.
    Failed,
}

/// `run.json`: everything about a run but its curves and its results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Version of this file's form.
    pub format: u32,
    /// The pipeline's name.
    pub name: String,
    /// The pipeline's description; may be empty.
    pub description: String,
    /// The title that the report should have; empty for the name.
    pub title: String,
    /// The sections that the report should have, in their order; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<ReportSection>,
    /// The pipeline with every default filled in, line by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configuration: Vec<ConfigurationLine>,
    /// The directory's own name, `20261123-230512-7f3a`.
    pub id: String,
    /// How it ended.
    pub status: Status,
    /// Why it failed or was interrupted.
    pub reason: Option<String>,
    /// Warnings and notes of the check, as text.
    pub warnings: Vec<String>,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it ended, RFC 3339.
    pub finished: Option<String>,
    /// Where the time went, in seconds.
    pub timings: Timings,
    /// The data it worked on; unknown until it was opened.
    pub data: Option<DataInfo>,
    /// The layers, in order.
    pub layers: Vec<LayerRow>,
    /// How far training came.
    pub training: TrainingInfo,
    /// The gates, once they were looked at.
    pub expectations: Vec<ExpectationResult>,
    /// What figures are measured against, as it stood when the run began.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub baselines: BTreeMap<String, Baseline>,
    /// The run of the same name before it, where there was one that came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    /// More about the reason, such as the files that cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// How much of training waited for data, and what to do about it, where that is much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_bound: Option<String>,
    /// Where it was interrupted and gone on with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Resumption>,
    /// The complete run that it goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// How it came out beside the lock that it was to reproduce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reproduction: Option<Reproduction>,
    /// The directory of the runs with other seeds that it belongs to, without the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<String>,
    /// What training took of the device, where that is none of the processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_use: Option<DeviceUse>,
    /// SHA-256 of `model.safetensors`.
    pub weights_digest: Option<String>,
    /// On what and by what it was run.
    pub provenance: Provenance,
}

/// How much of a device a training took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceUse {
    /// Bytes of its memory.
    pub memory: u64,
    /// The most bytes that tensors had at once.
    pub most_used: u64,
    /// The most bytes that were reserved for them.
    pub most_reserved: u64,
    /// Bytes of examples that lay there from the beginning on, where they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_data: Option<u64>,
    /// The share of the training in which it was at work, from 0 to 1, as its driver tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<f64>,
}

/// How a run came out beside its lock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reproduction {
    /// The lock's file, or the run that stood for one.
    pub lock: String,
    /// Whether it holds.
    pub holds: bool,
    /// Whether every bit was promised.
    pub bits_promised: bool,
    /// In a sentence.
    pub said: String,
    /// What differs, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// A run that was gone on with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resumption {
    /// When, RFC 3339.
    pub at: String,
    /// Whole epochs done before.
    pub epochs: usize,
    /// Steps done before.
    pub steps: u64,
    /// What of the pipeline is different from there on: `training.epochs: 5 -> 10`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// What else there is to know, such as that a checkpoint was damaged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The run that another one goes on with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    /// Its directory, without the name.
    pub id: String,
    /// Whole epochs that it had done.
    pub epochs: usize,
}

/// What became of a run in comparison with the one before it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Previous {
    /// The earlier run's directory, without the name.
    pub id: String,
    /// Its `test_accuracy` and `test_loss`, or its errors.
    pub metrics: BTreeMap<String, f64>,
    /// Whether both were tested on the same examples.
    pub same_data: bool,
    /// Whether their resolved pipelines are the same.
    pub same_configuration: bool,
    /// Test examples that only the later run has right, or nearer; 0 where that isn't known.
    pub fixed: usize,
    /// Test examples that only the earlier run has right, or nearer; 0 where that isn't known.
    pub broken: usize,
    /// McNemar's exact p-value; of predicted numbers, Wilcoxon's; `None` where the examples could not be paired.
    pub p_value: Option<f64>,
}

/// A line of the resolved pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigurationLine {
    /// YAML.
    pub text: String,
    /// Where its value was written, `line 12` or a flag; nothing for a default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Whether the value isn't the default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub differs: bool,
}

/// Seconds spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Opening the data and building the model.
    pub setup: f64,
    /// Epochs, validation included.
    pub training: f64,
    /// What of the training's time went into telling of it: progress, records, checkpoints, the report.
    #[serde(default)]
    pub reporting: f64,
    /// The evaluation steps.
    pub evaluation: f64,
    /// From start to end.
    pub total: f64,
}

/// What the data turned out to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataInfo {
    /// The source's name.
    pub source: String,
    /// Where it lies; empty for an embedded one.
    pub location: String,
    /// SHA-256 over the bytes, labels and names.
    pub digest: String,
    /// Class names, in the order of labels.
    pub classes: Vec<String>,
    /// What the number is called that is to be predicted; nothing where examples are of classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `[height, width, channels]`, or `[features]`.
    pub shape: Vec<usize>,
    /// Examples trained on.
    pub train: usize,
    /// Examples validated on.
    pub validation: usize,
    /// Examples tested on.
    pub test: usize,
    /// What the validation examples are: `none`, `test`, `official` or `split of the training data`.
    pub validation_kind: String,
    /// What could not be read and was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Unreadable>,
    /// SHA-256 of the file of the weights that the model begins with, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_weights: Option<String>,
}

/// A layer as the layer table shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerRow {
    /// Unique name, as Keras gives it: `conv2d_1`.
    pub name: String,
    /// The member of the family: `conv2d`.
    pub kind: String,
    /// The line it is written in.
    pub line: usize,
    /// The file of that line, or the flag, where it isn't the pipeline's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// How many layers stand around it.
    #[serde(default)]
    pub depth: usize,
    /// Without the batch dimension.
    pub output_shape: Vec<usize>,
    /// Numbers that it keeps: weights, and moving averages.
    pub parameters: u64,
    /// Floating-point operations forward for one example; a multiply-add counts as two.
    pub flops: u64,
    /// Bytes that training keeps of one example between the way forward and the way back.
    #[serde(default)]
    pub activation_bytes: u64,
}

impl RunInfo {
    /// The parameters of all layers.
    pub fn parameters(&self) -> u64 {
        self.layers.iter().fold(0, |all, layer| all.saturating_add(layer.parameters))
    }
}

impl LayerRow {
    /// Where it is written: `24`, `base.yaml:7` or `--set`.
    pub fn place(&self) -> String {
        match &self.file {
            None => self.line.to_string(),
            Some(flag) if flag.starts_with("--") => flag.clone(),
            Some(file) => format!("{file}:{}", self.line),
        }
    }
}

/// How far training came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingInfo {
    /// The most epochs it may take.
    pub epochs: usize,
    /// Whole epochs done.
    pub epochs_done: usize,
    /// Steps of one epoch.
    pub steps_per_epoch: usize,
    /// All optimizer steps done.
    pub steps_done: u64,
    /// Whether a callback ended it.
    pub stopped_early: bool,
    /// Why it did: `val_loss got no better for 3 epochs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// The epoch, from 1, whose weights were kept, where they aren't the last ones.
    pub best_epoch: Option<usize>,
}

/// One epoch: a row of `history.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// `loss`, `accuracy`, `val_loss`, ... in order.
    #[serde(with = "exact::named")]
    pub figures: Vec<(String, f64)>,
    /// What `training.watch` asks for: `gradient_norm`, `gradient_norm[conv2d]`, `dead_activations`, ...
    #[serde(with = "exact::named", default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<(String, f64)>,
    /// The rate of its last step.
    #[serde(with = "exact")]
    pub learning_rate: f64,
    /// Training alone, without validation.
    #[serde(with = "exact")]
    pub seconds: f64,
    /// Training images a second.
    #[serde(with = "exact")]
    pub images_per_second: f64,
    /// Seconds of `seconds` spent waiting for data.
    #[serde(with = "exact")]
    pub data_wait_seconds: f64,
}

/// What can be watched, as the names of its figures begin.
pub const WATCHED: [&str; 2] = ["gradient_norm", "dead_activations"];

impl EpochRecord {
    /// Whether a column of `history.csv` is something that is watched.
    pub fn is_watched(column: &str) -> bool {
        WATCHED.contains(&column.split_once('[').map_or(column, |(name, _)| name))
    }

    /// The figure of that name.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(figure, _)| figure == name).map(|(_, value)| *value)
    }
}

/// `evaluation.json`: every number of the evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    /// Examples evaluated.
    pub examples: usize,
    /// `test_loss`, `test_accuracy`, ...
    pub metrics: BTreeMap<String, f64>,
    /// 95% intervals of some of them.
    #[serde(default)]
    pub intervals: BTreeMap<String, (f64, f64)>,
    /// What expectations can name of the steps' results, such as `test_recall[cat]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, f64>,
    /// The results of the steps, in the pipeline's order.
    pub steps: Vec<StepResult>,
}

impl EvaluationRecord {
    /// The results of one kind of step, in the pipeline's order.
    pub fn results<T: Outcome + 'static>(&self) -> impl Iterator<Item = &T> {
        self.steps.iter().filter_map(T::of)
    }

    /// The 95% interval of a figure: the recorded one, that of the step which gave it, or for the accuracy of a record
    /// without one, Wilson's.
    pub fn interval(&self, name: &str) -> Option<(f64, f64)> {
        let of_steps = || self.steps.iter().flat_map(StepResult::intervals).find(|(figure, _)| figure == name);
        interval(self.examples, &self.metrics, &self.intervals, name).or_else(|| Some(of_steps()?.1))
    }
}

fn interval(
    examples: usize,
    metrics: &BTreeMap<String, f64>,
    intervals: &BTreeMap<String, (f64, f64)>,
    name: &str,
) -> Option<(f64, f64)> {
    let value = metrics.get(name).filter(|value| value.is_finite())?;
    let computed = || (name == "test_accuracy" && examples > 0).then(|| wilson(*value, examples));
    intervals.get(name).copied().or_else(computed)
}

/// The figures of `evaluation.json` alone, without the results of the steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Examples evaluated.
    pub examples: usize,
    /// `test_loss`, `test_accuracy`, ...
    pub metrics: BTreeMap<String, f64>,
    /// 95% intervals of some of them.
    #[serde(default)]
    pub intervals: BTreeMap<String, (f64, f64)>,
    /// What the steps gave.
    #[serde(default)]
    pub figures: BTreeMap<String, f64>,
}

impl Figures {
    /// A figure of the evaluation.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.metrics.get(name).or_else(|| self.figures.get(name)).copied()
    }

    /// The 95% interval of a figure: the recorded one, or for the accuracy of a record without one, Wilson's.
    pub fn interval(&self, name: &str) -> Option<(f64, f64)> {
        interval(self.examples, &self.metrics, &self.intervals, name)
    }
}

/// Everything that a report is made of.
#[derive(Clone, Debug)]
pub struct Record {
    /// `run.json`
    pub info: RunInfo,
    /// `history.csv`
    pub history: Vec<EpochRecord>,
    /// `evaluation.json`, where the run came that far.
    pub evaluation: Option<EvaluationRecord>,
    /// `data.json`, where the run came that far.
    pub inspection: Option<Inspection>,
    /// `pipeline.yaml`, as it was written.
    pub pipeline: String,
    /// `resolved.yaml`
    pub resolved: String,
    /// `template.html`, where the pipeline has a page of its own for the report.
    pub template: Option<String>,
}
