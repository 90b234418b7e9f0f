//! The evaluation steps: whether the model and the data have what they ask for.

use crate::{
    check::Plan,
    diagnostic::{Code, Diagnostic},
    evaluation::Known,
    path,
    source::{Declared, Form},
    spec::load::Sound,
};

pub(super) fn lint(sound: &Sound, declared: &Declared, plan: Option<&Plan>, problems: &mut Vec<Diagnostic>) {
    let pipeline = &sound.pipeline;
    let images = matches!(declared.form, Some(Form::Image(_)));
    let rows = matches!(declared.form, Some(Form::Features(_)));
    let layers = plan.map(|plan| plan.outputs(&pipeline.model.layers));
    let columns = if images { Some(pipeline.dataset.source.columns()) } else { declared.features.as_deref() };
    let (classes, examples) = (declared.classes, declared.test);
    let known = Known { layers: layers.as_deref(), classes, examples, columns, images };
    for (index, step) in pipeline.evaluation.iter().enumerate() {
        // Of what isn't predicted another complaint tells.
        if !step.suits(pipeline.task()) {
            continue;
        }
        let place = sound.tree.place_of(path!["evaluation", index]);
        if rows && step.needs_images() {
            let message = format!("`{}` shows images, and the examples are the rows of a table", step.name());
            let problem = Diagnostic::error(Code::CANNOT_EVALUATE, message).at(place, "needs images");
            problems.push(problem.help("leave it out"));
            continue;
        }
        for misfit in step.misfits(&known) {
            let mut path = path!["evaluation", index, step.name(), misfit.key].to_vec();
            path.extend(misfit.index.map(Into::into));
            let problem = Diagnostic::error(Code::CANNOT_EVALUATE, misfit.message);
            problems.push(problem.at(sound.tree.place_of(&path), "asked for here").help(misfit.help));
        }
    }
}
