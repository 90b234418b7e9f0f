//! The weights that the model starts with, held against its layers: by their names and shapes, not their numbers.

use super::beside;
use crate::{
    check::Plan,
    diagnostic::{Code, Diagnostic, SourceMap},
    path,
    run::weights_file,
    spec::load::Sound,
};
use std::path::PathBuf;

/// Where the file of the initial weights lies, where there is one.
pub fn initial_weights(sound: &Sound, sources: &SourceMap) -> Option<PathBuf> {
    let initial = sound.pipeline.model.initial_weights.as_ref()?;
    Some(beside(sound, sources, path!["model", "initial_weights", "file"], &initial.file))
}

pub(in crate::check) fn lint(sound: &Sound, sources: &SourceMap, plan: Option<&Plan>, problems: &mut Vec<Diagnostic>) {
    let model = &sound.pipeline.model;
    let (Some(initial), Some(path)) = (&model.initial_weights, initial_weights(sound, sources)) else { return };
    let place = sound.tree.place_of(path!["model", "initial_weights", "file"]);
    let bad = |message: String| Diagnostic::error(Code::INITIAL_WEIGHTS, message).at(place, "named here");
    let holds = match weights_file::header(&path) {
        Ok(Ok(holds)) => holds,
        Ok(Err(why)) => return problems.push(bad(format!("{}: {why}", path.display()))),
        Err(error) => return problems.push(bad(format!("cannot read {}: {error}", path.display()))),
    };
    let Some(plan) = plan else { return };
    let wanted: Vec<(String, Vec<i64>)> =
        plan.parameters(&model.layers).into_iter().map(|(name, parameter)| (name, parameter.shape)).collect();
    let fit = initial.fit(&holds, &wanted);
    let objections = initial.objections(&fit);
    if !objections.is_empty() {
        let problem = bad(format!("the weights in {} don't fit the model", path.display()));
        let problem = objections.into_iter().fold(problem, Diagnostic::fact);
        problems.push(problem.help(if initial.strict {
            "`names` says what the tensors are called here; `strict: false` takes only what fits"
        } else {
            "`names` says what the tensors are called here"
        }));
        return;
    }
    let remarks = fit.remarks();
    if !remarks.is_empty() {
        let message = format!("{} of {} weights are taken from {}", fit.taken.len(), wanted.len(), path.display());
        let problem = Diagnostic::note(Code::INITIAL_WEIGHTS, message).at(place, "`strict: false` takes what fits");
        problems.push(remarks.into_iter().fold(problem, Diagnostic::fact));
    }
}
