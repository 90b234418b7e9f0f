//! Whether a run gave again what its lock says.

use super::{Lock, STEPS, Surroundings};
use crate::{
    device, machine,
    run::{EpochRecord, Figures, RunInfo},
};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// What is promised of a run in its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Every bit.
    Bits,
    /// Figures within the measured tolerances.
    Tolerance,
}

/// How a run came out beside its lock.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// What was promised.
    pub promised: Tier,
    /// Whether the promise was kept.
    pub holds: bool,
    /// Whether weights, steps and figures are the same bits, promised or not.
    pub bit_equal: bool,
    /// Where training first gave another loss.
    pub divergence: Option<Divergence>,
    /// Figures that are other ones: what the lock says, what came out, and how far off it may be.
    pub figures: BTreeMap<String, Compared>,
}

/// Where training first gave another loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Divergence {
    /// At a step, from 1: the loss of the lock, and this one.
    Step(usize, f32, f32),
    /// In an epoch, from 1.
    Epoch(usize),
    /// There were more steps, or fewer: as many in the lock, and as many now.
    Length(u64, u64),
}

/// A figure of both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// What the lock says.
    pub locked: f64,
    /// What came out; nothing where nothing did.
    pub now: Option<f64>,
    /// How far off it may be; nothing where that wasn't measured.
    pub tolerance: Option<f64>,
}

impl Compared {
    fn holds(self) -> bool {
        self.now.zip(self.tolerance).is_some_and(|(now, tolerance)| (now - self.locked).abs() <= tolerance)
    }
}

/// What decides about the last digits in this process.
pub fn surroundings(device: &str, threads: usize, processes: usize, passes: Vec<String>) -> Surroundings {
    Surroundings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        libtorch: device::torch_version(),
        device: device.to_owned(),
        strategy: strategy(processes),
        processor: machine::processor(),
        cpu_capability: device::cpu_capability(),
        instructions: machine::instructions(),
        threads,
        passes,
    }
}

/// What of a strategy decides about the last digits: how many processes there really were.
fn strategy(processes: usize) -> Json {
    match processes {
        0 | 1 => json!({ "single": {} }),
        several => json!({ "data_parallel": { "processes": several } }),
    }
}

/// What decided about the last digits of a run.
pub fn surroundings_of(info: &RunInfo) -> Surroundings {
    let it = &info.provenance;
    Surroundings {
        version: it.version.clone(),
        libtorch: it.libtorch.clone(),
        device: it.device.clone(),
        strategy: strategy(it.processes),
        processor: it.processor.clone(),
        cpu_capability: it.cpu_capability.clone(),
        instructions: it.instructions.clone(),
        threads: it.threads,
        passes: it.passes.clone(),
    }
}

impl Surroundings {
    /// What is another than in `self`, as a line each; where there is nothing, every bit is promised.
    pub fn differing(&self, now: &Surroundings) -> Vec<String> {
        let text = |value: &Json| value.to_string();
        let all = [
            ("trainyard", self.version.clone(), now.version.clone()),
            ("libtorch", self.libtorch.clone(), now.libtorch.clone()),
            ("device", self.device.clone(), now.device.clone()),
            ("strategy", text(&self.strategy), text(&now.strategy)),
            ("processor", self.processor.clone(), now.processor.clone()),
            ("vector instructions", self.cpu_capability.clone(), now.cpu_capability.clone()),
            ("threads", self.threads.to_string(), now.threads.to_string()),
            ("passes over the model", self.passes.join(", "), now.passes.join(", ")),
        ];
        let others = all.into_iter().filter(|(_, locked, now)| locked != now);
        let mut told: Vec<String> = others.map(|(what, locked, now)| format!("{what}: {locked} -> {now}")).collect();
        let only = |these: &str, those: &str, sign: char| {
            let those: Vec<&str> = those.split_whitespace().collect();
            let missing = these.split_whitespace().filter(|word| !those.contains(word));
            missing.map(|word| format!("{sign}{word}")).collect::<Vec<_>>()
        };
        let (lost, new) =
            (only(&self.instructions, &now.instructions, '-'), only(&now.instructions, &self.instructions, '+'));
        if !(lost.is_empty() && new.is_empty()) {
            told.push(format!("the processor's instructions: {}", [lost, new].concat().join(" ")));
        }
        told
    }
}

/// Compares what came out of a run with its lock.
pub fn verdict(
    lock: &Lock,
    promised: Tier,
    weights: Option<&str>,
    losses: &[f32],
    history: &[EpochRecord],
    figures: &Figures,
) -> Verdict {
    let mut off = BTreeMap::new();
    for (name, &locked) in &lock.metrics {
        let now = figures.figure(name).filter(|value| value.is_finite());
        if now.is_none_or(|now| now.to_bits() != locked.to_bits()) {
            let tolerance = lock.tolerances.get(name).copied();
            off.insert(name.clone(), Compared { locked, now, tolerance });
        }
    }
    let divergence = divergence(lock, losses, history);
    let bit_equal = off.is_empty() && divergence.is_none() && weights == Some(&lock.weights);
    let holds = match promised {
        Tier::Bits => bit_equal,
        Tier::Tolerance => {
            let measured = off.iter().filter(|(name, _)| lock.tolerances.contains_key(*name));
            bit_equal || (!lock.tolerances.is_empty() && measured.into_iter().all(|(_, figure)| figure.holds()))
        }
    };
    Verdict { promised, holds, bit_equal, divergence, figures: off }
}

fn divergence(lock: &Lock, losses: &[f32], history: &[EpochRecord]) -> Option<Divergence> {
    let pairs = lock.steps.iter().zip(losses).take(STEPS).enumerate();
    let step = pairs.into_iter().find(|(_, (locked, now))| locked.to_bits() != now.to_bits());
    if let Some((at, (&locked, &now))) = step {
        return Some(Divergence::Step(at + 1, locked, now));
    }
    let other = |(epoch, locked): &(&EpochRecord, &BTreeMap<String, f64>)| {
        locked.iter().any(|(name, value)| epoch.figure(name).is_none_or(|now| now.to_bits() != value.to_bits()))
    };
    if let Some(at) = history.iter().zip(&lock.epochs).position(|pair| other(&pair)) {
        return Some(Divergence::Epoch(at + 1));
    }
    let now = losses.len() as u64;
    (now != lock.all_steps).then_some(Divergence::Length(lock.all_steps, now))
}
