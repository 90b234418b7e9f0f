//! Everything that can be known of a pipeline before it runs: loading, meaning, shapes. No tensor, no device.

mod lints;
mod plan;

pub use plan::{Memory, Plan, PlannedLayer};

use crate::{
    diagnostic::{Diagnostic, Result, Severity, SourceMap},
    source::{Declared, Surroundings},
    spec::{self, load::Sound},
};
use std::path::Path;

/// What a check found.
pub struct Checked {
    /// The texts that places point into.
    pub sources: SourceMap,
    /// Everything to tell, what the pipeline allows left out.
    pub problems: Vec<Diagnostic>,
    /// The pipeline, where no error was found in reading it.
    pub pipeline: Option<Sound>,
    /// Its layers with their shapes, where they fit together.
    pub plan: Option<Plan>,
}

impl Checked {
    /// Whether the pipeline can run.
    pub fn is_sound(&self) -> bool {
        self.plan.is_some() && !self.problems.iter().any(Diagnostic::is_error)
    }

    /// How many diagnostics of a severity there are.
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }
}

/// Checks the pipeline in `file` with `sets` applied. With `surroundings`, the data is looked at too.
pub fn check(file: &Path, sets: &[String], surroundings: Option<&Surroundings<'_>>) -> Checked {
    let loaded = spec::load(file, sets);
    let (sources, mut problems) = (loaded.sources, loaded.problems);
    let Some(sound) = loaded.pipeline else {
        return Checked { sources, problems, pipeline: None, plan: None };
    };
    let declared = match declare(&sound, surroundings) {
        Ok(declared) => declared,
        Err(problem) => {
            let place = sound.tree.place_of(crate::path!["dataset", "source"]);
            problems.push(problem.at(place, "this source"));
            sound.pipeline.dataset.source.declare()
        }
    };
    let plan = plan::plan(&sound, &sources, declared.shape, &mut problems);
    lints::lint(&sound, &declared, plan.as_ref(), &mut problems);
    problems
        .retain(|problem| problem.is_error() || !sound.pipeline.allow.iter().any(|code| code == problem.code.name()));
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    Checked { sources, problems, pipeline: Some(sound), plan }
}

fn declare(sound: &Sound, surroundings: Option<&Surroundings<'_>>) -> Result<Declared> {
    let source = &sound.pipeline.dataset.source;
    surroundings.map_or_else(|| Ok(source.declare()), |surroundings| source.look(surroundings))
}
