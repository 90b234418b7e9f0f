//! The report: sections that nothing fills, and a page of the user's own.

use super::beside;
use crate::{
    diagnostic::{Code, Diagnostic, SourceMap},
    evaluation::Evaluation,
    path,
    report::template_problem,
    spec::load::Sound,
};
use std::{fs::File, io::Read};

/// A larger page is none.
const MAX_TEMPLATE: u64 = 1 << 20;

pub(super) fn lint(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let pipeline = &sound.pipeline;
    // These are shown of every run; the steps of the same name add to them.
    let always = ["learning_curves", "data"];
    for (index, section) in pipeline.report.sections.iter().flatten().enumerate() {
        let name = section.name();
        let is_step = Evaluation::NAMES.contains(&name.as_str()) && !always.contains(&name.as_str());
        if is_step && !pipeline.evaluation.iter().any(|step| step.name() == name) {
            let message = format!("the report has a section `{name}`, but `evaluation` doesn't compute it");
            problems.push(
                Diagnostic::warning(Code::EMPTY_SECTION, message)
                    .at(sound.tree.place_of(path!["report", "sections", index]), "nothing to show")
                    .help(format!("add `{name}` to `evaluation`")),
            );
        }
    }
}

/// The pipeline's page for the report.
///
/// # Errors
/// Where it cannot be read, or is no template.
pub fn template(sound: &Sound, sources: &SourceMap) -> Result<Option<String>, Box<Diagnostic>> {
    let Some(template) = &sound.pipeline.report.template else { return Ok(None) };
    let path = beside(sound, sources, path!["report", "template"], template);
    let bad = |message: String| {
        let problem = Diagnostic::error(Code::BAD_TEMPLATE, message);
        Box::new(problem.at(sound.tree.place_of(path!["report", "template"]), "named here"))
    };
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(MAX_TEMPLATE + 1).read_to_string(&mut text));
    match read {
        Err(error) => return Err(bad(format!("cannot read {}: {error}", path.display()))),
        Ok(size) if size as u64 > MAX_TEMPLATE => {
            return Err(bad(format!("{} is larger than 1 MiB", path.display())));
        }
        Ok(_) => {}
    }
    match template_problem(&text) {
        Some((line, reason)) => Err(bad(format!("{}:{line}: {reason}", path.display()))),
        None => Ok(Some(text)),
    }
}
