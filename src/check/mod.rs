//! Everything that can be known of a pipeline before it runs: loading, meaning, shapes. No tensor; a device only where the
//! surroundings are looked at.

mod examples;
mod lints;
mod plan;

pub use examples::try_out;
pub use lints::{initial_weights, template};
pub use plan::{Memory, Plan, PlannedLayer};

use crate::{
    diagnostic::{Code, Diagnostic, MAX_PROBLEMS, Result, Severity, SourceMap},
    path,
    run::Baseline,
    source::{Declared, Surroundings},
    spec::{self, load::Sound},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// What to check by.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// Values that come last, `KEY=VALUE`.
    pub sets: &'a [String],
    /// Codes of warnings that are not told.
    pub allow: &'a [String],
    /// Codes of warnings that are errors; `warnings` for all of them.
    pub deny: &'a [String],
    /// Where to look at the data and the machine; without, only the pipeline is looked at.
    pub surroundings: Option<&'a Surroundings<'a>>,
    /// Where earlier runs are; without, nobody looks for what expectations are measured against.
    pub runs: Option<&'a Path>,
}

/// What `--deny` calls all warnings.
const WARNINGS: &str = "warnings";

/// What a check found.
pub struct Checked {
    /// The texts that places point into.
    pub sources: SourceMap,
    /// Everything to tell, what the pipeline allows left out: errors first, then by place.
    pub problems: Vec<Diagnostic>,
    /// The pipeline, where no error was found in reading it.
    pub pipeline: Option<Sound>,
    /// What is known of its data.
    pub declared: Option<Declared>,
    /// Its layers with their shapes, where these are known and fit together.
    pub plan: Option<Plan>,
    /// What figures are measured against, by name, where it was looked for.
    pub baselines: BTreeMap<String, Baseline>,
}

impl Checked {
    /// Whether the pipeline can run, as far as is known without its data.
    pub fn is_sound(&self) -> bool {
        self.pipeline.is_some() && !self.problems.iter().any(Diagnostic::is_error)
    }

    /// How many diagnostics of a severity there are.
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }
}

/// Checks the pipeline in `file`.
pub fn check(file: &Path, options: &Options<'_>) -> Checked {
    let mut checked = look_at(file, options);
    finish(&mut checked, options);
    checked
}

/// Checks several pipelines, each on its own and all beside each other.
pub fn check_all(files: &[PathBuf], options: &Options<'_>) -> Vec<Checked> {
    let mut all: Vec<Checked> = files.iter().map(|file| look_at(file, options)).collect();
    lints::same_names(&mut all);
    all.iter_mut().for_each(|checked| finish(checked, options));
    all
}

fn look_at(file: &Path, options: &Options<'_>) -> Checked {
    let loaded = spec::load(file, options.sets);
    let mut checked = Checked {
        sources: loaded.sources,
        problems: loaded.problems,
        pipeline: loaded.pipeline,
        declared: None,
        plan: None,
        baselines: BTreeMap::new(),
    };
    if let Some(sound) = &checked.pipeline {
        let problems = &mut checked.problems;
        let declared = declare(sound, options.surroundings, problems);
        checked.plan = declared.form.and_then(|form| plan::plan(sound, &checked.sources, form, problems));
        lints::lint(sound, &declared, checked.plan.as_ref(), problems);
        lints::lint_weights(sound, &checked.sources, checked.plan.as_ref(), problems);
        if options.surroundings.is_some() {
            lints::lint_for_machine(sound, checked.plan.as_ref(), problems);
        }
        if let Some(runs) = options.runs {
            checked.baselines = lints::baselines(sound, &checked.sources, runs, problems);
        }
        problems.extend(lints::template(sound, &checked.sources).err().map(|problem| *problem));
        checked.declared = Some(declared);
    }
    checked
}

/// Heeds the flags, and puts what is to tell in order and within bounds.
fn finish(checked: &mut Checked, options: &Options<'_>) {
    heed_flags(checked, options);
    // Of several files the pipeline's own comes first; what has no place comes before what has one.
    checked.problems.sort_by_key(|problem| {
        let place = problem.labels.first().map(|label| (label.place.text, label.place.start));
        (std::cmp::Reverse(problem.severity), place)
    });
    if checked.problems.len() >= MAX_PROBLEMS {
        checked.problems.truncate(MAX_PROBLEMS);
        let more = format!("no more than {MAX_PROBLEMS} complaints are told at once");
        checked.problems.push(Diagnostic::note(Code::TOO_LARGE, more));
    }
}

/// Leaves out what is allowed, and makes errors of what is denied.
fn heed_flags(checked: &mut Checked, options: &Options<'_>) {
    let Checked { sources, problems, pipeline, .. } = checked;
    for (flag, names) in [("--allow", options.allow), ("--deny", options.deny)] {
        for name in names.iter().filter(|name| *name != WARNINGS || flag == "--allow") {
            let text = sources.add_flag(flag, name.as_str());
            let place = crate::diagnostic::Place { text, start: 0, end: name.len() };
            problems.extend(lints::unknown_code(name, place));
        }
    }
    let own = pipeline.as_ref().map_or(&[][..], |sound| &sound.pipeline.allow);
    let names = |names: &[String], problem: &Diagnostic| names.iter().any(|name| name == problem.code.name());
    problems.retain(|problem| problem.is_error() || !(names(own, problem) || names(options.allow, problem)));
    let all = options.deny.iter().any(|name| name == WARNINGS);
    for problem in problems.iter_mut().filter(|problem| problem.severity == Severity::Warning) {
        if all || names(options.deny, problem) {
            problem.severity = Severity::Error;
            problem.notes.push("a warning, denied by `--deny`".to_owned());
        }
    }
}

/// What the source says of its data; with surroundings, what it finds there.
fn declare(sound: &Sound, surroundings: Option<&Surroundings<'_>>, problems: &mut Vec<Diagnostic>) -> Declared {
    let source = &sound.pipeline.dataset.source;
    let looked: Result<Declared> = surroundings.map_or_else(|| Ok(source.declare()), |s| source.look(s));
    looked.unwrap_or_else(|problem| {
        problems.push(problem.at(sound.tree.place_of(path!["dataset", "source"]), "this source"));
        source.declare()
    })
}
