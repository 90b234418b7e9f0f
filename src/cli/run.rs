//! `trainyard run`

use super::{
    Ending, PipelineArguments,
    context::{Output, set_up_threads, stop_flag},
    data::look,
    evaluate::{Trained, evaluate_into, print_metrics},
    report::write_report,
    runs::renew_index,
    summary::layer_table,
};
use crate::{
    check::{self, Checked, Options, Plan},
    data::{Feed, InputPipeline, OnUnreadable, readable},
    device,
    diagnostic::{Diagnostic, Renderer, Result, SourceMap},
    evaluation::significance::{mcnemar, only_one_right},
    model::{Model, adapt, digest, wants_statistics, weights_bytes},
    progress::{Terminal, duration},
    report::render,
    run::{
        Circumstances, DataInfo, EpochRecord, EvaluationRecord, ExpectationResult, Previous, Provenance, RunDirectory,
        RunInfo, Status, TEMPLATE, Timings, TrainingInfo, Unreadable, read_predictions, store,
    },
    source::{Dataset, Examples, Subset, Surroundings},
    spec::{OnError, Pipeline, Validation, extends, origins::resolved_lines},
    tensorboard::EventFiles,
    train::{self, Event, Observer, Outcome, Training},
};
use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

/// `trainyard run FILE`
#[derive(clap::Args)]
#[command(after_help = "Example:\n  trainyard run pipelines/cifar10.yaml --set training.epochs=5")]
pub struct Arguments {
    #[command(flatten)]
    pipeline: PipelineArguments,
}

/// Checks, trains, evaluates, reports.
pub fn run(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let start = Instant::now();
    stop_flag();
    let file = &arguments.pipeline.file;
    let checked = output.with_surroundings(None, |surroundings| {
        output.check(file, &Options { surroundings: Some(surroundings), ..arguments.pipeline.options() })
    });
    if !checked.is_sound() {
        return Ok(Ending::Invalid);
    }
    let (Some(sound), Some(plan)) = (&checked.pipeline, &checked.plan) else { return Ok(Ending::Invalid) };
    let pipeline = &sound.pipeline;
    let threads = set_up_threads(pipeline);
    let device = device::open(&pipeline.device)?;
    if !output.quiet {
        eprintln!("{}", layer_table(plan));
    }
    let stamp = jiff::ZonedDateTime::now().strftime("%Y%m%d-%H%M%S").to_string();
    let (directory, _lock) = RunDirectory::create(&output.runs_directory, &pipeline.name, &stamp)?;
    let mut recorder = Recorder {
        info: first_info(&checked, pipeline, plan, &directory, output, device, threads, file),
        directory,
        history: Vec::new(),
        input_advice: input_advice(pipeline),
        listeners: vec![Box::new(Terminal::new(output.quiet))],
        reported: None,
    };
    recorder.directory.write("pipeline.yaml", as_written(&checked).as_bytes())?;
    recorder.directory.write("resolved.yaml", pipeline.to_yaml().as_bytes())?;
    if let Some(page) = check::template(sound, &checked.sources)? {
        recorder.directory.write(TEMPLATE, page.as_bytes())?;
    }

    let result = recorder.save().and_then(|()| work(&mut recorder, pipeline, plan, device, threads, output, start));
    let stopped = stop_flag().load(Ordering::Relaxed);
    if let Err(problem) = &result {
        recorder.info.status = if stopped { Status::Interrupted } else { Status::Failed };
        recorder.info.reason = Some(problem.message.clone());
        recorder.info.details = problem.notes.iter().chain(&problem.help).cloned().collect();
    }
    recorder.info.finished = Some(now());
    recorder.info.timings.total = start.elapsed().as_secs_f64();
    recorder.save()?;
    renew_index(output);
    let evaluation = match result {
        Ok(evaluation) => evaluation,
        Err(problem) if stopped => {
            eprintln!("interrupted: {problem}; see {}", recorder.directory.path().display());
            return Ok(Ending::Interrupted);
        }
        Err(problem) => {
            output.tell(&checked.sources, &problem);
            eprintln!("what was done so far is in {}", recorder.directory.path().display());
            return Ok(Ending::Failed);
        }
    };
    conclude(&recorder, evaluation.as_ref(), output);
    if let Some(told) = recorder.info.input_bound.as_ref().filter(|_| !output.quiet) {
        eprintln!("{told}");
    }
    Ok(match recorder.info.status {
        Status::Interrupted => Ending::Interrupted,
        _ if recorder.info.expectations.iter().any(|expectation| !expectation.met) => Ending::NotMet,
        _ => Ending::Done,
    })
}

