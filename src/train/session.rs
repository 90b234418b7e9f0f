//! Epochs and steps.

use super::{
    Event, Moment, Observer,
    answer::{Answer, Awaited, AwaitedStep, ahead},
    loss_scale::LossScale,
    watch::{GradientNorms, dead_activations, rectified},
};
use crate::{
    callback::{Callback, Ended},
    check::Plan,
    data::{HostBatch, InputPipeline},
    device::forget_gradient,
    diagnostic::{Code, Diagnostic, Result},
    evaluate::{self, Figures},
    exact::Exact,
    layer::Pass,
    model::{Model, NamedParameter, computation, fill_tensors, in_layer, tensors_bytes, to_device, weights_bytes},
    optimizer::{self, Slot, Update},
    run::{
        EpochRecord, RangeTest,
        checkpoint::{Files, POSITION, Position, position},
    },
    schedule::Length,
    spec::{Pipeline, Watch},
};
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};
use tch::{TchError, Tensor};

/// What training works with.
pub struct Training<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// The plan of its layers.
    pub plan: &'a Plan,
    /// What is trained; its weights are changed in place.
    pub model: &'a Model,
    /// Batches to train on.
    pub data: &'a InputPipeline,
    /// Batches to validate on.
    pub validation: Option<&'a InputPipeline>,
    /// How much an example of each class counts, `[classes]`, on the model's device; all the same where it isn't given.
    pub class_weights: Option<&'a Tensor>,
    /// Set from outside to end after the current step.
    pub stop: &'a AtomicBool,
}

/// How training ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whole epochs done.
    pub epochs: usize,
    /// Steps done.
    pub steps: u64,
    /// Whether `stop` ended it.
    pub interrupted: bool,
    /// Why a callback ended it.
    pub stop_reason: Option<String>,
    /// The epoch, from 1, whose weights were put back.
    pub best_epoch: Option<usize>,
}

/// A training under way. Between two steps all of it can be kept as [`Files`], and another session of the same pipeline goes
/// on from these as if nothing had happened.
pub struct Session<'a> {
    training: &'a Training<'a>,
    optimizer: Update,
    callbacks: Vec<Box<dyn Callback>>,
    /// The best weights, with their epoch from 1.
    kept: Option<(usize, Vec<Tensor>)>,
    /// The epochs that are done.
    history: Vec<EpochRecord>,
    /// Why a callback has ended it.
    stop_reason: Option<String>,
    /// What callbacks have multiplied the learning rate by.
    rate_factor: f64,
    /// What the loss is multiplied by, where it is.
    scale: Option<LossScale>,
    /// All optimizer steps done.
    steps: u64,
    steps_per_epoch: usize,
    current: Current,
}

/// The epoch under way.
struct Current {
    /// Steps done.
    step: usize,
    figures: Figures,
    /// Where they are watched.
    norms: Option<GradientNorms>,
    /// Seconds taken before this process, and since when it is at work.
    seconds: f64,
    since: Instant,
    data_wait_seconds: f64,
}

impl Current {
    fn new(training: &Training<'_>) -> Self {
        let figures = Figures::new("", &training.pipeline.training.metrics, training.data.classes());
        let watched = training.pipeline.training.watch.contains(&Watch::GradientNorm);
        let norms = watched.then(|| GradientNorms::new(training.model));
        Current { step: 0, figures, norms, seconds: 0.0, since: Instant::now(), data_wait_seconds: 0.0 }
    }

    fn elapsed(&self) -> f64 {
        self.seconds + self.since.elapsed().as_secs_f64()
    }
}

/// The files that keep a session.
const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const BEST: &str = "best.safetensors";

/// What is wrong with a checkpoint, as an error.
fn unfit(reason: &str) -> Box<Diagnostic> {
    let problem = Diagnostic::error(Code::BAD_RUN, format!("the checkpoint doesn't fit the pipeline: {reason}"));
    Box::new(problem.help("begin a new run"))
}

