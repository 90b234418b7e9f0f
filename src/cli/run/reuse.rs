//! A complete run that stands for the one that would be made.

use super::{finished::Finished, prepared::Prepared};
use crate::{
    cli::{
        Ending,
        context::Output,
        opening::{file_digest, open_data},
    },
    device,
    diagnostic::Result,
    distributed::Placement,
    gate::{Suite, judge, suite_of_run},
    lockfile::{surroundings, surroundings_of},
    memo,
    model::{Means, pass_names},
    run::{
        DataInfo, RunDirectory, RunInfo, Status, sha256_hex,
        store::{self, Contents},
    },
    source::Surroundings,
    spec::{Against, contract},
};

/// The latest complete run with the same pipeline, data, program and surroundings.
///
/// # Errors
/// Where the data aren't there.
pub fn find(prepared: &mut Prepared, placement: &Placement, output: &Output) -> Result<Option<Finished>> {
    let Some(pipeline) = prepared.pipeline().cloned() else { return Ok(None) };
    let digest = sha256_hex(pipeline.to_yaml().as_bytes());
    let of_name = store::runs_in(&output.runs_directory)?.into_iter().filter_map(|run| {
        let Contents { info, .. } = run.contents.ok()?;
        let complete = info.status == Status::Completed && info.provenance.pipeline_digest == digest;
        complete.then_some((run.directory, info))
    });
    let candidates: Vec<_> = of_name.collect();
    if candidates.is_empty() {
        return Ok(None);
    }
    let device = device::open(&pipeline.device)?;
    let passes = pass_names(&Means::of(&pipeline, device, prepared.optimize));
    let threads = pipeline.strategy.threads(pipeline.threads, prepared.threads, placement);
    let here = surroundings(&device::name(device), threads, placement.size, passes);
    let program = memo::program_digest(&Surroundings::default_cache_directory()).unwrap_or_default();
    let same = |info: &RunInfo| {
        !program.is_empty()
            && info.provenance.program_digest == program
            && surroundings_of(info) == here
            && !info.resumed.iter().flat_map(|again| &again.changes).any(|change| contract::breaks_off(change))
    };
    let (dataset, skipped) = output.with_surroundings(None, |around| open_data(&pipeline, around))?;
    let initial_weights = prepared.initial_weights().as_deref().map(file_digest).transpose()?;
    let same_data = |data: &DataInfo| (&data.digest, &data.initial_weights) == (&dataset.digest, &initial_weights);
    let found = candidates.into_iter().find(|(_, info)| info.data.as_ref().is_some_and(same_data) && same(info));
    prepared.opened = Some((dataset, skipped));
    let Some((directory, info)) = found else { return Ok(None) };
    if !output.quiet {
        let place = directory.path().display();
        eprintln!("{}: reused {place}, of the same pipeline, data and program", pipeline.name);
    }
    outcome_of(directory, info, prepared).map(Some)
}

/// What a complete run comes to, judged by what its figures are measured against now.
///
/// # Errors
/// Where its files cannot be read.
pub fn outcome_of(directory: RunDirectory, mut info: RunInfo, prepared: &Prepared) -> Result<Finished> {
    let evaluation = directory.read()?.evaluation;
    if let (Some(evaluation), Some(pipeline)) = (&evaluation, prepared.pipeline()) {
        // What figures are measured against may be another lock by now.
        let history = directory.read_history()?;
        let kept = store::kept_epoch(&info, &history);
        let mut baselines = prepared.checked.baselines.clone();
        for (figure, expectation) in &pipeline.expect {
            // The run before it is that which was there before it was made, and not the run itself.
            if expectation.against() == Against::Previous
                && let Some(before) = info.baselines.get(figure)
            {
                baselines.insert(figure.clone(), before.clone());
            }
        }
        info.expectations = judge(pipeline, evaluation, kept, &baselines);
    }
    let ending = match info.expectations.iter().all(|expectation| expectation.met) {
        true => Ending::Done,
        false => Ending::NotMet,
    };
    let suite = match &prepared.checked.pipeline {
        Some(sound) => suite_of_run(&info, directory.path(), &prepared.checked.sources, sound),
        None => Suite::default(),
    };
    Ok(Finished { ending, run: Some((directory, info)), evaluation, reused: true, suite })
}
