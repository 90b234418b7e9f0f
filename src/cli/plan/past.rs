//! What past runs of the same layers tell of the time that a step takes.

use crate::{
    check::Plan,
    run::{LayerRow, RunDirectory, Status},
    spec::{self, Pipeline},
};
use std::path::{Path, PathBuf};

/// How many of the latest runs are looked at.
const LOOKED_AT: usize = 50;

/// How fast a past run was.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its directory.
    pub run: PathBuf,
    /// How many processes it had.
    pub processes: usize,
    /// The threads of each of them.
    pub threads: usize,
    /// Examples of all processes before a step.
    pub batch: usize,
    /// Training examples a second, of all processes together.
    pub examples_a_second: f64,
    /// Seconds of an epoch beside its steps: validation and checkpoints.
    pub around: f64,
}

impl Past {
    /// Seconds for so many examples.
    pub fn seconds(&self, examples: usize) -> f64 {
        examples as f64 / self.examples_a_second
    }

    fn read(path: PathBuf, pipeline: &Pipeline, plan: &Plan, device: &str) -> Option<Self> {
        let shapes = |rows: &[LayerRow]| -> Vec<_> {
            rows.iter().map(|row| (row.kind.clone(), row.output_shape.clone(), row.parameters)).collect()
        };
        let directory = RunDirectory::open(&path).ok()?;
        let info = directory.read_info().ok()?;
        let from = &info.provenance;
        if info.status != Status::Completed || from.device != device || shapes(&info.layers) != shapes(&plan.rows()) {
            return None;
        }
        let history = directory.read_history().ok().filter(|history| !history.is_empty())?;
        let own = spec::load(&directory.file("resolved.yaml"), &[]).pipeline?.pipeline;
        // The first epoch also reads the data.
        let typical = &history[history.len() / 2];
        let around = (info.timings.training - history.iter().map(|epoch| epoch.seconds).sum::<f64>()).max(0.0);
        (own.precision == pipeline.precision && typical.images_per_second > 0.0).then(|| Past {
            run: path,
            processes: from.processes.max(1),
            threads: from.threads,
            batch: own.batch_size(),
            examples_a_second: typical.images_per_second,
            around: around / history.len() as f64,
        })
    }
}

/// The latest completed runs of the same layers, precision and device, the latest first.
pub fn runs(pipeline: &Pipeline, plan: &Plan, device: &str, runs: &Path) -> Vec<Past> {
    let entries = std::fs::read_dir(runs.join(&pipeline.name)).into_iter().flatten().flatten();
    let mut names: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    names.sort();
    names.into_iter().rev().take(LOOKED_AT).filter_map(|path| Past::read(path, pipeline, plan, device)).collect()
}

/// The latest run by so many processes of so many threads each; with the same batch, where there is one.
pub fn latest(past: &[Past], (processes, threads): (usize, usize), batch: usize) -> Option<&Past> {
    let mut same = past.iter().filter(|run| (run.processes, run.threads) == (processes, threads));
    same.clone().find(|run| run.batch == batch).or_else(|| same.next())
}
