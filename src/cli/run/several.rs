//! Several pipelines, run one behind the other, in one table.

use super::finished::Finished;
use crate::{
    cli::Ending,
    gate::Suite,
    progress::{duration, figure},
    text::Table,
};
use serde_json::{Value as Json, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// What is told of a pipeline among several.
pub struct Entry {
    pub file: PathBuf,
    pub name: String,
    pub ending: Ending,
    pub run: Option<PathBuf>,
    /// Nothing where there are several runs.
    pub epochs: Option<usize>,
    pub seconds: f64,
    pub metrics: BTreeMap<String, f64>,
    /// What `--json` prints.
    pub json: Json,
    /// What was asked of it.
    pub suite: Suite,
}

impl Entry {
    /// What became of the pipeline in `file`.
    pub fn of(file: &Path, finished: &Finished) -> Self {
        let Some((directory, info)) = &finished.run else {
            let json = json!({ "pipeline": file.display().to_string(), "run": null, "status": "invalid" });
            let suite = finished.suite.clone();
            return Entry { ending: finished.ending, json, suite, ..Entry::of_nothing(file, "") };
        };
        Entry {
            file: file.to_owned(),
            name: info.name.clone(),
            ending: finished.ending,
            run: Some(directory.path().to_owned()),
            epochs: Some(info.training.epochs_done),
            seconds: info.timings.total,
            metrics: finished.evaluation.as_ref().map(|evaluation| evaluation.metrics.clone()).unwrap_or_default(),
            json: finished.json(file),
            suite: finished.suite.clone(),
        }
    }

    /// A pipeline that left no run.
    pub fn of_nothing(file: &Path, name: &str) -> Self {
        Entry {
            file: file.to_owned(),
            name: name.to_owned(),
            ending: Ending::Failed,
            run: None,
            epochs: None,
            seconds: 0.0,
            metrics: BTreeMap::new(),
            json: json!({ "pipeline": file.display().to_string(), "run": null, "status": "failed" }),
            suite: Suite::default(),
        }
    }
}

/// Several pipelines in one table.
pub fn table(all: &[Entry]) -> String {
    let mut table =
        Table::new(&["pipeline", "outcome", "epochs", "test accuracy", "test loss", "time", "run"], "<<>>>><");
    for plain in all {
        let outcome = match plain.ending {
            Ending::Done => "done",
            Ending::NotMet => "NOT MET",
            Ending::Invalid => "INVALID",
            Ending::Failed => "FAILED",
            Ending::Interrupted => "interrupted",
        };
        let told = |name: &str| plain.metrics.get(name).map(|value| figure(name, *value)).unwrap_or_default();
        let name = if plain.name.is_empty() { plain.file.display().to_string() } else { plain.name.clone() };
        table.row(&[
            name.as_str(),
            outcome,
            &plain.epochs.map(|epochs| epochs.to_string()).unwrap_or_default(),
            &told("test_accuracy"),
            &told("test_loss"),
            &duration(plain.seconds),
            &plain.run.as_ref().map(|run| run.display().to_string()).unwrap_or_default(),
        ]);
    }
    format!("\n{table}")
}
