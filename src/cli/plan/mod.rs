//! `trainyard plan`

mod bandwidth;
mod past;
mod sharing;
mod step;

use super::{
    Ending, PipelineArguments,
    context::Output,
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
    run::ConfigurationLine,
    source::Declared,
    spec::{
        Pipeline,
        load::Sound,
        origins::{origin, resolved_lines},
        tree::{Node, Step, display_path},
    },
    text::{Table, bytes, counted, thousands},
};
use past::Past;
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
    /// What a link between two machines carries, for `data_parallel` with a machine like this one for each process: `10Gbit/s`,
    /// `10Gbps`, `1.25GB/s`. Where it isn't given, all processes are on this machine.
    #[arg(long, value_name = "RATE", value_parser = bandwidth::read)]
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
    /// The latest past run, where none tells how long it will take.
    #[serde(skip)]
    unlike: Option<Past>,
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
    /// Whether those to train and validate on are estimates: of a share, nearly the same part of every class is split off.
    about: bool,
    batch: usize,
    steps_per_epoch: Option<usize>,
    epochs: usize,
}

/// How long it will take, about.
#[derive(Serialize)]
struct Estimate {
    /// The past run that tells it.
    run: PathBuf,
    /// Whether that run had other processes or threads, and the model of `docs/scaling.md` leads from them to these.
    modelled: bool,
    /// The processes of that run, and the threads of each.
    processes: usize,
    threads: usize,
    /// Seconds for an epoch, validation included.
    epoch_seconds: f64,
    /// Seconds for all epochs, where none of them is spared.
    total_seconds: f64,
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
    let placement = bandwidth.map_or_else(|| Placement::among(processes), |_| Placement::apart(processes));
    let threads = pipeline.strategy.threads(pipeline.threads, None, &placement);
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
    let device = device::name(device::open(&pipeline.device)?);
    let past = past::runs(pipeline, plan, &device, runs_directory);
    let sharing = (processes > 1).then(|| {
        let carrier = expected_carrier(pipeline, processes);
        Sharing::new(pipeline, plan, (processes, threads), (carrier, bandwidth), &past)
    });
    let estimate = estimate(&steps, (processes, threads), sharing.as_ref(), &past);
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
        device,
        threads,
        unlike: past.into_iter().next().filter(|_| estimate.is_none()),
        sharing,
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
        about: validation.share().is_some(),
        batch,
        steps_per_epoch: pipeline
            .training
            .steps_per_epoch
            .or_else(|| train.map(|examples| count_steps(&pipeline.dataset.train, examples))),
        epochs: pipeline.training.epochs,
    }
}

/// How long it will take: as a run by the same processes and threads took, or by the model.
fn estimate(
    steps: &Steps,
    (processes, threads): (usize, usize),
    sharing: Option<&Sharing>,
    past: &[Past],
) -> Option<Estimate> {
    let per_epoch = steps.steps_per_epoch?;
    // The last batch may be a part of one.
    let all = steps.train_examples.filter(|all| all.div_ceil(steps.batch) == per_epoch);
    let examples = all.unwrap_or(per_epoch * steps.batch);
    let of = |run: &Past, training: f64, modelled: bool| Estimate {
        run: run.run.clone(),
        modelled,
        processes: run.processes,
        threads: run.threads,
        epoch_seconds: training + run.around,
        total_seconds: (training + run.around) * steps.epochs as f64,
    };
    let is_here = sharing.is_none_or(|sharing| sharing.is_here);
    if let Some(run) = past::latest(past, (processes, threads), steps.batch).filter(|_| is_here) {
        return Some(of(run, run.seconds(examples), false));
    }
    let (step, from) = sharing.and_then(|sharing| sharing.step.zip(sharing.from.as_ref()))?;
    let run = past.iter().find(|run| run.run == *from)?;
    Some(of(run, step.total * per_epoch as f64, true))
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
    let estimated = |number: Option<usize>| match number {
        Some(_) if steps.about => format!("about {}", count(number)),
        _ => count(number),
    };
    row("training examples", estimated(steps.train_examples));
    row("validation examples", estimated(steps.validation_examples));
    row("test examples", count(steps.test_examples));
    row(
        "steps",
        match steps.steps_per_epoch {
            Some(per_epoch) => format!(
                "{} an epoch of batches of {}, {} in {} at most",
                estimated(Some(per_epoch)),
                steps.batch,
                thousands((per_epoch * steps.epochs) as u64),
                counted(steps.epochs, "epoch", "epochs")
            ),
            None => {
                format!("{} at most, in batches of {}", counted(steps.epochs, "epoch", "epochs"), steps.batch)
            }
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
    row("device", format!("{}, {}", planned.device, counted(planned.threads, "thread", "threads")));
    for (name, value) in planned.sharing.iter().flat_map(Sharing::rows) {
        row(name, value);
    }
    row("time", time(planned));
    table.to_string()
}

fn time(planned: &Planned) -> String {
    let by = |processes: usize, threads: usize| {
        format!("{} of {}", counted(processes, "process", "processes"), counted(threads, "thread", "threads"))
    };
    match (&planned.estimate, &planned.unlike) {
        (Some(estimate), _) => {
            let run = estimate.run.display();
            let from = match estimate.modelled {
                true => format!(
                    "by the model of docs/scaling.md from {run}, which had {}",
                    by(estimate.processes, estimate.threads)
                ),
                false => format!("as {run} tells"),
            };
            let (epoch, all) = (duration(estimate.epoch_seconds), duration(estimate.total_seconds));
            let epochs = counted(planned.steps.epochs, "epoch", "epochs");
            format!("about {epoch} an epoch, {all} for {epochs}, {from}")
        }
        (None, Some(run)) => {
            format!("not known: {} had {}", run.run.display(), by(run.processes, run.threads))
        }
        (None, None) => "no past run tells".to_owned(),
    }
}
