//! Epochs and steps.

use super::{
    Event, Moment, Observer, agreement,
    answer::{Answer, AwaitedStep, ahead},
    loss_scale::LossScale,
    reduction::Reduction,
    step::{NotFinite, Part},
    watch::{GradientNorms, dead_activations, rectified},
};
use crate::{
    callback::{Callback, Ended, Verdict},
    check::Plan,
    data::{Batches, HostBatch, InputPipeline, Share},
    device::forget_gradient,
    diagnostic::{Code, Diagnostic, Result},
    distributed::Group,
    evaluate::{self, Figures},
    exact::Exact,
    layer::Pass,
    model::{Model, NamedParameter, computation, fill_tensors, tensors_bytes, to_device, weights_bytes},
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
    /// The processes that train together: each computes on a stretch of every batch, and all make the same steps.
    pub group: &'a Group,
}

impl Training<'_> {
    /// This process's part of so many batches from the `first` on.
    fn batches(&self, first: u64, count: usize) -> Batches {
        let share = Share::Stretch { index: self.group.rank(), of: self.group.size() };
        self.data.stream(first, count, share)
    }
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
    /// The gradients of all processes, once they have come together.
    reduction: Option<Reduction>,
    /// Whether some process wanted to stop, as far as all know it.
    stopped: bool,
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