impl<'a> Session<'a> {
    /// A training that hasn't begun.
    pub fn new(training: &'a Training<'a>) -> Self {
        let spec = &training.pipeline.training;
        let trained = |parameter: &NamedParameter| optimizer::Parameter {
            name: parameter.name.clone(),
            tensor: parameter.tensor.shallow_clone(),
            factor: optimizer::factor(&spec.parameter_groups, &parameter.name),
        };
        let parameters = training.model.trainable().map(trained).collect();
        let steps_per_epoch = spec.steps_per_epoch.unwrap_or(training.data.steps());
        Session {
            optimizer: Update::new(&spec.optimizer, parameters),
            callbacks: start_callbacks(training.pipeline),
            kept: None,
            history: Vec::new(),
            stop_reason: None,
            rate_factor: 1.0,
            scale: LossScale::of(training.pipeline.precision),
            steps: 0,
            steps_per_epoch,
            current: Current::new(training),
            training,
        }
    }

    /// Goes on from what an earlier session kept; with `other_callbacks`, these begin anew.
    ///
    /// # Errors
    /// Where it isn't sound, or that session trained something else.
    pub fn restore(&mut self, files: &Files, other_callbacks: bool) -> Result<()> {
        let file = |name: &str| files.get(name).ok_or_else(|| unfit(&format!("it lacks `{name}`")));
        let position = position(files).ok_or_else(|| unfit(&format!("`{POSITION}` is missing or damaged")))?;
        fill_tensors(file(MODEL)?, self.weights()).map_err(|reason| unfit(&reason))?;
        fill_tensors(file(OPTIMIZER)?, self.optimizer_tensors()).map_err(|reason| unfit(&reason))?;
        if let Some(scale) = &mut self.scale {
            scale.go_on_from(&position);
        }
        self.optimizer.go_on_after(position.steps - self.scale.map_or(0, LossScale::skipped).min(position.steps));
        if let Some(epoch) = position.best_epoch {
            let best = copies(self.training.model);
            let named = self.weights().map(|(name, _)| name).zip(&best);
            fill_tensors(file(BEST)?, named).map_err(|reason| unfit(&reason))?;
            self.kept = Some((epoch, best));
        }
        if !other_callbacks {
            let mut memories = position.callbacks.iter();
            let understood = |callback: &mut Box<dyn Callback>| memories.next().is_some_and(|it| callback.recall(it));
            if !self.callbacks.iter_mut().all(understood) {
                return Err(unfit("it has other callbacks"));
            }
            // One that stopped early is over, even where there may be more epochs now.
            self.stop_reason = position.stopped_early.then(|| position.stop_reason.unwrap_or_default());
        }
        let sums: Vec<f64> = position.sums.iter().map(|sum| sum.0).collect();
        if !self.current.figures.go_on_from(&sums, position.examples, files) {
            return Err(unfit("it has other figures"));
        }
        if let Some(norms) = &mut self.current.norms {
            let sums: Vec<f64> = position.gradient_norms.iter().map(|sum| sum.0).collect();
            if !norms.go_on_from(&sums) {
                return Err(unfit("it has the gradients of other layers"));
            }
        }
        if position.history.len() != position.epochs {
            return Err(unfit("it has another number of epochs"));
        }
        if position.step > self.steps_per_epoch {
            return Err(unfit("it is further than an epoch goes"));
        }
        self.current.step = position.step;
        self.current.seconds = position.seconds;
        self.current.data_wait_seconds = position.data_wait_seconds;
        self.steps = position.steps;
        self.rate_factor = position.rate_factor.map_or(1.0, |factor| factor.0);
        self.history = position.history;
        Ok(())
    }

