//! Processes that torchrun starts in the place of others which were killed: they go on with the run of these.

use super::{execution::execute, finished::Finished, prepared::Prepared, resume, reuse};
use crate::{
    check::Options,
    cli::context::Output,
    diagnostic::Result,
    distributed::Group,
    run::{RunDirectory, Status, sha256_hex},
    spec::Pipeline,
};
use std::path::Path;

/// Where word of a run of this pipeline is left for processes that are started in the place of these.
fn word_of(pipeline: &Pipeline) -> String {
    format!("run/{}", sha256_hex(pipeline.to_yaml().as_bytes()))
}

/// Tells processes that may be started in the place of these where the run of this pipeline is.
pub fn leave_word(pipeline: &Pipeline, directory: &RunDirectory, group: &Group) {
    if !group.placement().store_is_kept {
        return;
    }
    let place = std::path::absolute(directory.path()).unwrap_or_else(|_| directory.path().to_owned());
    group.leave_word(&word_of(pipeline), &place.to_string_lossy());
}

/// The run of the processes in whose place these were started.
pub fn left(prepared: &Prepared, group: &Group) -> Option<RunDirectory> {
    if group.placement().attempt == 0 {
        return None;
    }
    let word = group.word(&word_of(prepared.pipeline()?))?;
    RunDirectory::open(Path::new(&word)).ok()
}

/// Goes on with that run; where it is complete, its outcome stands.
///
/// # Errors
/// Where it isn't sound any more.
pub fn go_on(
    directory: RunDirectory,
    prepared: Prepared,
    options: &Options<'_>,
    group: &Group,
    output: &Output,
) -> Result<Finished> {
    let info = directory.read_info()?;
    if info.status == Status::Completed {
        let finished = reuse::outcome_of(directory, info, &prepared)?;
        finished.conclude(output);
        return Ok(finished);
    }
    let (run, file, processes) = (directory.path(), Some(&*prepared.file), group.size());
    let request = resume::Request { run, file, allow: &[], processes, options: *options };
    match resume::prepare(&request, output)? {
        Ok(resumed) => execute(resumed, group, output),
        Err(suite) => Ok(Finished::invalid(suite)),
    }
}
