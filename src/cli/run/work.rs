//! From a sound pipeline to an evaluated model.

use super::{carrier, preflight, recorder::Recorder};
use crate::{
    check::Plan,
    cli::{
        context::{Output, stop_flag},
        data::look,
        evaluate::{Trained, evaluate_into, help_evaluate},
        opening::{Opened, Splits, class_weights, data_info, open_data, splits},
    },
    data::{Feed, InputPipeline},
    device,
    diagnostic::{Code, Diagnostic, Result},
    distributed::Group,
    evaluation::{estimates, significance::Paired},
    gate::judge,
    model::{
        self, Means, Model, WHITENING_EXAMPLES, adapt, computation, digest, load_initial_weights, wants_images,
        wants_statistics, weights_bytes, whiten,
    },
    run::{
        DataInfo, DeviceUse, EpochRecord, EvaluationRecord, LOSSES, Previous, RunDirectory, RunInfo, Status,
        Unreadable, checkpoint::Files, read_answers, store,
    },
    source::Dataset,
    spec::Pipeline,
    tensorboard::EventFiles,
    train::{Event, Observer, Outcome, Session, Silent, Training},
};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

/// What a run works with.
pub struct Work<'a> {
    pub pipeline: &'a Pipeline,
    pub plan: &'a Plan,
    pub means: Means,
    pub threads: usize,
    /// The processes that train together.
    pub group: &'a Group,
    /// When the program began.
    pub start: Instant,
    /// The checkpoint to go on from.
    pub files: Option<&'a Files>,
    /// The file that holds the weights to begin with.
    pub initial_weights: Option<PathBuf>,
    /// Whether its callbacks are other ones, so that they begin anew.
    pub other_callbacks: bool,
}

/// The data of a run on their way to the model.
struct Ready {
    dataset: Dataset,
    skipped: Vec<Unreadable>,
    divided: Splits,
    /// Those of the training examples.
    class_counts: Vec<usize>,
    class_weights: Option<tch::Tensor>,
    train: InputPipeline,
    validation: Option<InputPipeline>,
}