/// What is added up at each step besides the metrics: the loss, and who wants to stop.
const TOLD: usize = 2;

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
            reduction: None,
            stopped: false,
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

    /// Whether it is to stop; of several processes all say the same.
    fn is_stopped(&self) -> bool {
        if self.training.group.is_alone() { self.training.stop.load(Ordering::Relaxed) } else { self.stopped }
    }

    /// Where any process wants to stop, all do.
    fn hear_of_stop(&mut self, wanted: bool) {
        if wanted {
            self.stopped = true;
            self.training.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Brings several processes together: all begin with the first one's weights and with what its optimizer remembers.
    fn come_together(&mut self) -> Result<()> {
        let Training { model, group, .. } = *self.training;
        if !group.adds_up() || self.reduction.is_some() {
            return Ok(());
        }
        let slots = self.optimizer.slots();
        let kept = model.parameters().iter().map(|it| &it.tensor).chain(slots.iter().map(|slot| slot.values));
        group.broadcast(&kept.map(Tensor::detach).collect::<Vec<_>>())?;
        // What the host would have to wait for is told later.
        let figures = if group.links(model.device()) { 0 } else { TOLD + self.current.figures.metric_sums().len() };
        self.reduction = Some(Reduction::new(model, figures, group)?);
        Ok(())
    }

    /// Trains until the epochs are done, a callback stops, or `stop` is set.
    ///
    /// # Errors
    /// Where data cannot be read, libtorch fails, the loss is no number any more, or an observer fails.
    pub fn train(&mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        let group = self.training.group;
        self.train_to_the_end(observer).map_err(|mut problem| {
            // Where layers exchange something, that fails within a computation.
            if group.is_broken() {
                problem.code = Code::RANK;
            }
            problem
        })
    }

    fn train_to_the_end(&mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        self.come_together()?;
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
        self.come_together()?;
        if let Some(batch) = self.training.batches(0, 1).next().transpose()? {
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
        self.come_together()?;
        let mut test = RangeTest::default();
        let mut batches = self.training.batches(0, rates.len());
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
        let mut batches = training.batches(self.steps, self.steps_per_epoch - first);
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
        match ahead(self.training.model.device(), self.training.group) {
            0 => (0, 1),
            ahead => (ahead, self.training.pipeline.training.checkpoint.steps.unwrap_or(REST).max(1) as usize),
        }
    }

    /// What a step said, once it has said it: the mean loss over its batch.
    fn hear(&mut self, answer: Answer) -> Result<f64> {
        let training = self.training;
        let AwaitedStep { batch, whole, number, rate } = match answer {
            Answer::Known(loss) => return Ok(loss),
            Answer::Awaited(step) => step,
        };
        let failed = |error: TchError| computation(&error, "a training step");
        let (own, outputs, labels) = batch.finish().map_err(failed)?;
        // Where a link has failed, this is what the host learns it by.
        training.group.check()?;
        let (spec, logits) = (&training.pipeline.training, training.model.gives_logits());
        let loss = match whole {
            None => own,
            Some(examples) => {
                let mut figures = Figures::new("", &spec.metrics, training.data.classes());
                if !labels.is_empty() {
                    figures.add(0.0, &outputs, &labels, &spec.loss, logits).map_err(failed)?;
                }
                let sums = training.group.sum_numbers(&self.told(own, &figures))?;
                self.take_in(&sums, &figures, examples)?
            }
        };
        if !loss.is_finite() {
            let place = match self.steps - number {
                0 => "the device doesn't say where that began; `device: cpu` does".to_owned(),
                further => {
                    format!("the device was {further} steps further by then; where that began, `device: cpu` says")
                }
            };
            let epoch = self.history.len() + 1;
            return Err(self.told_by_first(NotFinite { loss, rate, step: number, epoch }.told(place)));
        }
        if whole.is_none() {
            self.current.figures.add(loss, &outputs, &labels, &spec.loss, logits).map_err(failed)?;
        }
        Ok(loss)
    }

    /// Validates, and lets the callbacks judge.
    fn end_epoch(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let training = self.training;
        let epoch = self.history.len();
        let mut record = self.record();
        record.watched.extend(self.dead_activations()?);
        self.current = Current::new(training);
        self.agree()?;
        let group = training.group;
        if let Some(validation) = training.validation {
            record.figures.extend(evaluate::figures(training.pipeline, training.model, validation, "val_", group)?);
        }
        let mut stop = None;
        let ended = Ended { epoch, figures: &record.figures, learning_rate: record.learning_rate };
        for verdict in self.verdicts(&ended)? {
            if verdict.keep_weights {
                self.kept = Some((epoch + 1, copies(training.model)));
            }
            if let Some(file) = verdict.write_weights.filter(|_| group.is_first()) {
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

    /// What the callbacks want. The first process decides for all: nobody else's clock counts.
    fn verdicts(&mut self, ended: &Ended<'_>) -> Result<Vec<Verdict>> {
        let verdicts: Vec<Verdict> = self.callbacks.iter_mut().map(|callback| callback.epoch_ended(ended)).collect();
        if self.training.group.is_alone() {
            return Ok(verdicts);
        }
        let told = serde_json::to_vec(&verdicts).expect("verdicts are plain data");
        let heard = self.training.group.broadcast_bytes(told)?;
        Ok(serde_json::from_slice(&heard).expect("the same program wrote it"))
    }

    /// Compares the weights of several processes, and hears whether any of them wants to stop.
    fn agree(&mut self) -> Result<()> {
        let Training { model, group, stop, .. } = *self.training;
        if !group.is_alone() {
            let stops = agreement::agree(model, stop.load(Ordering::Relaxed), self.steps, group)?;
            self.hear_of_stop(stops);
        }
        Ok(())
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
        let first = self.steps - self.current.step as u64;
        let Some(batch) = training.batches(first, 1).next().transpose()? else { return Ok(Vec::new()) };
        let names = rectified(&training.pipeline.model.layers, &training.plan.layers);
        tch::no_grad(|| {
            let on_device = to_device(&batch, training.data.form(), training.model.device());
            let (examples, _) = on_device.map_err(|error| computation(&error, "watching activations"))?;
            let pass = Pass::inference(training.pipeline.seed);
            dead_activations(training.model, &names, &examples, &pass, training.group)
        })
    }

    /// One step of the optimizer at some rate.
    fn step(&mut self, batch: &HostBatch, rate: f64) -> Result<Answer> {
        let training = self.training;
        let failed = |error: TchError| computation(&error, "a training step");
        for parameter in training.model.trainable() {
            forget_gradient(&parameter.tensor).map_err(failed)?;
        }
        let seed = training.pipeline.seed;
        let pass = Pass { first: batch.first, group: Some(training.group), ..Pass::training(seed, self.steps) };
        let part = Part::of(batch, &pass, training)?;
        let (alone, device) = (!training.group.adds_up(), training.model.device());
        let linked = training.group.links(device);
        let value = match ahead(device, training.group) {
            _ if linked => {
                self.way_back_to_sums(&part, batch, &[])?;
                None
            }
            _ if !alone => Some(self.way_back_together(&part, batch)?),
            0 => Some(part.value()?),
            _ => None,
        };
        if let Some(loss) = value.filter(|loss| !loss.is_finite()) {
            let place = NotFinite { loss, rate, step: self.steps + 1, epoch: self.history.len() + 1 };
            return Err(self.told_by_first(place.found(batch, &pass, training)?));
        }
        if alone {
            part.way_back(self.scale)?;
        }
        self.change_weights(rate).map_err(failed)?;
        self.steps += 1;
        if self.steps.is_multiple_of(agreement::COMPARED_EVERY) {
            self.agree()?;
        }
        let Some(value) = value else {
            let (whole, number) = (linked.then_some(batch.whole), self.steps);
            return Ok(Answer::Awaited(AwaitedStep { batch: part.awaited(batch, device)?, whole, number, rate }));
        };
        if alone {
            part.add_to(&mut self.current.figures, value, batch, training)?;
        }
        Ok(Answer::Known(value))
    }

    /// A problem that all processes have come to; the first one tells it.
    fn told_by_first(&self, mut problem: Box<Diagnostic>) -> Box<Diagnostic> {
        if !self.training.group.is_first() {
            problem.code = Code::RANK;
        }
        problem
    }

    /// Lets the optimizer make its step by the gradients, unless these were scaled too far.
    fn change_weights(&mut self, rate: f64) -> std::result::Result<(), TchError> {
        let model = self.training.model;
        if let Some(scale) = &mut self.scale
            && !tch::no_grad(|| scale.unscale(model))?
        {
            return Ok(());
        }
        if let Some(norms) = &mut self.current.norms {
            tch::no_grad(|| norms.add(model))?;
        }
        self.optimizer.step(rate)?;
        model.constrain()
    }

    /// The way back of several processes, behind which all have the gradients and the figures of the whole batch; gives its loss.
    fn way_back_together(&mut self, part: &Part, batch: &HostBatch) -> Result<f64> {
        let training = self.training;
        let mut own = Figures::new("", &training.pipeline.training.metrics, training.data.classes());
        part.add_to(&mut own, 0.0, batch, training)?;
        let sums = self.way_back_to_sums(part, batch, &self.told(part.value()?, &own))?;
        self.take_in(&sums, &own, batch.whole)
    }

    /// The way back, behind which the parameters have the gradients of the whole batch; gives the sums of `told`.
    fn way_back_to_sums(&self, part: &Part, batch: &HostBatch, told: &[f64]) -> Result<Vec<f64>> {
        let reduction = self.reduction.as_ref().expect("the processes have come together");
        let share = batch.labels.len() as f64 / batch.whole.max(1) as f64;
        reduction.way_back(part.scaled(self.scale)?.as_ref(), told, share)
    }

    /// What is added up of a part of a batch: its share of the loss, who wants to stop, and what the metrics are made of.
    fn told(&self, loss: f64, own: &Figures) -> Vec<f64> {
        let stops = f64::from(u8::from(self.training.stop.load(Ordering::Relaxed)));
        [loss, stops].into_iter().chain(own.metric_sums()).collect()
    }

    /// Takes in the sums of what all processes told of a batch of so many examples; gives its loss.
    fn take_in(&mut self, sums: &[f64], own: &Figures, examples: usize) -> Result<f64> {
        let (loss, stops) = (sums[0], sums[1]);
        self.hear_of_stop(stops > 0.0);
        let remembered = own.gathered_memories(self.training.group)?;
        self.current.figures.add_parts(loss, examples, &sums[TOLD..], &remembered);
        Ok(loss)
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
