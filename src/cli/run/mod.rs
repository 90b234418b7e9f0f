//! `trainyard run`

mod recorder;
mod resume;
mod start;
mod work;

pub use work::{expectations, open_data, splits};

use super::{
    Ending, LintArguments,
    context::{Output, set_up_threads, stop_flag},
    evaluate::print_metrics,
    runs::renew_index,
    summary::layer_table,
};
use crate::{
    check::{self, Checked, Options},
    device,
    diagnostic::{Code, Diagnostic, Result, SourceMap},
    progress::{Terminal, duration},
    run::{
        EvaluationRecord, Lineage, Resumption, RunDirectory, RunInfo, RunLock, Status, TEMPLATE,
        checkpoint::{Files, position},
    },
    spec::contract,
};
use recorder::Recorder;
use serde_json::{Value as Json, json};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Instant,
};
use work::{Opened, Work, input_advice, input_bound};

/// `trainyard run FILE...`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  trainyard run pipelines/cifar10.yaml --set training.epochs=5\n  trainyard run \
                        pipelines/*.yaml\n  trainyard run --resume last\n  trainyard run --resume cifar10-cnn --set \
                        training.epochs=80 --allow training.epochs")]
pub struct Arguments {
    /// The pipelines. Several are run one after the other, whatever becomes of each.
    #[arg(required_unless_present = "resume", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Override a value: `training.epochs=5`, `model.layers[1].conv2d.filters=64`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    lints: LintArguments,
    /// Go on with a run from its latest checkpoint: its directory, NAME for the latest one of that name, or `last`. Its own
    /// pipeline holds where no FILE is given. What is different in training has to be allowed: `--allow training.epochs`.
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
}

/// A pipeline that is ready to be run.
pub struct Prepared {
    /// The pipeline's file, as it was named.
    file: PathBuf,
    checked: Checked,
    start: Start,
    /// The threads to compute with where the pipeline says `auto`; nothing for what the machine allows.
    threads: Option<usize>,
    /// Whether a resumed run has other callbacks than it had.
    other_callbacks: bool,
    /// The data, where they were looked at already.
    opened: Option<Opened>,
}

/// From where a run begins.
enum Start {
    /// From nothing.
    New,
    /// Where it was interrupted.
    Resumed {
        directory: RunDirectory,
        lock: RunLock,
        info: Box<RunInfo>,
        /// Its latest checkpoint, where it came that far.
        files: Option<Files>,
        changes: Vec<String>,
        notes: Vec<String>,
    },
    /// Where another one, which is complete, ended.
    Extended { parent: Box<RunInfo>, files: Files, changes: Vec<String>, notes: Vec<String> },
}

/// What became of a run.
pub struct Finished {
    /// How it ended.
    pub ending: Ending,
    /// Where it is and what it says of itself, where it came that far.
    pub run: Option<(RunDirectory, RunInfo)>,
    /// Its figures, where it was evaluated.
    pub evaluation: Option<EvaluationRecord>,
}

impl Finished {
    fn without_run(ending: Ending) -> Self {
        Finished { ending, run: None, evaluation: None }
    }

    /// What `--json` prints of it.
    fn json(&self) -> Json {
        let Some((directory, info)) = &self.run else { return json!({ "run": null, "status": "invalid" }) };
        json!({
            "run": directory.path(), "report": directory.file("report.html"), "status": info.status,
            "epochs": info.training.epochs_done, "best_epoch": info.training.best_epoch,
            "metrics": self.evaluation.as_ref().map(|evaluation| &evaluation.metrics),
            "expectations": info.expectations, "weights_digest": info.weights_digest,
        })
    }
}

/// Checks, trains, evaluates, reports.
pub fn run(arguments: &Arguments, output: &Output) -> Result<Ending> {
    stop_flag();
    let is_key = |name: &&String| arguments.resume.is_some() && contract::can_be_allowed(name);
    let (keys, codes): (Vec<String>, Vec<String>) =
        arguments.lints.allow.iter().cloned().partition(|name| is_key(&name));
    let options = Options { sets: &arguments.set, allow: &codes, ..arguments.lints.options() };
    let prepared = match &arguments.resume {
        Some(run) => {
            let file = arguments.files.first().map(PathBuf::as_path);
            resume::prepare(&resume::Request { run, file, allow: &keys, options }, output)?
        }
        None => prepare(&arguments.files[0], &options, output),
    };
    let finished = match prepared {
        Some(prepared) => execute(prepared, output)?,
        None => Finished::without_run(Ending::Invalid),
    };
    if output.json && finished.run.is_some() {
        println!("{}", serde_json::to_string_pretty(&finished.json()).expect("plain data"));
    }
    Ok(finished.ending)
}

/// Checks a pipeline; `None` where what is wrong was told.
fn prepare(file: &Path, options: &Options<'_>, output: &Output) -> Option<Prepared> {
    let checked = output.with_surroundings(None, |surroundings| {
        output.check(file, &Options { surroundings: Some(surroundings), ..*options })
    });
    checked.is_sound().then(|| Prepared {
        file: file.to_owned(),
        checked,
        start: Start::New,
        threads: None,
        other_callbacks: false,
        opened: None,
    })
}

/// Runs what is ready, and says how it ended.
///
/// # Errors
/// Where there can be no run at all. What fails within one is told, and the run's record says it.
fn execute(prepared: Prepared, output: &Output) -> Result<Finished> {
    let began = Instant::now();
    let Prepared { file, checked, start, threads, other_callbacks, opened } = prepared;
    let (Some(sound), Some(plan)) = (&checked.pipeline, &checked.plan) else {
        return Ok(Finished::without_run(Ending::Invalid));
    };
    let pipeline = &sound.pipeline;
    let threads = set_up_threads(pipeline, threads);
    let device = device::open(&pipeline.device)?;
    if !output.quiet {
        eprintln!("{}", layer_table(plan));
    }
    let changed = !matches!(&start, Start::Resumed { changes, .. } if changes.is_empty());
    let new = |files: Option<Files>| -> Result<_> {
        let stamp = jiff::ZonedDateTime::now().strftime("%Y%m%d-%H%M%S").to_string();
        let (directory, lock) = RunDirectory::create(&output.runs_directory, &pipeline.name, &stamp)?;
        let info = start::first_info(&checked, pipeline, plan, &directory, output, device, threads, &file);
        Ok((directory, lock, info, files))
    };
    let resumption = |files: &Option<Files>, changes, notes| {
        let (epochs, steps) =
            files.as_ref().and_then(position).map_or((0, 0), |position| (position.epochs, position.steps));
        Resumption { at: start::now(), epochs, steps, changes, notes }
    };
    let (directory, _lock, info, files) = match start {
        Start::New => new(None)?,
        Start::Extended { parent, files, changes, notes } => {
            let (directory, lock, mut info, files) = new(Some(files))?;
            info.data = parent.data.clone();
            info.lineage = Some(Lineage { id: parent.id.clone(), epochs: parent.training.epochs_done });
            info.resumed.push(resumption(&files, changes, notes));
            (directory, lock, info, files)
        }
        Start::Resumed { directory, lock, mut info, files, changes, notes } => {
            info.resumed.push(resumption(&files, changes, notes));
            info.status = Status::Running;
            resume::describe(&mut info, &checked, pipeline);
            (directory, lock, *info, files)
        }
    };
    if let Some(again) = info.resumed.last().filter(|_| !output.quiet) {
        let from = info.lineage.as_ref().map_or_else(|| info.id.clone(), |parent| parent.id.clone());
        match files {
            Some(_) => eprintln!("going on with {from} after {} epochs and {} steps in all", again.epochs, again.steps),
            None => eprintln!("{from} holds no checkpoint: it begins again"),
        }
    }
    let total_before = info.timings.total;
    let listeners: Vec<Box<dyn crate::train::Observer>> = vec![Box::new(Terminal::new(output.quiet))];
    let policy = &pipeline.training.checkpoint;
    let mut recorder = Recorder::new(info, directory, policy, input_advice(pipeline), listeners);
    if changed {
        recorder.directory.write("pipeline.yaml", start::as_written(&checked).as_bytes())?;
        recorder.directory.write("resolved.yaml", pipeline.to_yaml().as_bytes())?;
        if let Some(page) = check::template(sound, &checked.sources)? {
            recorder.directory.write(TEMPLATE, page.as_bytes())?;
        }
    }

    let work = Work { pipeline, plan, device, threads, start: began, files: files.as_ref(), other_callbacks };
    let result = recorder.save().and_then(|()| {
        // A mistake of ours ends this run and not those that come behind it.
        catch_unwind(AssertUnwindSafe(|| work.execute(&mut recorder, opened, output))).unwrap_or_else(|_| {
            Err(Box::new(Diagnostic::error(Code::COMPUTATION, "the program made a mistake, which it told above")))
        })
    });
    let stopped = stop_flag().load(Ordering::Relaxed);
    if let Err(problem) = &result {
        recorder.info.status = if stopped { Status::Interrupted } else { Status::Failed };
        recorder.info.reason = Some(problem.message.clone());
        recorder.info.details = problem.notes.iter().chain(&problem.help).cloned().collect();
    }
    recorder.info.finished = Some(start::now());
    recorder.info.timings.total = total_before + began.elapsed().as_secs_f64();
    let saved = recorder.save();
    renew_index(output);
    let mut ending = match &result {
        Ok(evaluation) => {
            conclude(&recorder, evaluation.as_ref(), output);
            if let Some(told) = recorder.info.input_bound.as_ref().filter(|_| !output.quiet) {
                eprintln!("{told}");
            }
            match recorder.info.status {
                Status::Interrupted => Ending::Interrupted,
                _ if recorder.info.expectations.iter().any(|expectation| !expectation.met) => Ending::NotMet,
                _ => Ending::Done,
            }
        }
        Err(problem) if stopped => {
            eprintln!("interrupted: {problem}; see {}", recorder.directory.path().display());
            Ending::Interrupted
        }
        Err(problem) => {
            output.tell(&checked.sources, problem);
            eprintln!("what was done so far is in {}", recorder.directory.path().display());
            Ending::Failed
        }
    };
    if let Err(problem) = saved {
        // On a full disk it is what ended the run, too.
        if result.as_ref().err().is_none_or(|first| first.code != problem.code) {
            output.tell(&SourceMap::default(), &problem);
        }
        ending = if stopped { ending } else { Ending::Failed };
    }
    let goes_on = matches!(recorder.info.status, Status::Interrupted | Status::Failed);
    if goes_on && !output.quiet && recorder.directory.read_checkpoint().files.is_some() {
        eprintln!("go on with it: trainyard run --resume {}", recorder.directory.path().display());
    }
    let Recorder { directory, info, .. } = recorder;
    Ok(Finished { ending, run: Some((directory, info)), evaluation: result.ok().flatten() })
}

/// Says how the run ended.
fn conclude(recorder: &Recorder, evaluation: Option<&EvaluationRecord>, output: &Output) {
    let Recorder { info, directory, .. } = recorder;
    if output.json {
        return;
    }
    if !output.quiet {
        let kept = info.training.best_epoch.map(|e| format!(", weights of epoch {e} kept")).unwrap_or_default();
        let training = &info.training;
        let how = match (info.status, training.stopped_early) {
            (Status::Interrupted, _) => format!("interrupted at step {}, after", training.steps_done),
            (_, true) => "stopped early after".to_owned(),
            _ => "trained for".to_owned(),
        };
        let time = duration(info.timings.training);
        eprintln!("{how} {} epochs, {time}{kept}", training.epochs_done);
    }
    if let Some(evaluation) = evaluation {
        print_metrics(evaluation);
    }
    for expectation in &info.expectations {
        let bounds: Vec<String> = [("at least", expectation.min), ("at most", expectation.max)]
            .into_iter()
            .filter_map(|(word, bound)| bound.map(|bound| format!("{word} {bound}")))
            .collect();
        let verdict = if expectation.met { "met" } else { "NOT MET" };
        let value = expectation.value.map_or("not produced".to_owned(), |value| format!("{value:.4}"));
        println!("expected {} {}: {verdict} ({value})", expectation.figure, bounds.join(" and "));
    }
    println!("report: {}", directory.file("report.html").display());
}
