//! What the machine at hand has: its devices, its memory.

use crate::{
    check::Plan,
    device,
    diagnostic::{Code, Diagnostic},
    path,
    spec::load::Sound,
    text::bytes,
};

pub(super) fn lint(sound: &Sound, plan: Option<&Plan>, problems: &mut Vec<Diagnostic>) {
    if let Err(problem) = device::find(&sound.pipeline.device) {
        problems.push(problem.at(sound.tree.place_of(path!["device"]), "asked for here"));
        return;
    }
    if let (Some(plan), Some(memory)) = (plan, device::memory(&sound.pipeline.device)) {
        training(sound, plan, memory, problems);
        evaluation(sound, plan, memory, problems);
    }
}

fn training(sound: &Sound, plan: &Plan, memory: u64, problems: &mut Vec<Diagnostic>) {
    let batch = sound.pipeline.batch_size();
    let needed = plan.memory(batch, sound.pipeline.training.optimizer.numbers_per_parameter());
    let fixed = needed.total() - needed.activations;
    let help = match memory.checked_sub(fixed).map(|rest| rest / (needed.activations / batch as u64).max(1)) {
        None | Some(0) => "the weights alone are too many: make the model smaller".to_owned(),
        Some(fits) => format!("a batch of {} fits, or make the model smaller", round_down(fits)),
    };
    report(sound, "train", "a training step", needed.total(), memory, help, problems);
}

fn evaluation(sound: &Sound, plan: &Plan, memory: u64, problems: &mut Vec<Diagnostic>) {
    let batch = sound.pipeline.dataset.evaluate.iter().find_map(|stage| stage.batch_size()).unwrap_or(1);
    let weights = plan.memory(0, 0).weights;
    let needed = plan.widest().saturating_mul(batch as u64).saturating_add(weights);
    let help = "make `batch` in `dataset.evaluate` smaller".to_owned();
    report(sound, "evaluate", "an evaluation step", needed, memory, help, problems);
}

fn report(
    sound: &Sound,
    list: &str,
    what: &str,
    needed: u64,
    memory: u64,
    help: String,
    problems: &mut Vec<Diagnostic>,
) {
    if needed <= memory {
        return;
    }
    let message = format!("{what} needs about {}, and there are {}", bytes(needed), bytes(memory));
    // It is an estimate: what misses by little may fit after all.
    let problem = match needed / 2 > memory {
        true => Diagnostic::error(Code::MEMORY, message),
        false => Diagnostic::warning(Code::MEMORY, message),
    };
    let stages = match list {
        "train" => &sound.pipeline.dataset.train,
        _ => &sound.pipeline.dataset.evaluate,
    };
    let batch = stages.iter().position(|stage| stage.batch_size().is_some()).unwrap_or(0);
    problems.push(problem.at(sound.tree.place_of(path!["dataset", list, batch]), "this many at once").help(help));
}

/// A round number not above `n`: a power of two.
fn round_down(n: u64) -> u64 {
    if n == 0 { 0 } else { 1 << n.ilog2() }
}
