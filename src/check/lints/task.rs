//! Whether what is predicted, classes or a number, is what loss, metrics, evaluation and the model's end are for.

use super::members;
use crate::{
    check::Plan,
    diagnostic::{Code, Diagnostic, Spot},
    evaluation::Evaluation,
    layer::display_shape,
    loss::Loss,
    metric::Metric,
    path,
    source::Source,
    spec::{listed, load::Sound},
    task::Task,
};
use serde::de::DeserializeOwned;

pub(super) fn lint(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let pipeline = &sound.pipeline;
    let task = pipeline.task();
    let training = &pipeline.training;
    if training.loss.task() != task {
        // What else suits the loss says the same once more, and what suits the source is right.
        problems.push(of_loss(sound, task));
        return;
    }
    let mut complain = |place: Spot, message: String, label: &str, help: String| {
        let problem = Diagnostic::error(Code::TASK_MISMATCH, message).at(place, label);
        problems.push(at_source(problem, sound, task).help(help));
    };
    for (index, metric) in training.metrics.iter().enumerate().filter(|(_, metric)| metric.task() != task) {
        let message = format!("`{}` is a figure of predicted {}", metric.name(), metric.task().of_what());
        let help = format!("there is {}", listed(&suiting(Metric::NAMES, |it: &Metric| it.task() == task), "and"));
        complain(sound.tree.place_of(path!["training", "metrics", index]), message, "says nothing here", help);
    }
    for (index, step) in pipeline.evaluation.iter().enumerate().filter(|(_, step)| !step.suits(task)) {
        let other = if step.suits(Task::Classification) { Task::Classification } else { Task::Regression };
        let message = format!("`{}` looks at predicted {}", step.name(), other.of_what());
        let suits = |it: &Evaluation| it.suits(task) && !it.needs_images();
        let help = match task {
            Task::Regression => format!("there is {}", listed(&suiting(Evaluation::NAMES, suits), "and")),
            Task::Classification => {
                "leave it out; `worst_mistakes` and `confusion_matrix` show where classes are missed".to_owned()
            }
        };
        complain(sound.tree.place_of(path!["evaluation", index]), message, "has nothing to look at", help);
    }
    if training.class_weight.is_some() && task == Task::Regression {
        let place = sound.tree.key_place_of(path!["training", "class_weight"]);
        let message = "`class_weight` says how much classes count".to_owned();
        complain(place, message, "there are none", "leave it out".to_owned());
    }
}

/// The complaint about a loss of what isn't predicted.
fn of_loss(sound: &Sound, task: Task) -> Diagnostic {
    let loss = &sound.pipeline.training.loss;
    let losses = listed(&suiting(Loss::NAMES, |it: &Loss| it.task() == task), "or");
    let message = format!("`{}` is a loss of predicted {}", loss.name(), loss.task().of_what());
    let problem = Diagnostic::error(Code::TASK_MISMATCH, message);
    let place = sound.tree.place_of(path!["training", "loss"]);
    let at_loss = |problem: Diagnostic| problem.at(place, format!("doesn't fit {}", task.of_what()));
    match (task, &sound.pipeline.dataset.source) {
        // Most likely the source doesn't say what it should.
        (Task::Classification, Source::Table(_)) => at_loss(at_source(problem, sound, task))
            .help(format!("say `task: regression` in `table` to predict numbers; of classes take {losses}")),
        _ => at_source(at_loss(problem), sound, task).help(format!("take {losses}")),
    }
}

/// Points at the source, too.
fn at_source(problem: Diagnostic, sound: &Sound, task: Task) -> Diagnostic {
    let place = sound.tree.key_place_of(path!["dataset", "source", sound.pipeline.dataset.source.name()]);
    problem.at(place, format!("the source gives {} to predict", task.of_what()))
}

/// The members of a family that suit.
fn suiting<T: DeserializeOwned>(names: &'static [&'static str], suits: impl Fn(&T) -> bool) -> Vec<&'static str> {
    members(names).filter(|(_, member)| suits(member)).map(|(name, _)| name).collect()
}

/// A model of numbers that doesn't end in one.
pub(super) fn output(sound: &Sound, plan: &Plan, problems: &mut Vec<Diagnostic>) {
    if plan.output() == [1] {
        return;
    }
    let last = plan.layers.len() - 1;
    let problem = Diagnostic::error(Code::CLASS_COUNT, "the model doesn't end in the one number that is predicted");
    problems.push(
        problem
            .at(
                sound.tree.place_of(path!["model", "layers", last]),
                format!("the last layer gives {}", display_shape(plan.output())),
            )
            .help("end the model with `dense: 1`"),
    );
}
