//! `trainyard plan`

mod sharing;

use super::{
    Ending, PipelineArguments,
    context::{Output, threads_of},
    run::{expected_carrier, processes},
    summary::layer_table,
};
use crate::{
    check::{Checked, Memory, Options, Plan},
    data::count_steps,
    device,
    diagnostic::{Place, Result},
    distributed::Placement,
    progress::duration,
    run::{ConfigurationLine, RunDirectory, Status},
    source::Declared,
    spec::{
        Pipeline,
        load::Sound,
        origins::{origin, resolved_lines},
        tree::{Node, Step, display_path},
    },
    text::{Table, bytes, thousands},
};
use serde::Serialize;
use sharing::Sharing;
use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

/// `trainyard plan FILE`
#[derive(clap::Args)]
#[command(after_help = "Example:\n  trainyard plan pipelines/cifar10.yaml --set training.epochs=5\n  trainyard plan \
                        pipelines/cifar10.yaml --set strategy.data_parallel=8 --bandwidth 10Gbit/s")]
pub struct Arguments {
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// What a link between two processes carries, for `data_parallel`: `10Gbit/s`, `1.25GB/s`. Measured within this machine where it
    /// isn't given.
    #[arg(long, value_name = "RATE", value_parser = sharing::bandwidth)]
    bandwidth: Option<f64>,
}

/// What a run would do.
#[derive(Serialize)]
struct Planned {
    pipeline: Pipeline,
    /// Where each value was written that isn't a default, by its path.
    origins: Vec<Origin>,
    steps: Steps,
    memory: Memory,
    memory_total: u64,
    /// Bytes of decoded examples that are kept in memory.
    data_in_memory: u64,
    machine_memory: Option<u64>,
    /// Bytes that the run will leave on the disk, a cache in a directory included, about.
    disk: u64,
    device: String,
    /// Of each process.
    threads: usize,
    /// Where there are several processes.
    sharing: Option<Sharing>,
    estimate: Option<Estimate>,
}

#[derive(Serialize)]
struct Origin {
    path: String,
    file: String,
    line: usize,
}

/// How many of what.
#[derive(Serialize)]
struct Steps {
    train_examples: Option<usize>,
    validation_examples: Option<usize>,
    test_examples: Option<usize>,
    batch: usize,
    steps_per_epoch: Option<usize>,
    epochs: usize,
}

/// How long it will take, as a past run tells.
#[derive(Serialize)]
struct Estimate {
    /// The past run.
    run: PathBuf,
    /// Its training images a second.
    images_per_second: f64,
    /// The threads that it had.
    threads: usize,
    /// Seconds for an epoch, validation included.
    epoch_seconds: f64,
    /// Seconds for all epochs.
    at_most_seconds: f64,
}

/// Says what a run would do.
pub fn plan(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let options = arguments.pipeline.options();
    let checked = output.with_surroundings(None, |surroundings| {
        output.check(&arguments.pipeline.file, &Options { surroundings: Some(surroundings), ..options })
    });
    let (true, Some(sound), Some(declared), Some(plan)) =
        (checked.is_sound(), &checked.pipeline, &checked.declared, &checked.plan)
    else {
        return Ok(Ending::Invalid);
    };
    let planned = planned(&checked, sound, declared, plan, arguments.bandwidth, &output.runs_directory)?;
    if output.json {
        println!("{}", serde_json::to_string_pretty(&planned).expect("plain data"));
    } else {
        print!("{}", resolved(&checked, sound));
        println!("\n{}", layer_table(plan));
        print!("{}", table(&planned, plan));
    }
    Ok(Ending::Done)
}

fn planned(
    checked: &Checked,
    sound: &Sound,
    declared: &Declared,
    plan: &Plan,
    bandwidth: Option<f64>,
    runs_directory: &Path,
) -> Result<Planned> {
    let pipeline = &sound.pipeline;
    let processes = processes(pipeline);
    let threads = threads_of(pipeline, None, &Placement::among(processes));
    let memory =
        plan.memory(pipeline.batch_size().div_ceil(processes), pipeline.training.optimizer.numbers_per_parameter());
    let steps = steps(pipeline, declared);
    let example = plan.input.bytes() as u64;
    // The last `cache` is the one that examples are read from.
    let kept = |stages: &[crate::stage::Stage], examples: Option<usize>, in_file: bool| {
        let last = stages.iter().rev().find(|stage| stage.keeps_examples());
        let here = last.is_some_and(|stage| stage.cache_directory().is_some() == in_file);
        examples.filter(|_| here).map_or(0, |examples| example * examples as u64)
    };
    let evaluated = steps.validation_examples.max(steps.test_examples);
    let dataset = &pipeline.dataset;
    let estimate = estimate(pipeline, plan, &steps, runs_directory);
    let sharing = || {
        let carrier = expected_carrier(pipeline, processes);
        Sharing::new(pipeline, plan, (processes, threads), (carrier, bandwidth), estimate.as_ref())
    };
    let predictions = steps.test_examples.unwrap_or(0) as u64 * (declared.classes.unwrap_or(0) as u64 * 4 + 12);
    Ok(Planned {
        origins: origins(checked, sound),
        data_in_memory: kept(&dataset.train, steps.train_examples, false) + kept(&dataset.evaluate, evaluated, false),
        memory_total: memory.total(),
        machine_memory: device::memory(&pipeline.device),
        // The report with its charts takes some 200 KiB.
        disk: memory.weights
            + predictions
            + (200 << 10)
            + kept(&dataset.train, steps.train_examples, true)
            + kept(&dataset.evaluate, evaluated, true),
        device: device::name(device::open(&pipeline.device)?),
        threads,
        sharing: (processes > 1).then(sharing),
        estimate,
        pipeline: pipeline.clone(),
        steps,
        memory,
    })
}