impl Work<'_> {
    /// Trains and evaluates; nothing is evaluated where the user wants to stop.
    ///
    /// # Errors
    /// Where the data aren't there, something cannot be computed, or the file system refuses.
    pub fn execute(
        &self,
        recorder: &mut Recorder,
        opened: Option<Opened>,
        output: &Output,
    ) -> Result<Option<EvaluationRecord>> {
        let Work { pipeline, plan, means, threads, group, .. } = *self;
        recorder.info.provenance.nccl = carrier::settle(pipeline, means.device, group, output)?;
        let mut ready = group.first_on_each_machine(|| self.ready(opened, output))?;
        device::forget_peak(means.device);
        let resident_data = self.keep_on_device(&mut ready)?;
        if !ready.skipped.is_empty() && !output.quiet {
            eprintln!("{} examples cannot be read and are left out; the report lists them", ready.skipped.len());
        }
        let Ready { dataset, divided, class_counts, .. } = &ready;
        let initial_weights = self.initial_weights.as_deref();
        let skipped = ready.skipped.clone();
        let data = DataInfo { skipped, ..data_info(pipeline, dataset, divided, initial_weights)? };
        if self.files.is_some() {
            super::resume::same_data(recorder.info.data.as_ref(), &data)?;
        }
        recorder.info.data = Some(data);
        same_everywhere(dataset, group)?;
        let layers = &pipeline.model.layers;
        if let Some(freq) = pipeline.training.callbacks.iter().find_map(|callback| callback.event_files()) {
            let files = EventFiles::new(&recorder.directory.file("tensorboard"), freq, layers, plan)?;
            recorder.listeners.push(Box::new(files));
        }
        let model = self.model(&ready)?;
        recorder.info.provenance.kernels = model.kernels();
        recorder.info.training.steps_per_epoch = pipeline.training.steps_per_epoch.unwrap_or(ready.train.steps());
        // What lies in memory is looked at as a whole: it costs less than an epoch's first steps.
        let inspection = look(pipeline, dataset, dataset.train.in_memory() && dataset.test.in_memory())?;
        recorder.directory.write_json("data.json", &inspection)?;
        recorder.observe(&Event::DataSeen(&inspection))?;
        let training = self.training(&ready, &model);
        let mut session = Session::new(&training);
        if let Some(files) = self.files {
            session.restore(files, self.other_callbacks)?;
            recorder.go_on_after(&session, files)?;
        }
        preflight::rehearse(&training, plan, dataset, class_counts, threads, recorder)?;
        recorder.info.timings.setup += self.start.elapsed().as_secs_f64();
        recorder.save()?;
        group.barrier()?;

        let watch = device::Watch::begin(means.device);
        let trained = session.train(recorder);
        recorder.end_training();
        let busy = watch.and_then(device::Watch::end);
        recorder.info.device_use = device::device_memory(means.device).map(|memory| DeviceUse {
            memory: memory.total,
            most_used: memory.most_used,
            most_reserved: memory.most_reserved,
            resident_data: (resident_data > 0).then_some(resident_data),
            busy,
        });
        // Whatever was trained is saved, even where it ended badly.
        let kept = keep(recorder, &model);
        let Outcome { steps, interrupted, stop_reason, best_epoch, .. } = trained?;
        kept?;
        let progress = &mut recorder.info.training;
        progress.steps_done = steps;
        progress.stopped_early = stop_reason.is_some();
        progress.stop_reason = stop_reason;
        progress.best_epoch = best_epoch;
        if interrupted {
            recorder.info.status = Status::Interrupted;
            recorder.info.reason = Some("interrupted by the user".to_owned());
            return Ok(None);
        }
        let evaluation_start = Instant::now();
        let evaluation = output.with_surroundings(None, |surroundings| {
            let trained = Trained { model: &model, plan, history: &recorder.history, best_epoch, group };
            evaluate_into(&recorder.directory, pipeline, &trained, dataset, threads, surroundings)
        })?;
        recorder.observe(&Event::Evaluated(&evaluation))?;
        recorder.info.timings.evaluation = evaluation_start.elapsed().as_secs_f64();
        let kept = store::kept_epoch(&recorder.info, &recorder.history);
        recorder.info.expectations = judge(pipeline, &evaluation, kept, &recorder.info.baselines);
        recorder.info.previous = previous(&output.runs_directory, &recorder.info, &recorder.directory);
        recorder.info.status = Status::Completed;
        Ok(Some(evaluation))
    }

    /// Does the same in a process that follows the one that does the above: computes with it, and writes nothing.
    ///
    /// # Errors
    /// As above.
    pub fn follow(&self, output: &Output) -> Result<()> {
        carrier::settle(self.pipeline, self.means.device, self.group, output)?;
        let mut ready = self.group.first_on_each_machine(|| self.ready(None, output))?;
        self.keep_on_device(&mut ready)?;
        same_everywhere(&ready.dataset, self.group)?;
        let model = self.model(&ready)?;
        let training = self.training(&ready, &model);
        let mut session = Session::new(&training);
        if let Some(files) = self.files {
            session.restore(files, self.other_callbacks)?;
        }
        preflight::first_step(&training)?;
        self.group.barrier()?;
        let Outcome { interrupted, best_epoch, .. } = session.train(&mut Silent)?;
        if interrupted {
            return Ok(());
        }
        output.with_surroundings(None, |surroundings| {
            let Work { pipeline, plan, threads, group, .. } = *self;
            let trained = Trained { model: &model, plan, history: session.history(), best_epoch, group };
            help_evaluate(pipeline, &trained, &ready.dataset, threads, surroundings)
        })
    }

    /// Opens and divides the data, and begins to keep them where a stage says so.
    fn ready(&self, opened: Option<Opened>, output: &Output) -> Result<Ready> {
        let Work { pipeline, means, threads, .. } = *self;
        let (dataset, skipped) = match opened {
            Some(opened) => opened,
            None => output.with_surroundings(None, |surroundings| open_data(pipeline, surroundings))?,
        };
        let divided = splits(pipeline, &dataset);
        let (train_examples, validation_examples, validation_kind) = divided.clone();
        let class_counts = dataset.class_counts(&*train_examples);
        let class_weights = class_weights(pipeline, &dataset.classes, &class_counts, means.device)?;
        let input = |feed, stages, path| {
            let pipeline = InputPipeline::new(feed, stages, path, pipeline.seed, threads);
            output.with_surroundings(None, |surroundings| pipeline.with_cache(surroundings))
        };
        let train = input(Feed::new(&dataset, train_examples, "train"), &pipeline.dataset.train, "dataset.train")?;
        let part = if validation_kind == "test" { "test" } else { "validation" };
        let validation = validation_examples
            .map(|examples| input(Feed::new(&dataset, examples, part), &pipeline.dataset.evaluate, "dataset.evaluate"))
            .transpose()?;
        Ok(Ready { dataset, skipped, divided, class_counts, class_weights, train, validation })
    }

    fn model(&self, ready: &Ready) -> Result<Model> {
        // A checkpoint holds what is taken from the data, too.
        let beginning = Beginning { data: &ready.train, initial_weights: self.initial_weights.as_deref() };
        build(self.pipeline, self.plan, self.means, self.files.is_none().then_some(beginning))
    }

    /// Lets the data lie on the device for good, those to train on before the others, as far as they leave room for training; gives
    /// their bytes.
    fn keep_on_device(&self, ready: &mut Ready) -> Result<u64> {
        let Work { pipeline, plan, means, .. } = *self;
        let Some(memory) = device::device_memory(means.device) else { return Ok(0) };
        let training = plan.memory(pipeline.batch_size(), pipeline.training.optimizer.numbers_per_parameter()).total();
        // What training takes is an estimate, and libraries have memory of their own.
        let all = (memory.free / 2).min(memory.free.saturating_sub(2 * training));
        let mut room = all;
        for data in std::iter::once(&mut ready.train).chain(&mut ready.validation) {
            if model::keep_on_device(data, means.device, room)? {
                room -= data.choice_bytes().unwrap_or(0);
            }
        }
        Ok(all - room)
    }

    fn training<'a>(&'a self, ready: &'a Ready, model: &'a Model) -> Training<'a> {
        Training {
            pipeline: self.pipeline,
            plan: self.plan,
            model,
            data: &ready.train,
            validation: ready.validation.as_ref(),
            class_weights: ready.class_weights.as_ref(),
            group: self.group,
            stop: stop_flag(),
        }
    }
}

