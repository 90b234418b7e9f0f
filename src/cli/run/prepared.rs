//! A pipeline that is ready to be run.

use super::start::Start;
use crate::{
    check::{self, Checked, Options},
    cli::{context::Output, opening::Opened},
    gate::Suite,
    spec::Pipeline,
};
use std::path::{Path, PathBuf};

/// A pipeline that is ready to be run.
pub struct Prepared {
    /// The pipeline's file, as it was named.
    pub file: PathBuf,
    /// What the check found.
    pub(super) checked: Checked,
    /// From where it begins.
    pub(super) start: Start,
    /// The threads to compute with where the pipeline says `auto`; nothing for what the machine allows.
    pub threads: Option<usize>,
    /// Whether a resumed run has other callbacks than it had.
    pub(super) other_callbacks: bool,
    /// The group of runs with other seeds that it belongs to.
    pub(super) group: Option<String>,
    /// The data, where they were looked at already.
    pub opened: Option<Opened>,
    /// Whether passes over the model may make it faster.
    pub optimize: bool,
}

impl Prepared {
    /// The pipeline.
    pub fn pipeline(&self) -> Option<&Pipeline> {
        self.checked.pipeline.as_ref().map(|sound| &sound.pipeline)
    }

    /// The file of the weights that the model begins with, where there is one.
    pub fn initial_weights(&self) -> Option<PathBuf> {
        check::initial_weights(self.checked.pipeline.as_ref()?, &self.checked.sources)
    }
}

/// Checks a pipeline; where it cannot be run, what is wrong is told, and given as a suite.
pub fn prepare(file: &Path, options: &Options<'_>, output: &Output) -> Result<Prepared, Suite> {
    let checked = output.with_surroundings(None, |surroundings| {
        output.check(file, &Options { surroundings: Some(surroundings), ..*options })
    });
    if !checked.is_sound() {
        return Err(Suite::of_problems(file, &checked.sources, &checked.problems));
    }
    Ok(Prepared {
        file: file.to_owned(),
        checked,
        start: Start::New,
        threads: None,
        other_callbacks: false,
        group: None,
        opened: None,
        optimize: true,
    })
}
