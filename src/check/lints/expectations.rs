//! What is expected of the figures, and what they are measured against.

use super::{
    members,
    training::{figures, unknown_figure},
};
use crate::{
    diagnostic::{Code, Diagnostic, SourceMap, Spot, nearest},
    evaluation::{Evaluation, FigureName},
    gate, path,
    run::Baseline,
    source::Declared,
    spec::{Expectation, load::Sound},
    task::Task,
};
use std::{collections::BTreeMap, path::Path};

pub(super) fn lint(sound: &Sound, declared: &Declared, problems: &mut Vec<Diagnostic>) {
    let task = sound.pipeline.task();
    let mut names: Vec<String> = figures(sound).into_iter().map(|(name, _)| name).collect();
    let of_steps: Vec<FigureName> = sound.pipeline.evaluation.iter().flat_map(|step| step.figures(task)).collect();
    let classes = declared.names.as_deref();
    names.push("test_loss".to_owned());
    names.extend(sound.pipeline.training.metrics.iter().map(|metric| format!("test_{}", metric.figure())));
    let of_classes = of_steps.iter().filter(|figure| figure.by_class);
    let of_classes = of_classes.flat_map(|figure| {
        classes.unwrap_or_default().iter().map(|class| format!("{}[{class}]", figure.name)).collect::<Vec<_>>()
    });
    let known: Vec<String> = names
        .iter()
        .cloned()
        .chain(of_steps.iter().filter(|figure| !figure.by_class).map(|figure| figure.name.clone()))
        .chain(of_classes)
        .collect();
    for (name, expectation) in &sound.pipeline.expect {
        let place = sound.tree.key_place_of(path!["expect", name.as_str()]);
        let of_step = of_steps.iter().find(|figure| figure.is(name, classes));
        if !names.contains(name) && of_step.is_none() {
            problems.push(unknown_expectation(name, task, &known, &names, place));
        }
        problems.extend(misplaced(sound, name, expectation, sound.pipeline.range_of(name)));
        if expectation.against.is_some() && expectation.max_drop.is_none() {
            problems.push(
                Diagnostic::warning(
                    Code::NO_EFFECT,
                    "`against` says what `max_drop` is measured against, and there is none",
                )
                .at(sound.tree.key_place_of(path!["expect", name.as_str(), "against"]), "changes nothing")
                .help("add `max_drop`, such as `max_drop: 0.01`, or remove `against`"),
            );
        }
    }
}

/// The complaint about bounds that are none, contradict each other, or lie where the figure never is.
fn misplaced(sound: &Sound, name: &str, expectation: &Expectation, (low, high): (f64, f64)) -> Option<Diagnostic> {
    let Expectation { min, max, max_drop, .. } = *expectation;
    let place = sound.tree.key_place_of(path!["expect", name]);
    let out_of_reach = |bound: &f64| *bound < low || *bound > high;
    let bounds = [("min", min), ("max", max)].into_iter().filter_map(|(key, bound)| Some((key, bound?)));
    let unreachable = |key: &str, message: String| {
        Diagnostic::error(Code::EMPTY_EXPECTATION, message)
            .at(sound.tree.place_of(path!["expect", name, key]), "out of reach")
    };
    let problem = if expectation.is_empty() {
        Diagnostic::error(Code::EMPTY_EXPECTATION, "this expects nothing").at(place, "no bound")
    } else if let Some((min, max)) = min.zip(max).filter(|(min, max)| min > max) {
        Diagnostic::error(Code::EMPTY_EXPECTATION, "no number is both at least `min` and at most `max`")
            .at(place, format!("at least {min} and at most {max}"))
    } else if let Some((key, bound)) = bounds.into_iter().find(|(_, bound)| out_of_reach(bound)) {
        unreachable(
            key,
            match (key, bound > high) {
                ("min", true) | ("max", false) => format!("no run can meet this: `{name}` {}", reach(low, high)),
                _ => format!("every run meets this: `{name}` {}", reach(low, high)),
            },
        )
    } else if max_drop.is_some_and(|drop| drop >= high - low) {
        unreachable("max_drop", format!("every run meets this: `{name}` {}", reach(low, high)))
    } else {
        return None;
    };
    // A percentage, where a share was expected.
    let shares = [min, max].into_iter().flatten().filter(|bound| *bound > 1.0);
    let shares = shares
        .chain(max_drop.filter(|drop| *drop >= 1.0))
        .filter(|share| *share <= 100.0 && low.is_finite() && high == 1.0);
    Some(match shares.map(|percent| percent / 100.0).next() {
        Some(share) => problem.help(format!("it is a share, and no percentage: write `{share}`")),
        None if high.is_infinite() => problem.help(format!("for example `{name}: {{max: 0.7}}`")),
        None => problem.help(format!("for example `{name}: {{min: 0.7}}`")),
    })
}

/// The complaint about an expectation that names no figure; where a step would give it, says so.
fn unknown_expectation(name: &str, task: Task, known: &[String], always: &[String], place: Spot) -> Diagnostic {
    let mut giving = members::<Evaluation>(Evaluation::NAMES)
        .filter(|(_, step)| step.suits(task) && step.figures(task).iter().any(|figure| figure.is(name, None)));
    // A class that isn't there is another mistake.
    let given = known.iter().any(|figure| figure.split('[').next() == name.split('[').next());
    match giving.next().filter(|_| !given) {
        Some((step, _)) => Diagnostic::error(Code::UNKNOWN_FIGURE, format!("nothing produces `{name}`"))
            .at(place, "no such figure")
            .help(format!("add `{step}` to `evaluation`, which does")),
        None if nearest(name, known.iter().map(String::as_str)).is_some() => unknown_figure(name, known, place),
        None => unknown_figure(name, always, place),
    }
}

fn reach(low: f64, high: f64) -> String {
    match (low.is_finite(), high.is_finite()) {
        (true, true) => format!("is a number from {low} to {high}"),
        (false, _) => format!("is never above {high}"),
        (true, false) => format!("is never below {low}"),
    }
}

/// What figures are measured against, where that is there; `runs` is where runs are kept.
pub fn baselines(
    sound: &Sound,
    sources: &SourceMap,
    runs: &Path,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Baseline> {
    let file = sources.texts().next().and_then(|text| text.path.as_deref()).unwrap_or(Path::new(""));
    let mut found = BTreeMap::new();
    for (name, expectation) in &sound.pipeline.expect {
        match gate::baseline(name, expectation, &sound.pipeline, file, runs) {
            Ok(Some(baseline)) => drop(found.insert(name.clone(), baseline)),
            Ok(None) => {}
            Err(problem) => {
                let key = if expectation.against.is_some() { "against" } else { "max_drop" };
                let place = sound.tree.key_place_of(path!["expect", name.as_str(), key]);
                problems.push(problem.at(place, "measured against it"));
            }
        }
    }
    found
}