/// Refuses to train where a process has other data than the first one.
fn same_everywhere(dataset: &Dataset, group: &Group) -> Result<()> {
    let all = group.gather_bytes(dataset.digest.as_bytes())?;
    let Some(rank) = all.iter().position(|digest| *digest != all[0]) else { return Ok(()) };
    let problem = Diagnostic::error(Code::DATA_CHANGED, format!("rank {rank} has other data than rank 0"));
    let digests = all.iter().map(|digest| String::from_utf8_lossy(digest));
    let facts = digests.enumerate().map(|(rank, digest)| format!("rank {rank}: SHA-256 {digest}"));
    Err(Box::new(facts.fold(problem, Diagnostic::fact).help("every machine needs the same files")))
}

/// What a model takes before it is trained.
#[derive(Clone, Copy)]
pub struct Beginning<'a> {
    /// Statistics and filters come from these.
    pub data: &'a InputPipeline,
    /// The file of other weights to begin with.
    pub initial_weights: Option<&'a Path>,
}

/// The model with fresh weights, and with what some layers take from `data`.
///
/// # Errors
/// Where data cannot be read or libtorch fails.
pub fn build(pipeline: &Pipeline, plan: &Plan, means: Means, begin: Option<Beginning<'_>>) -> Result<Model> {
    let layers = &pipeline.model.layers;
    let model =
        Model::new(layers, plan, pipeline.seed, means).map_err(|error| computation(&error, "building the model"))?;
    if let Some(Beginning { data, initial_weights }) = begin {
        if wants_statistics(layers) {
            adapt(&model, layers, plan, &data.statistics()?)?;
        }
        if wants_images(layers) {
            whiten(&model, layers, plan, &data.sample(WHITENING_EXAMPLES)?)?;
        }
        if let Some((file, initial)) = initial_weights.zip(pipeline.model.initial_weights.as_ref()) {
            load_initial_weights(&model, file, initial)?;
        }
    }
    Ok(model)
}

/// Writes the weights and the losses of the steps.
fn keep(recorder: &mut Recorder, model: &Model) -> Result<()> {
    let weights = weights_bytes(model).map_err(|error| computation(&error, "saving the weights"))?;
    recorder.directory.write("model.safetensors", &weights)?;
    recorder.info.weights_digest = Some(digest(&weights));
    recorder.directory.write(LOSSES, &recorder.losses_bytes())
}

/// How the run, whose predictions are in `directory`, stands against the one of its name before it.
fn previous(runs: &Path, info: &RunInfo, directory: &RunDirectory) -> Option<Previous> {
    let (before, contents) = store::previous(runs, info)?;
    let (ours, theirs) = (info.data.as_ref()?, contents.info.data.as_ref()?);
    let read =
        |directory: &RunDirectory, data: &DataInfo| read_answers(&directory.file("predictions.parquet"), data).ok();
    let mut previous = Previous {
        same_data: ours.digest == theirs.digest,
        same_configuration: info.provenance.pipeline_digest == contents.info.provenance.pipeline_digest,
        metrics: contents.figures?.metrics,
        id: contents.info.id.clone(),
        ..Previous::default()
    };
    previous.metrics.retain(|name, value| {
        let name = name.strip_prefix("test_").unwrap_or_default();
        (["accuracy", "loss"].contains(&name) || estimates::figure(name).is_some()) && value.is_finite()
    });
    let pair = read(directory, ours).zip(read(&before, theirs));
    if let Some((now, then)) = pair.filter(|_| previous.same_data) {
        // The stages before the evaluation may have left others out.
        let paired = Paired::of(&then, &now);
        previous.same_data = paired.is_some();
        if let Some(Paired { first, second, p }) = paired {
            (previous.fixed, previous.broken, previous.p_value) = (second as usize, first as usize, Some(p));
        }
    }
    Some(previous)
}

/// What to do where training waits for its data.
pub fn input_advice(pipeline: &Pipeline) -> &'static str {
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
pub fn input_bound(history: &[EpochRecord], advice: &str) -> Option<String> {
    let sum = |value: fn(&EpochRecord) -> f64| history.iter().map(value).sum::<f64>();
    let (waited, all) = (sum(|epoch| epoch.data_wait_seconds), sum(|epoch| epoch.seconds));
    let share = waited / all;
    // Of what takes no time nothing is to be saved.
    (share > 0.1 && waited > 1.0)
        .then(|| format!("input-bound: {:.0}% of training waited for data; {advice}", 100.0 * share))
}