/// The pipeline as it was written; as comments, what it extends and the flags that changed it.
fn as_written(checked: &Checked) -> String {
    let mut text = String::new();
    for (index, source) in checked.sources.texts().enumerate() {
        match &source.path {
            Some(_) if index == 0 => text.push_str(&source.content),
            Some(path) => {
                text.push_str(&format!("\n# {} {}:\n", extends::KEY, path.display()));
                text.extend(source.content.lines().map(|line| format!("#   {line}\n")));
            }
            None => text.push_str(&format!("# {} {}\n", source.name, source.content.replace('\n', " "))),
        }
    }
    text
}

fn now() -> String {
    jiff::ZonedDateTime::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[allow(clippy::too_many_arguments)]
fn first_info(
    checked: &Checked,
    pipeline: &Pipeline,
    plan: &Plan,
    directory: &RunDirectory,
    output: &Output,
    device: tch::Device,
    threads: usize,
    file: &Path,
) -> RunInfo {
    RunInfo {
        format: 1,
        name: pipeline.name.clone(),
        description: pipeline.description.clone(),
        title: pipeline.report.title.clone(),
        sections: pipeline.report.sections.clone().unwrap_or_default(),
        configuration: checked
            .pipeline
            .as_ref()
            .map(|sound| resolved_lines(&checked.sources, sound))
            .unwrap_or_default(),
        id: directory.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        status: Status::Running,
        reason: None,
        warnings: checked.problems.iter().map(|p| Renderer::plain().render(&checked.sources, p)).collect(),
        started: now(),
        finished: None,
        timings: Timings::default(),
        data: None,
        layers: plan.rows(),
        training: TrainingInfo { epochs: pipeline.training.epochs, ..TrainingInfo::default() },
        expectations: Vec::new(),
        previous: None,
        details: Vec::new(),
        input_bound: None,
        weights_digest: None,
        provenance: Provenance::of(
            Circumstances {
                libtorch: device::torch_version(),
                device: device::name(device),
                nondeterministic: device::nondeterministic(device),
                cpu_capability: device::cpu_capability(),
                threads,
                seed: pipeline.seed,
                pipeline_file: file,
                resolved: &pipeline.to_yaml(),
                data_directory: output.data_directory.as_deref(),
                cache_directory: &Surroundings::default_cache_directory(),
            },
            directory,
        ),
    }
}

/// Keeps the record on disk up to date while the terminal shows it.
struct Recorder {
    info: RunInfo,
    directory: RunDirectory,
    history: Vec<EpochRecord>,
    /// What to do where training waits for its data.
    input_advice: &'static str,
    /// Who else hears what happens.
    listeners: Vec<Box<dyn Observer>>,
    /// When the report was last written, and the seconds that it took.
    reported: Option<(Instant, f64)>,
}

/// The report may take this share of the time of a training whose epochs are short.
const REPORTING: f64 = 0.05;

impl Recorder {
    fn save(&mut self) -> Result<()> {
        self.directory.write_json("run.json", &self.info)?;
        let start = Instant::now();
        if let Err(problem) = write_report(&self.directory) {
            self.stand_in(problem)?;
        }
        self.reported = Some((Instant::now(), start.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Writes the program's own page where the pipeline's cannot be filled in. That is an error only before training: hours
    /// of it are not to be lost for a page.
    fn stand_in(&mut self, problem: Box<Diagnostic>) -> Result<()> {
        let mut record = self.directory.read()?;
        if record.template.take().is_none() {
            return Err(problem);
        }
        self.directory.write("report.html", render(&record)?.as_bytes())?;
        if self.reported.is_none() && self.info.status == Status::Running {
            return Err(problem);
        }
        let warning = Renderer::plain().render(&SourceMap::default(), &problem);
        if self.info.status == Status::Running && !self.info.warnings.contains(&warning) {
            self.info.warnings.push(warning);
        }
        Ok(())
    }

    /// Saves what an epoch brought; the report only where it isn't written all the time.
    fn save_epoch(&mut self) -> Result<()> {
        self.directory.write_history(&self.history)?;
        match self.reported {
            Some((at, took)) if at.elapsed().as_secs_f64() * REPORTING < took => {
                self.directory.write_json("run.json", &self.info)
            }
            _ => self.save(),
        }
    }
}

impl Observer for Recorder {
    fn observe(&mut self, event: &Event<'_>) -> Result<()> {
        for listener in &mut self.listeners {
            listener.observe(event)?;
        }
        if let Event::EpochEnded(record) = event {
            self.history.push((*record).clone());
            self.info.training.epochs_done = record.epoch;
            self.info.input_bound = input_bound(&self.history, self.input_advice);
            self.save_epoch()?;
        }
        Ok(())
    }
}

/// The data of `pipeline` without what cannot be read, and what that is.
///
/// # Errors
/// Where the data aren't there or aren't sound, or more cannot be read than the pipeline puts up with.
pub(super) fn open_data(pipeline: &Pipeline, surroundings: &Surroundings<'_>) -> Result<(Dataset, Vec<Unreadable>)> {
    let spec = &pipeline.dataset;
    let on_unreadable = match spec.on_error {
        OnError::Fail => OnUnreadable::Fail,
        OnError::Skip => OnUnreadable::Skip(spec.max_errors),
    };
    readable(spec.source.open(surroundings)?, on_unreadable, surroundings)
}

/// Examples to train on and to validate on.
pub(super) fn splits(
    pipeline: &Pipeline,
    dataset: &Dataset,
) -> (Arc<dyn Examples>, Option<Arc<dyn Examples>>, &'static str) {
    let validation = &pipeline.dataset.validation;
    match validation.divide(dataset.train.labels()) {
        Some((stay, off)) => {
            let part = |indices| Arc::new(Subset::new(dataset.train.clone(), indices)) as Arc<dyn Examples>;
            (part(stay), Some(part(off)), "split of the training data")
        }
        None => match validation {
            Validation::Test(_) => (dataset.train.clone(), Some(dataset.test.clone()), "test"),
            Validation::Official(_) => (dataset.train.clone(), dataset.validation.clone(), "official"),
            _ => (dataset.train.clone(), None, "none"),
        },
    }
}

fn work(
    recorder: &mut Recorder,
    pipeline: &Pipeline,
    plan: &Plan,
    device: tch::Device,
    threads: usize,
    output: &Output,
    start: Instant,
) -> Result<Option<EvaluationRecord>> {
    let (dataset, skipped) = output.with_surroundings(None, |surroundings| open_data(pipeline, surroundings))?;
    if !skipped.is_empty() && !output.quiet {
        eprintln!("{} examples cannot be read and are left out; the report lists them", skipped.len());
    }
    let (train_examples, validation_examples, validation_kind) = splits(pipeline, &dataset);
    recorder.info.data = Some(DataInfo {
        source: pipeline.dataset.source.name().to_owned(),
        location: dataset.location.clone(),
        digest: dataset.digest.clone(),
        classes: dataset.classes.clone(),
        shape: dataset.form.shape(),
        train: train_examples.len(),
        validation: validation_examples.as_ref().map_or(0, |examples| examples.len()),
        test: dataset.test.len(),
        validation_kind: validation_kind.to_owned(),
        skipped,
    });
    let class_counts = dataset.class_counts(&*train_examples);
    let class_weights = class_weights(pipeline, &dataset.classes, &class_counts, device)?;
    let input = |feed, stages, path| {
        let pipeline = InputPipeline::new(feed, stages, path, pipeline.seed, threads);
        output.with_surroundings(None, |surroundings| pipeline.with_cache(surroundings))
    };
    let data = input(Feed::new(&dataset, train_examples, "train"), &pipeline.dataset.train, "dataset.train")?;
    let part = if validation_kind == "test" { "test" } else { "validation" };
    let validation = validation_examples
        .map(|examples| input(Feed::new(&dataset, examples, part), &pipeline.dataset.evaluate, "dataset.evaluate"))
        .transpose()?;
    let layers = &pipeline.model.layers;
    if let Some(freq) = pipeline.training.callbacks.iter().find_map(|callback| callback.event_files()) {
        let files = EventFiles::new(&recorder.directory.file("tensorboard"), freq, layers, plan)?;
        recorder.listeners.push(Box::new(files));
    }
    let model = Model::new(layers, plan, pipeline.seed, device)
        .map_err(|error| crate::model::computation(&error, "building the model"))?;
    if wants_statistics(layers) {
        adapt(&model, layers, plan, &data.statistics()?)?;
    }
    recorder.info.training.steps_per_epoch = data.steps();
    // What lies in memory is looked at as a whole: it costs less than an epoch's first steps.
    let inspection = look(pipeline, &dataset, dataset.train.in_memory() && dataset.test.in_memory())?;
    recorder.directory.write_json("data.json", &inspection)?;
    recorder.observe(&Event::DataSeen(&inspection))?;
    recorder.info.timings.setup = start.elapsed().as_secs_f64();
    recorder.save()?;

    let training_start = Instant::now();
    let stop = stop_flag();
    let training = Training {
        pipeline,
        model: &model,
        data: &data,
        validation: validation.as_ref(),
        class_weights: class_weights.as_ref(),
        stop,
    };
    let trained = train::train(&training, recorder);
    recorder.info.timings.training = training_start.elapsed().as_secs_f64();
    // Whatever was trained is saved, even where it ended badly.
    let weights = weights_bytes(&model).map_err(|error| crate::model::computation(&error, "saving the weights"))?;
    recorder.directory.write("model.safetensors", &weights)?;
    recorder.info.weights_digest = Some(digest(&weights));
    let Outcome { steps, interrupted, stopped_early, best_epoch, .. } = trained?;
    let progress = &mut recorder.info.training;
    progress.steps_done = steps;
    progress.stopped_early = stopped_early;
    progress.best_epoch = best_epoch;
    if interrupted {
        recorder.info.status = Status::Interrupted;
        recorder.info.reason = Some("interrupted by the user".to_owned());
        return Ok(None);
    }
    let evaluation_start = Instant::now();
    let evaluation = output.with_surroundings(None, |surroundings| {
        let trained = Trained { model: &model, plan, history: &recorder.history, best_epoch };
        evaluate_into(&recorder.directory, pipeline, &trained, &dataset, threads, surroundings)
    })?;
    recorder.observe(&Event::Evaluated(&evaluation))?;
    recorder.info.timings.evaluation = evaluation_start.elapsed().as_secs_f64();
    recorder.info.expectations = expectations(pipeline, &evaluation, &recorder.history, best_epoch);
    recorder.info.previous = previous(&output.runs_directory, &recorder.info, &recorder.directory);
    recorder.info.status = Status::Completed;
    Ok(Some(evaluation))
}

/// How the run, whose predictions are in `directory`, stands against the one of its name before it.
fn previous(runs: &Path, info: &RunInfo, directory: &RunDirectory) -> Option<Previous> {
    let (before, contents) = store::previous(runs, info)?;
    let (ours, theirs) = (info.data.as_ref()?, contents.info.data.as_ref()?);
    let read = |directory: &RunDirectory, data: &DataInfo| {
        read_predictions(&directory.file("predictions.parquet"), &data.classes).ok()
    };
    let mut previous = Previous {
        same_data: ours.digest == theirs.digest,
        same_configuration: info.provenance.pipeline_digest == contents.info.provenance.pipeline_digest,
        metrics: contents.figures?.metrics,
        id: contents.info.id.clone(),
        ..Previous::default()
    };
    previous.metrics.retain(|name, value| ["test_accuracy", "test_loss"].contains(&name.as_str()) && value.is_finite());
    let pair = read(directory, ours).zip(read(&before, theirs));
    if let Some((now, then)) = pair.filter(|_| previous.same_data) {
        // The stages before the evaluation may have left others out.
        previous.same_data = now.labels == then.labels && now.classes == then.classes;
        if previous.same_data {
            let (broken, fixed) = only_one_right(&now.labels, &then.predicted, &now.predicted);
            (previous.fixed, previous.broken) = (fixed as usize, broken as usize);
            previous.p_value = Some(mcnemar(broken, fixed));
        }
    }
    Some(previous)
}

/// How much an example of each class counts, `[classes]`, where the pipeline says it.
fn class_weights(
    pipeline: &Pipeline,
    classes: &[String],
    counts: &[usize],
    device: tch::Device,
) -> Result<Option<tch::Tensor>> {
    let Some(wanted) = &pipeline.training.class_weight else { return Ok(None) };
    let weights: Vec<f32> = wanted.of(classes, counts)?.into_iter().map(|weight| weight as f32).collect();
    let tensor = tch::Tensor::f_from_slice(&weights).and_then(|tensor| tensor.f_to_device(device));
    Ok(Some(tensor.map_err(|error| crate::model::computation(&error, "weighing the classes"))?))
}

/// What to do where training waits for its data.
fn input_advice(pipeline: &Pipeline) -> &'static str {
    let stages = &pipeline.dataset.train;
    let position = |wanted: fn(&crate::stage::Stage) -> bool| stages.iter().position(wanted);
    let cache = position(|stage| stage.keeps_examples());
    let augment = position(|stage| !stage.augmentations().is_empty());
    match (cache, augment) {
        (None, _) => "begin `dataset.train` with `cache`",
        (Some(cache), Some(augment)) if augment < cache => "move `cache` before `augment`",
        _ if position(|stage| stage.read_ahead().is_some()).is_none() => "end `dataset.train` with `prefetch`",
        (_, None) => "give the program more threads",
        _ => "augment less, or give the program more threads",
    }
}

/// How much of training waits for its data, where that is too much.
fn input_bound(history: &[EpochRecord], advice: &str) -> Option<String> {
    let sum = |value: fn(&EpochRecord) -> f64| history.iter().map(value).sum::<f64>();
    let (waited, all) = (sum(|epoch| epoch.data_wait_seconds), sum(|epoch| epoch.seconds));
    let share = waited / all;
    // Of what takes no time nothing is to be saved.
    (share > 0.1 && waited > 1.0)
        .then(|| format!("input-bound: {:.0}% of training waited for data; {advice}", 100.0 * share))
}

/// Compares figures with their bounds. Figures of epochs are those of the epoch whose weights were kept.
pub(super) fn expectations(
    pipeline: &Pipeline,
    evaluation: &EvaluationRecord,
    history: &[EpochRecord],
    best_epoch: Option<usize>,
) -> Vec<ExpectationResult> {
    let kept = best_epoch.map_or(history.last(), |epoch| history.iter().find(|record| record.epoch == epoch));
    let judge = |(figure, bounds): (&String, &crate::spec::Expectation)| {
        let evaluated = evaluation.metrics.get(figure).or_else(|| evaluation.figures.get(figure));
        let value = evaluated.copied().or_else(|| kept?.figure(figure));
        let holds = |value: f64| bounds.min.is_none_or(|min| value >= min) && bounds.max.is_none_or(|max| value <= max);
        let met = value.is_some_and(holds);
        ExpectationResult { figure: figure.clone(), min: bounds.min, max: bounds.max, value, met }
    };
    pipeline.expect.iter().map(judge).collect()
}

/// Says how the run ended.
fn conclude(recorder: &Recorder, evaluation: Option<&EvaluationRecord>, output: &Output) {
    let Recorder { info, directory, .. } = recorder;
    let report = directory.file("report.html");
    if output.json {
        let result = serde_json::json!({
            "run": directory.path().display().to_string(), "report": report.display().to_string(), "status": info.status,
            "epochs": info.training.epochs_done, "best_epoch": info.training.best_epoch,
            "metrics": evaluation.map(|e| &e.metrics), "expectations": info.expectations,
            "weights_digest": info.weights_digest,
        });
        println!("{}", serde_json::to_string_pretty(&result).expect("plain data"));
        return;
    }
    if !output.quiet {
        let kept = info.training.best_epoch.map(|e| format!(", weights of epoch {e} kept")).unwrap_or_default();
        let how = match (info.status, info.training.stopped_early) {
            (Status::Interrupted, _) => "interrupted after",
            (_, true) => "stopped early after",
            _ => "trained for",
        };
        let time = duration(info.timings.training);
        eprintln!("{how} {} epochs, {time}{kept}", info.training.epochs_done);
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
    println!("report: {}", report.display());
}
