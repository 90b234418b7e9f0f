//! A run from its first record to its last.

use super::{
    finished::Finished,
    prepared::Prepared,
    ranks::Task,
    recorder::Recorder,
    restart,
    start::{self, Begun, Setting},
    work::{Work, input_advice},
};
use crate::{
    check,
    cli::{
        Ending,
        context::{Output, set_up_means, set_up_threads, stop_flag, stopped_by},
        runs::renew_index,
        summary::layer_table,
    },
    diagnostic::{Code, Diagnostic, Result, SourceMap},
    distributed::Group,
    gate::{Suite, suite_of_run},
    path,
    progress::Terminal,
    run::{EvaluationRecord, Status, TEMPLATE},
    spec::load::Sound,
    train::Observer,
};
use signal_hook::consts::SIGTERM;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::Ordering,
    time::Instant,
};

/// Runs what is ready, and says how it ended.
///
/// # Errors
/// Where there can be no run at all. What fails within one is told, and the run's record says it.
pub fn execute(prepared: Prepared, group: &Group, output: &Output) -> Result<Finished> {
    let began = Instant::now();
    let Prepared { file, checked, start, threads: wanted, other_callbacks, group: seeds, opened, optimize } = prepared;
    let (Some(sound), Some(plan)) = (&checked.pipeline, &checked.plan) else {
        return Ok(Finished::invalid(Suite::of_problems(&file, &checked.sources, &checked.problems)));
    };
    let pipeline = &sound.pipeline;
    let threads = set_up_threads(pipeline, wanted, group.placement());
    let means = set_up_means(pipeline, optimize, group.placement())?;
    if !output.quiet {
        eprintln!("{}", layer_table(plan));
    }
    let changed = start.is_changed();
    let processes = group.size();
    let setting = Setting { file: &file, checked: &checked, pipeline, plan, means: &means, processes, threads };
    let mut begun = start.begin(&setting, output)?;
    begun.info.seeds = begun.info.seeds.take().or(seeds);
    begun.tell(output);
    let Begun { directory, lock: _lock, info, files } = begun;
    restart::leave_word(pipeline, &directory, group);
    if !group.is_alone() && !output.quiet {
        eprintln!("{} processes of {threads} {} each", processes, if threads == 1 { "thread" } else { "threads" });
    }
    let listeners: Vec<Box<dyn Observer>> = vec![Box::new(Terminal::new(output.quiet))];
    let policy = &pipeline.training.checkpoint;
    let mut recorder = Recorder::new(info, directory, policy, input_advice(pipeline), listeners, began);
    if changed {
        recorder.directory.write("pipeline.yaml", start::as_written(&checked).as_bytes())?;
        recorder.directory.write("resolved.yaml", pipeline.to_yaml().as_bytes())?;
        if let Some(page) = check::template(sound, &checked.sources)? {
            recorder.directory.write(TEMPLATE, page.as_bytes())?;
        }
    }

    let initial_weights = check::initial_weights(sound, &checked.sources);
    let files = files.as_ref();
    let work = Work { pipeline, plan, means, threads, group, start: began, files, initial_weights, other_callbacks };
    let begun = recorder.save().and_then(|()| Task::begin(&work, wanted));
    let result = begun.and_then(|()| {
        // A mistake of ours ends this run and not those that come behind it.
        catch_unwind(AssertUnwindSafe(|| work.execute(&mut recorder, opened, output))).unwrap_or_else(|_| {
            let message = "the program made a mistake, which it told above";
            let problem = Diagnostic::error(Code::COMPUTATION, message);
            Err(Box::new(problem.fact(format!("after step {}", recorder.losses.len()))))
        })
    });
    let result = result.map_err(|problem| located(problem, sound));
    Ok(end(result, recorder, group, sound, &checked.sources, output))
}

/// Records what the run came to, and says so.
fn end(
    result: Result<Option<EvaluationRecord>>,
    mut recorder: Recorder,
    group: &Group,
    sound: &Sound,
    sources: &SourceMap,
    output: &Output,
) -> Finished {
    // Where a process is gone, torchrun tells the others to end by the same signal as `kill`.
    let is_gone = |problem: &Diagnostic| problem.code == Code::RANK && stopped_by() == SIGTERM as usize;
    let stopped = stop_flag().load(Ordering::Relaxed) && !result.as_ref().is_err_and(|problem| is_gone(problem));
    if let Err(problem) = &result {
        group.fail(problem);
        recorder.info.status = if stopped { Status::Interrupted } else { Status::Failed };
        recorder.info.reason = Some(problem.message.clone());
        recorder.info.details = problem.notes.iter().chain(&problem.help).cloned().collect();
    }
    recorder.info.finished = Some(start::now());
    let saved = recorder.save();
    renew_index(output);
    let Recorder { directory, info, .. } = recorder;
    let suite = suite_of_run(&info, directory.path(), sources, sound);
    let mut finished =
        Finished { ending: Ending::Done, run: Some((directory, info)), evaluation: None, reused: false, suite };
    let (directory, info) = finished.run.as_ref().expect("it was put there just now");
    let ending = match &result {
        Ok(_) if info.status == Status::Interrupted => Ending::Interrupted,
        Ok(_) if info.expectations.iter().any(|expectation| !expectation.met) => Ending::NotMet,
        Ok(_) => Ending::Done,
        Err(problem) if stopped => {
            eprintln!("interrupted: {problem}; see {}", directory.path().display());
            Ending::Interrupted
        }
        Err(problem) => {
            output.tell(sources, problem);
            eprintln!("what was done so far is in {}", directory.path().display());
            Ending::Failed
        }
    };
    let goes_on = matches!(info.status, Status::Interrupted | Status::Failed);
    if goes_on && !output.quiet && directory.has_checkpoint() {
        eprintln!("go on with it: trainyard run --resume {}", directory.path().display());
    }
    finished.ending = ending;
    if let Err(problem) = saved {
        // On a full disk it is what ended the run, too.
        if result.as_ref().err().is_none_or(|first| first.code != problem.code) {
            output.tell(&SourceMap::default(), &problem);
        }
        finished.ending = finished.ending.max(Ending::Failed);
    }
    if let Ok(evaluation) = result {
        finished.evaluation = evaluation;
        finished.conclude(output);
    }
    finished
}

/// Where memory doesn't suffice while the run is under way, the line that asks for so much of it.
fn located(problem: Box<Diagnostic>, sound: &Sound) -> Box<Diagnostic> {
    if problem.code != Code::MEMORY {
        return problem;
    }
    let batch = sound.pipeline.dataset.train.iter().position(|stage| stage.batch_size().is_some()).unwrap_or(0);
    Box::new(problem.at(sound.tree.place_of(path!["dataset", "train", batch]), "this many at once"))
}