    /// All that another session needs to go on from here.
    ///
    /// # Errors
    /// Where libtorch fails.
    pub fn files(&self) -> Result<Files> {
        let failed = |error: TchError| computation(&error, "keeping a checkpoint");
        let position = Position {
            format: 1,
            epochs: self.history.len(),
            step: self.current.step,
            steps: self.steps,
            sums: self.current.figures.sums().iter().map(|sum| Exact(*sum)).collect(),
            examples: self.current.figures.examples(),
            gradient_norms: self.current.norms.iter().flat_map(|it| it.sums()).map(|sum| Exact(*sum)).collect(),
            seconds: if self.current.step > 0 { self.current.elapsed() } else { 0.0 },
            data_wait_seconds: self.current.data_wait_seconds,
            stopped_early: self.stop_reason.is_some(),
            stop_reason: self.stop_reason.clone(),
            rate_factor: (self.rate_factor != 1.0).then_some(Exact(self.rate_factor)),
            loss_scale: self.scale.map(LossScale::kept),
            best_epoch: self.kept.as_ref().map(|(epoch, _)| *epoch),
            callbacks: self.callbacks.iter().map(|callback| callback.memory()).collect(),
            history: self.history.clone(),
        };
        let mut files: Files = self.current.figures.remembered().collect();
        files.insert(POSITION.to_owned(), serde_json::to_vec(&position).expect("a position is plain data"));
        files.insert(MODEL.to_owned(), weights_bytes(self.training.model).map_err(failed)?);
        files.insert(OPTIMIZER.to_owned(), tensors_bytes(self.optimizer_tensors()).map_err(failed)?);
        if let Some((_, best)) = &self.kept {
            let named = self.weights().map(|(name, _)| name).zip(best);
            files.insert(BEST.to_owned(), tensors_bytes(named).map_err(failed)?);
        }
        Ok(files)
    }

    /// The epochs that are done.
    pub fn history(&self) -> &[EpochRecord] {
        &self.history
    }