fn steps(pipeline: &Pipeline, declared: &Declared) -> Steps {
    let batch = pipeline.batch_size();
    let validation = &pipeline.dataset.validation;
    let train = validation.training_examples(declared);
    Steps {
        train_examples: train,
        validation_examples: validation.examples(declared),
        test_examples: declared.test,
        batch,
        steps_per_epoch: pipeline
            .training
            .steps_per_epoch
            .or_else(|| train.map(|examples| count_steps(&pipeline.dataset.train, examples))),
        epochs: pipeline.training.epochs,
    }
}

/// Looks for the latest completed run of the same layers on the same device.
fn estimate(pipeline: &Pipeline, plan: &Plan, steps: &Steps, runs: &Path) -> Option<Estimate> {
    let examples = match pipeline.training.steps_per_epoch {
        Some(count) => count * steps.batch,
        None => steps.train_examples?,
    };
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(runs.join(&pipeline.name)).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    names.sort();
    let shapes = |rows: &[crate::run::LayerRow]| -> Vec<_> {
        rows.iter().map(|row| (row.kind.clone(), row.output_shape.clone(), row.parameters)).collect()
    };
    names.into_iter().rev().find_map(|path| {
        let directory = RunDirectory::open(&path).ok()?;
        let info = directory.read_info().ok()?;
        let same = info.status == Status::Completed && shapes(&info.layers) == shapes(&plan.rows());
        let history = directory.read_history().ok().filter(|history| same && !history.is_empty())?;
        // The first epoch also reads the data.
        let typical = &history[history.len() / 2];
        let training = examples as f64 / typical.images_per_second;
        let around = (info.timings.training - history.iter().map(|epoch| epoch.seconds).sum::<f64>()).max(0.0);
        let epoch_seconds = training + around / history.len() as f64;
        Some(Estimate {
            run: path,
            images_per_second: typical.images_per_second,
            threads: info.provenance.threads * info.provenance.processes.max(1),
            epoch_seconds,
            at_most_seconds: epoch_seconds * steps.epochs as f64,
        })
    })
}

fn origins(checked: &Checked, sound: &Sound) -> Vec<Origin> {
    fn collect(node: &Node, path: &[Step], root: Place, checked: &Checked, all: &mut Vec<Origin>) {
        let children = node.children();
        if children.is_empty() && node.place != root {
            let (file, line) = origin(&checked.sources, node.place);
            all.push(Origin { path: display_path(path), file, line });
        }
        for (step, child) in children {
            collect(child, &[path, &[step]].concat(), root, checked, all);
        }
    }
    let mut all = Vec::new();
    collect(&sound.tree, &[], sound.tree.place, checked, &mut all);
    all
}

/// The resolved pipeline as YAML; behind each value that isn't a default, where it was written.
fn resolved(checked: &Checked, sound: &Sound) -> String {
    let lines = resolved_lines(&checked.sources, sound);
    let width = lines.iter().filter(|line| line.origin.is_some()).map(|line| line.text.chars().count()).max();
    let mut text = String::new();
    for ConfigurationLine { text: line, origin, .. } in lines {
        let _ = match origin {
            Some(origin) => writeln!(text, "{line:<width$}  # {origin}", width = width.unwrap_or(0)),
            None => writeln!(text, "{line}"),
        };
    }
    text
}

fn table(planned: &Planned, plan: &Plan) -> String {
    let Planned { steps, memory, .. } = planned;
    let count =
        |number: Option<usize>| number.map_or("not known before the data is there".to_owned(), |n| thousands(n as u64));
    let mut table = Table::bare("<<");
    let mut row = |name: &str, value: String| table.row(&[name, &value]);
    row("training examples", count(steps.train_examples));
    row("validation examples", count(steps.validation_examples));
    row("test examples", count(steps.test_examples));
    row(
        "steps",
        match steps.steps_per_epoch {
            Some(per_epoch) => format!(
                "{} an epoch of batches of {}, {} in {} epochs at most",
                thousands(per_epoch as u64),
                steps.batch,
                thousands((per_epoch * steps.epochs) as u64),
                steps.epochs
            ),
            None => format!("{} epochs at most, in batches of {}", steps.epochs, steps.batch),
        },
    );
    row("parameters", thousands(plan.total(|row| row.parameters)));
    let parts = [
        ("weights", memory.weights),
        ("gradients", memory.gradients),
        ("optimizer", memory.optimizer),
        ("activations", memory.activations),
        ("data", planned.data_in_memory),
    ];
    let parts: Vec<String> = parts.iter().map(|(name, size)| format!("{name} {}", bytes(*size))).collect();
    let total = planned.memory_total.saturating_add(planned.data_in_memory);
    let machine = planned.machine_memory.map(|all| format!(" of {}", bytes(all))).unwrap_or_default();
    let each = if planned.sharing.is_some() { " for each process" } else { "" };
    row("memory", format!("about {}{machine}{each}: {}", bytes(total), parts.join(", ")));
    row("disk", format!("about {}", bytes(planned.disk)));
    row("device", format!("{}, {} threads", planned.device, planned.threads));
    for (name, value) in planned.sharing.iter().flat_map(Sharing::rows) {
        row(name, value);
    }
    row(
        "time",
        match &planned.estimate {
            Some(estimate) => format!(
                "about {} an epoch, {} at most, as {} tells",
                duration(estimate.epoch_seconds),
                duration(estimate.at_most_seconds),
                estimate.run.display()
            ),
            None => "no past run tells".to_owned(),
        },
    );
    table.to_string()
}
