//! What became of a run, and how it is told.

use crate::{
    cli::{Ending, context::Output, evaluate::print_metrics, outcome::print_expectations},
    gate::Suite,
    progress::duration,
    run::{EvaluationRecord, RunDirectory, RunInfo, Status},
};
use serde_json::{Value as Json, json};
use std::path::Path;

/// What became of a run.
pub struct Finished {
    /// How it ended.
    pub ending: Ending,
    /// Where it is and what it says of itself, where it came that far.
    pub run: Option<(RunDirectory, RunInfo)>,
    /// Its figures, where it was evaluated.
    pub evaluation: Option<EvaluationRecord>,
    /// Whether it was there before.
    pub reused: bool,
    /// What was asked of it.
    pub suite: Suite,
}

impl Finished {
    /// That of a pipeline that cannot be run.
    pub fn invalid(suite: Suite) -> Self {
        Finished { ending: Ending::Invalid, run: None, evaluation: None, reused: false, suite }
    }

    /// What `--json` prints of it.
    pub fn json(&self, file: &Path) -> Json {
        let Some((directory, info)) = &self.run else { return json!({ "run": null, "status": "invalid" }) };
        json!({
            "pipeline": file.display().to_string(),
            "run": directory.path().display().to_string(), "report": directory.file("report.html").display().to_string(), "status": info.status,
            "epochs": info.training.epochs_done, "best_epoch": info.training.best_epoch,
            "metrics": self.evaluation.as_ref().map(|evaluation| &evaluation.metrics),
            "expectations": info.expectations, "weights_digest": info.weights_digest,
        })
    }

    /// Says how the run ended.
    pub fn conclude(&self, output: &Output) {
        let Some((directory, info)) = self.run.as_ref().filter(|_| !output.json) else { return };
        if !output.quiet && !self.reused {
            let kept = info.training.best_epoch.map(|e| format!(", weights of epoch {e} kept")).unwrap_or_default();
            let training = &info.training;
            if let Some(reason) = &training.stop_reason {
                eprintln!("stopped early: {reason}");
            }
            let how = match (info.status, training.stopped_early) {
                (Status::Interrupted, _) => format!("interrupted at step {}, after", training.steps_done),
                (_, true) => "stopped early after".to_owned(),
                _ => "trained for".to_owned(),
            };
            let time = duration(info.timings.training);
            let epochs = if training.epochs_done == 1 { "epoch" } else { "epochs" };
            eprintln!("{how} {} {epochs}, {time}{kept}", training.epochs_done);
        }
        if let Some(evaluation) = &self.evaluation {
            print_metrics(evaluation);
        }
        print_expectations(&info.expectations);
        println!("report: {}", directory.file("report.html").display());
        if let Some(told) = info.input_bound.as_ref().filter(|_| !output.quiet) {
            eprintln!("{told}");
        }
    }
}