    /// All optimizer steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    fn weights(&self) -> impl Iterator<Item = (String, &'a Tensor)> + use<'a> {
        self.training.model.parameters().iter().map(|parameter| (parameter.name.clone(), &parameter.tensor))
    }

    /// What the optimizer remembers, such as `conv2d_1.kernel.first_moment`.
    fn optimizer_tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        let names: Vec<&str> = self.training.model.trainable().map(|parameter| parameter.name.as_str()).collect();
        let slots = self.optimizer.slots().into_iter();
        slots.map(move |Slot { parameter, name, values }| (format!("{}.{name}", names[parameter]), values))
    }

    /// Whether there is nothing more to train.
    pub fn is_over(&self) -> bool {
        self.stop_reason.is_some() || self.history.len() >= self.training.pipeline.training.epochs
    }

    fn is_stopped(&self) -> bool {
        self.training.stop.load(Ordering::Relaxed)
    }

    /// Trains until the epochs are done, a callback stops, or `stop` is set.
    ///
    /// # Errors
    /// Where data cannot be read, libtorch fails, the loss is no number any more, or an observer fails.
    pub fn train(&mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        while !self.is_over() && !self.is_stopped() {
            self.steps_of_epoch(observer)?;
            if self.is_stopped() {
                break;
            }
            self.end_epoch(observer)?;
            if !self.is_over() && !self.is_stopped() {
                observer.at_rest(self, Moment::Epoch)?;
            }
        }
        observer.at_rest(self, Moment::Last)?;
        let mut outcome = Outcome {
            epochs: self.history.len(),
            steps: self.steps,
            interrupted: self.is_stopped(),
            stop_reason: self.stop_reason.clone(),
            best_epoch: None,
        };
        if outcome.interrupted {
            // It keeps its last weights: they are what training would go on with.
            return Ok(outcome);
        }
        self.optimizer.finish().map_err(|error| computation(&error, "taking the averages of the weights"))?;
        if let Some((epoch, weights)) = &self.kept {
            tch::no_grad(|| {
                for (parameter, best) in self.training.model.parameters().iter().zip(weights) {
                    parameter.tensor.shallow_clone().f_copy_(best)?;
                }
                Ok(())
            })
            .map_err(|error: TchError| computation(&error, "putting back the best weights"))?;
            outcome.best_epoch = Some(*epoch);
        }
        Ok(outcome)
    }

    /// Makes one step with the first batch; gives the epoch that it would have been.
    ///
    /// # Errors
    /// As [`Session::train`].
    pub fn rehearse(&mut self) -> Result<EpochRecord> {
        if let Some(batch) = self.training.data.epoch(0).next().transpose()? {
            let answer = self.step(&batch, self.learning_rate(self.steps))?;
            self.hear(answer)?;
        }
        Ok(self.record())
    }

    /// Makes a step at each of `rates`, whatever the pipeline says of the rate, until the loss has grown too much, or `stop` is set.
    ///
    /// # Errors
    /// Where data cannot be read, or libtorch fails.
    pub fn range_test(&mut self, rates: &[f64]) -> Result<RangeTest> {
        let mut test = RangeTest::default();
        let mut batches = self.training.data.stream(0, rates.len());
        for &rate in rates {
            let Some(batch) = batches.next().transpose()? else { break };
            let loss = match self.step(&batch, rate).and_then(|answer| self.hear(answer)) {
                Err(problem) if problem.code == Code::NOT_FINITE => f64::INFINITY,
                loss => loss?,
            };
            if !test.add(rate, loss) || self.is_stopped() {
                break;
            }
        }
        Ok(test)
    }

    /// The rate of the step behind so many.
    fn learning_rate(&self, steps: u64) -> f64 {
        let spec = &self.training.pipeline.training;
        let steps_per_epoch = self.steps_per_epoch as u64;
        let length = Length { steps_per_epoch, steps: steps_per_epoch.saturating_mul(spec.epochs as u64) };
        self.rate_factor * spec.optimizer.learning_rate().at(steps, &length)
    }

    /// The rest of an epoch.
    fn steps_of_epoch(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let training = self.training;
        let epoch = self.history.len();
        let first = self.current.step;
        self.current.since = Instant::now();
        let mut batches = training.data.stream(self.steps, self.steps_per_epoch - first);
        let waited_before = self.current.data_wait_seconds;
        let steps = first + batches.steps();
        let before = self.steps - first as u64;
        observer.observe(&Event::EpochStarted {
            epoch: epoch + 1,
            epochs: training.pipeline.training.epochs,
            steps,
            before,
        })?;
        let (ahead, rest) = self.pace();
        let mut under_way = VecDeque::new();
        for step in first + 1..=steps {
            let Some(batch) = batches.next().transpose()? else { break };
            under_way.push_back((step, self.step(&batch, self.learning_rate(self.steps))?));
            self.current.step = step;
            self.current.data_wait_seconds = waited_before + batches.waited().as_secs_f64();
            let stopped = self.is_stopped();
            let rests = stopped || step == steps || step % rest == 0;
            while under_way.len() > if rests { 0 } else { ahead } {
                let Some((step, answer)) = under_way.pop_front() else { break };
                let loss = self.hear(answer)?;
                let figures = &self.current.figures;
                observer.observe(&Event::StepEnded {
                    step,
                    images: figures.examples(),
                    loss,
                    figures: &figures.quick_values(),
                })?;
            }
            if stopped {
                break;
            }
            if rests && step < steps {
                observer.at_rest(self, Moment::Step)?;
            }
        }
        Ok(())
    }

    /// How many steps the device may be ahead of what is known of them, and after how many it is waited for, so that training can be
    /// kept.
    fn pace(&self) -> (usize, usize) {
        const REST: u64 = 64;
        match ahead(self.training.model.device()) {
            0 => (0, 1),
            ahead => (ahead, self.training.pipeline.training.checkpoint.steps.unwrap_or(REST).max(1) as usize),
        }
    }

    /// What a step said, once it has said it: the mean loss over its batch.
    fn hear(&mut self, answer: Answer) -> Result<f64> {
        let AwaitedStep { batch, number, rate } = match answer {
            Answer::Known(loss) => return Ok(loss),
            Answer::Awaited(step) => step,
        };
        let failed = |error: TchError| computation(&error, "a training step");
        let (loss, outputs, labels) = batch.finish().map_err(failed)?;
        if !loss.is_finite() {
            let place = match self.steps - number {
                0 => "the device doesn't say where that began; `device: cpu` does".to_owned(),
                further => format!("the device was {further} steps further by then; where that began, `device: cpu` says"),
            };
            return Err(self.not_finite(loss, number, rate, place));
        }
        let (figures, logits) = (&mut self.current.figures, self.training.model.gives_logits());
        figures.add(loss, &outputs, &labels, &self.training.pipeline.training.loss, logits).map_err(failed)?;
        Ok(loss)
    }

    /// Validates, and lets the callbacks judge.
    fn end_epoch(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let training = self.training;
        let epoch = self.history.len();
        let mut record = self.record();
        record.watched.extend(self.dead_activations()?);
        self.current = Current::new(training);
        if let Some(validation) = training.validation {
            record.figures.extend(evaluate::figures(training.pipeline, training.model, validation, "val_")?);
        }
        let mut stop = None;
        let ended = Ended { epoch, figures: &record.figures, learning_rate: record.learning_rate };
        for callback in &mut self.callbacks {
            let verdict = callback.epoch_ended(&ended);
            if verdict.keep_weights {
                self.kept = Some((epoch + 1, copies(training.model)));
            }
            if let Some(file) = verdict.write_weights {
                let weights =
                    weights_bytes(training.model).map_err(|error| computation(&error, "saving the weights"))?;
                observer.observe(&Event::WeightsWanted { file: &file, weights: &weights })?;
            }
            self.rate_factor *= verdict.learning_rate_factor.unwrap_or(1.0);
            stop = stop.or(verdict.stop);
        }
        self.stop_reason = stop.filter(|_| epoch + 1 < training.pipeline.training.epochs);
        self.history.push(record);
        observer.observe(&Event::EpochEnded(&self.history[epoch]))
    }

    /// The epoch under way, as far as it has come.
    fn record(&self) -> EpochRecord {
        let seconds = self.current.elapsed();
        let figures = &self.current.figures;
        EpochRecord {
            epoch: self.history.len() + 1,
            figures: figures.values(),
            watched: self.current.norms.as_ref().map_or_else(Vec::new, |norms| norms.means(self.current.step)),
            learning_rate: self.learning_rate(self.steps.saturating_sub(1)),
            seconds,
            images_per_second: figures.examples() as f64 / seconds,
            data_wait_seconds: self.current.data_wait_seconds,
        }
    }

    /// Which activations are dead for the first batch of the epoch, where that is watched.
    fn dead_activations(&self) -> Result<Vec<(String, f64)>> {
        let training = self.training;
        if !training.pipeline.training.watch.contains(&Watch::DeadActivations) {
            return Ok(Vec::new());
        }
        let Some(batch) = training.data.stream(self.steps - self.current.step as u64, 1).next().transpose()? else {
            return Ok(Vec::new());
        };
        let names = rectified(&training.pipeline.model.layers, &training.plan.layers);
        tch::no_grad(|| {
            let on_device = to_device(&batch, training.data.form(), training.model.device());
            let (examples, _) = on_device.map_err(|error| computation(&error, "watching activations"))?;
            let pass = Pass { training: false, seed: training.pipeline.seed, step: self.steps };
            dead_activations(training.model, &names, &examples, &pass).map_err(|error| in_layer(&error))
        })
    }

    /// One step of the optimizer at some rate.
    fn step(&mut self, batch: &HostBatch, rate: f64) -> Result<Answer> {
        let training = self.training;
        let spec = &training.pipeline.training;
        let failed = |error: TchError| computation(&error, "a training step");
        let (images, mut targets) = to_device(batch, training.data.form(), training.model.device()).map_err(failed)?;
        if let Some(weights) = training.class_weights {
            targets.weights = Some(weights.f_index_select(0, &targets.labels).map_err(failed)?);
        }
        for parameter in training.model.trainable() {
            forget_gradient(&parameter.tensor).map_err(failed)?;
        }
        let pass = Pass { training: true, seed: training.pipeline.seed, step: self.steps };
        let outputs = training.model.forward(&images, &pass).map_err(|error| in_layer(&error))?;
        let mut loss = spec.loss.compute(&outputs, &targets, training.model.gives_logits()).map_err(failed)?;
        if let Some(cost) = training.model.cost().map_err(failed)? {
            loss = loss.f_add(&cost).map_err(failed)?;
        }
        let known = match ahead(training.model.device()) {
            0 => Some(loss.f_double_value(&[]).map_err(failed)?),
            _ => None,
        };
        if let Some(value) = known.filter(|value| !value.is_finite()) {
            return Err(self.not_finite(value, self.steps + 1, rate, self.first_not_finite(&images, &pass)));
        }
        self.go_back_from(&loss, rate).map_err(failed)?;
        self.steps += 1;
        let figures = &mut self.current.figures;
        let logits = training.model.gives_logits();
        tch::no_grad(|| {
            let Some(value) = known else {
                let batch = Awaited::begin(&loss, &outputs, &batch.labels)?;
                return Ok(Answer::Awaited(AwaitedStep { batch, number: self.steps, rate }));
            };
            figures.add(value, &outputs, &batch.labels, &spec.loss, logits)?;
            Ok(Answer::Known(value))
        })
        .map_err(failed)
    }

    /// Computes the gradients and lets the optimizer make its step by them.
    fn go_back_from(&mut self, loss: &Tensor, rate: f64) -> std::result::Result<(), TchError> {
        let model = self.training.model;
        match &mut self.scale {
            None => loss.f_backward()?,
            Some(scale) => {
                scale.scaled(loss)?.f_backward()?;
                if !tch::no_grad(|| scale.unscale(model))? {
                    return Ok(());
                }
            }
        }
        if let Some(norms) = &mut self.current.norms {
            tch::no_grad(|| norms.add(model))?;
        }
        self.optimizer.step(rate)?;
        model.constrain()
    }

    /// Where what isn't finite began, where the loss of these images isn't.
    fn first_not_finite(&self, images: &Tensor, pass: &Pass) -> String {
        let model = self.training.model;
        let is_finite = |tensor: &Tensor| {
            let all = tensor.f_isfinite().and_then(|finite| finite.f_all()).and_then(|all| all.f_int64_value(&[]));
            all.map_or(true, |all| all != 0)
        };
        // Moving averages follow the batch that led here; it's the trained weights that can have led to it.
        let weight = model.trainable().find(|parameter| !is_finite(&parameter.tensor));
        let mut layer = None;
        if weight.is_none() {
            let _ = tch::no_grad(|| {
                model.traced(images, pass, &mut |name, output| {
                    if layer.is_none() && !is_finite(output) {
                        layer = Some(name.to_owned());
                    }
                })
            });
        }
        match (weight, layer) {
            (Some(weight), _) => format!("`{}` holds numbers that aren't finite", weight.name),
            (None, Some(layer)) => format!("what leaves `{layer}` is the first that isn't finite"),
            (None, None) => "all that the layers gave is finite; the loss itself overflowed".to_owned(),
        }
    }

    /// What to say of the loss of a step, from 1, that is no number any more, or an infinite one.
    fn not_finite(&self, loss: f64, step: u64, rate: f64, place: String) -> Box<Diagnostic> {
        let epoch = self.history.len() + 1;
        Box::new(
            Diagnostic::error(Code::NOT_FINITE, format!("the loss became {loss} at step {step} (epoch {epoch})"))
                .fact(place)
                .fact(format!("the learning rate was {rate}"))
                .help("lower the learning rate, or scale the input with `rescaling`"),
        )
    }
}

fn start_callbacks(pipeline: &Pipeline) -> Vec<Box<dyn Callback>> {
    let larger_is_better = |figure: &str| {
        let name = figure.strip_prefix("val_").unwrap_or(figure);
        pipeline.training.metrics.iter().any(|metric| metric.figure() == name && metric.larger_is_better())
    };
    let start = |choice: &crate::callback::CallbackChoice| {
        choice.start(choice.monitor().is_some_and(|monitor| larger_is_better(monitor.figure)))
    };
    pipeline.training.callbacks.iter().filter_map(start).collect()
}

fn copies(model: &Model) -> Vec<Tensor> {
    model.parameters().iter().map(|parameter| parameter.tensor.detach().copy()).collect()
}
