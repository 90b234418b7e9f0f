//! Things that are valid and probably wrong, each with its code: one file a part of the pipeline.

mod data;
mod evaluation;
mod expectations;
mod machine;
mod model;
mod parameters;
mod precision;
mod report;
mod strategy;
mod task;
mod training;
mod weights;

pub use expectations::baselines;
pub use report::template;
pub use weights::initial_weights;
pub(super) use weights::lint as lint_weights;

use super::{Checked, Plan};
use crate::{
    diagnostic::{Code, Diagnostic, SourceMap, Spot, nearest},
    path,
    source::Declared,
    spec::{
        load::Sound,
        tree::{Step, display_path},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};

/// Reports what is suspicious in `sound`, whatever machine it may run on.
pub fn lint(sound: &Sound, declared: &Declared, plan: Option<&Plan>, problems: &mut Vec<Diagnostic>) {
    for (index, name) in sound.pipeline.allow.iter().enumerate() {
        problems.extend(unknown_code(name, sound.tree.place_of(path!["allow", index])));
    }
    repeated(sound, problems);
    data::lint(sound, declared, problems);
    task::lint(sound, problems);
    training::lint(sound, declared, problems);
    expectations::lint(sound, declared, problems);
    evaluation::lint(sound, declared, plan, problems);
    report::lint(sound, problems);
    strategy::lint(sound, problems);
    precision::lint(sound, problems);
    if let Some(plan) = plan {
        model::lint(sound, declared, plan, problems);
        parameters::lint(sound, plan, problems);
    }
}

/// The members of a family that need no arguments, with their names.
fn members<T: DeserializeOwned>(names: &'static [&'static str]) -> impl Iterator<Item = (&'static str, T)> {
    let read = |name: &'static str| Some((name, serde_json::from_value(serde_json::json!({ name: {} })).ok()?));
    names.iter().copied().filter_map(read)
}

/// Reports what stands twice in a list where the second one adds nothing.
fn repeated(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let pipeline = &sound.pipeline;
    let training = &pipeline.training;
    let mut callbacks = texts(&training.callbacks);
    for (callback, text) in training.callbacks.iter().zip(&mut callbacks) {
        // Whatever their arguments, they would all write the same files.
        if callback.event_files().is_some() {
            *text = callback.name().to_owned();
        }
    }
    let lists: [(&[Step], Vec<String>); 9] = [
        (path!["allow"], texts(&pipeline.allow)),
        (path!["dataset", "train"], texts(&pipeline.dataset.train)),
        (path!["dataset", "evaluate"], texts(&pipeline.dataset.evaluate)),
        (path!["training", "parameter_groups"], texts(&training.parameter_groups)),
        (path!["training", "metrics"], texts(&training.metrics)),
        (path!["training", "callbacks"], callbacks),
        (path!["training", "watch"], texts(&training.watch)),
        (path!["evaluation"], texts(&pipeline.evaluation)),
        (path!["report", "sections"], texts(pipeline.report.sections.as_deref().unwrap_or_default())),
    ];
    for (path, items) in lists {
        for (index, item) in items.iter().enumerate() {
            // Two batches are another mistake, and told as that.
            let first = items[..index].iter().position(|other| other == item && !item.starts_with(r#"{"batch""#));
            if let Some(first) = first {
                let place = |index: usize| sound.tree.place_of(&[path, path![index]].concat());
                problems.push(
                    Diagnostic::error(Code::REPEATED, format!("the same twice in `{}`", display_path(path)))
                        .at(place(index), "the second one")
                        .at(place(first), "the first one")
                        .help("remove one of the two"),
                );
            }
        }
    }
}

/// Where `file` lies, which is named at `path`: beside the file that names it.
fn beside(sound: &Sound, sources: &SourceMap, path: &[Step], file: &Path) -> PathBuf {
    let named_in = sources.text(sound.tree.place_of(path).place.text).path.clone();
    named_in.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).join(file)
}

/// Items as text, by which they can be compared.
fn texts<T: Serialize>(items: &[T]) -> Vec<String> {
    items.iter().map(|item| serde_json::to_string(item).unwrap_or_default()).collect()
}

/// Reports what this machine cannot do.
pub fn lint_for_machine(sound: &Sound, plan: Option<&Plan>, problems: &mut Vec<Diagnostic>) {
    machine::lint(sound, plan, problems);
    precision::lint_for_machine(sound, problems);
    strategy::lint_for_machine(sound, problems);
}

/// Reports pipelines of one name: their runs would stand in one directory.
pub fn same_names(all: &mut [Checked]) {
    let name = |checked: &Checked| checked.pipeline.as_ref().map(|sound| sound.pipeline.name.clone());
    for at in 1..all.len() {
        let (before, rest) = all.split_at_mut(at);
        let (Some(own), Some(sound)) = (name(&rest[0]), &rest[0].pipeline) else { continue };
        if let Some(other) = before.iter().find(|other| name(other).as_ref() == Some(&own)) {
            let file = other.sources.texts().next().map(|text| text.name.clone()).unwrap_or_default();
            let problem = Diagnostic::warning(Code::SAME_NAME, format!("`{own}` is the name of {file} too"))
                .at(sound.tree.place_of(path!["name"]), "the runs of both would stand in one directory")
                .help("give each pipeline a `name` of its own");
            rest[0].problems.push(problem);
        }
    }
}

/// The complaint about `name`, where no diagnostic is called so.
pub fn unknown_code(name: &str, spot: impl Into<Spot>) -> Option<Diagnostic> {
    match Code::named(name) {
        Some(code) if code.is_allowable() => return None,
        Some(_) => {
            let message = format!("`{name}` is an error and not a warning");
            return Some(Diagnostic::error(Code::UNKNOWN_CODE, message).at(spot, "can neither be allowed nor denied"));
        }
        None => {}
    }
    let problem =
        Diagnostic::error(Code::UNKNOWN_CODE, format!("no warning is called `{name}`")).at(spot, "no such code");
    Some(match nearest(name, Code::all().filter(|code| code.is_allowable()).map(Code::name)) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help("the code stands in brackets behind `warning`"),
    })
}
