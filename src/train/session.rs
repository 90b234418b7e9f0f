//! Epochs and steps.

use super::{
    Event, Moment, Observer, Training, agreement,
    answer::{Answer, AwaitedStep, ahead},
    epoch::Epoch,
    replicas::Replicas,
    state::State,
    step::{NotFinite, Part},
    watch::dead_activations,
};
use crate::{
    callback::Ended,
    data::HostBatch,
    device::forget_gradient,
    diagnostic::{Code, Diagnostic, Result},
    evaluate::{self, Figures},
    layer::Pass,
    model::computation,
    run::{EpochRecord, RangeTest, checkpoint::Files},
    spec::Watch,
};
use std::collections::VecDeque;
use tch::TchError;

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
    state: State,
    replicas: Replicas,
}

impl<'a> Session<'a> {
    /// A training that hasn't begun.
    pub fn new(training: &'a Training<'a>) -> Self {
        Session { training, state: State::new(training), replicas: Replicas::default() }
    }

    /// Goes on from what an earlier session kept; with `other_callbacks`, these begin anew.
    ///
    /// # Errors
    /// Where it isn't sound, or that session trained something else.
    pub fn restore(&mut self, files: &Files, other_callbacks: bool) -> Result<()> {
        self.state.restore(files, self.training, other_callbacks)
    }

    /// All that another session needs to go on from here.
    ///
    /// # Errors
    /// Where libtorch fails.
    pub fn files(&self) -> Result<Files> {
        self.state.files(self.training.model)
    }

    /// The epochs that are done.
    pub fn history(&self) -> &[EpochRecord] {
        &self.state.history
    }

    /// All optimizer steps done.
    pub fn steps(&self) -> u64 {
        self.state.steps
    }

    /// Whether there is nothing more to train.
    pub fn is_over(&self) -> bool {
        self.state.callbacks.stop_reason.is_some() || self.state.history.len() >= self.training.pipeline.training.epochs
    }

    fn is_stopped(&self) -> bool {
        self.replicas.is_stopped(self.training)
    }

    fn come_together(&mut self) -> Result<()> {
        self.replicas.come_together(self.training, &self.state.optimizer, &self.state.epoch.figures)
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
            epochs: self.state.history.len(),
            steps: self.state.steps,
            interrupted: self.is_stopped(),
            stop_reason: self.state.callbacks.stop_reason.clone(),
            best_epoch: None,
        };
        if outcome.interrupted {
            // It keeps its last weights: they are what training would go on with.
            return Ok(outcome);
        }
        self.state.optimizer.finish().map_err(|error| computation(&error, "taking the averages of the weights"))?;
        outcome.best_epoch = self.state.callbacks.put_back_best(self.training.model)?;
        Ok(outcome)
    }

    /// Makes one step with the first batch; gives the epoch that it would have been.
    ///
    /// # Errors
    /// As [`Session::train`].
    pub fn rehearse(&mut self) -> Result<EpochRecord> {
        self.come_together()?;
        if let Some(batch) = self.training.batches(0, 1).next().transpose()? {
            let answer = self.step(&batch, self.learning_rate(self.state.steps))?;
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
        self.state.callbacks.rate_factor * self.training.learning_rate(steps)
    }

    /// The rest of an epoch.
    fn steps_of_epoch(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let training = self.training;
        let epoch = self.state.history.len();
        let first = self.state.epoch.step;
        self.state.epoch.go_on();
        let mut batches = training.batches(self.state.steps, training.steps_per_epoch() - first);
        let waited_before = self.state.epoch.data_wait_seconds;
        let steps = first + batches.steps();
        let before = self.state.steps - first as u64;
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
            under_way.push_back((step, self.step(&batch, self.learning_rate(self.state.steps))?));
            self.state.epoch.step = step;
            self.state.epoch.data_wait_seconds = waited_before + batches.waited().as_secs_f64();
            let stopped = self.is_stopped();
            let rests = stopped || step == steps || step % rest == 0;
            while under_way.len() > if rests { 0 } else { ahead } {
                let Some((step, answer)) = under_way.pop_front() else { break };
                let loss = self.hear(answer)?;
                let figures = &self.state.epoch.figures;
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
        let figures = &mut self.state.epoch.figures;
        let loss = match whole {
            None => own,
            Some(examples) => {
                let mut of_part = Figures::new("", &spec.metrics, training.data.classes());
                if !labels.is_empty() {
                    of_part.add(0.0, &outputs, &labels, &spec.loss, logits).map_err(failed)?;
                }
                self.replicas.hear(own, &of_part, examples, training, figures)?
            }
        };
        if !loss.is_finite() {
            let place = match self.state.steps - number {
                0 => "the device doesn't say where that began; `device: cpu` does".to_owned(),
                further => {
                    format!("the device was {further} steps further by then; where that began, `device: cpu` says")
                }
            };
            let epoch = self.state.history.len() + 1;
            return Err(self.told_by_first(NotFinite { loss, rate, step: number, epoch }.told(place)));
        }
        if whole.is_none() {
            figures.add(loss, &outputs, &labels, &spec.loss, logits).map_err(failed)?;
        }
        Ok(loss)
    }

    /// Validates, and lets the callbacks judge.
    fn end_epoch(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let training = self.training;
        let epoch = self.state.history.len();
        let mut record = self.record();
        if training.pipeline.training.watch.contains(&Watch::DeadActivations) {
            let first = self.state.steps - self.state.epoch.step as u64;
            record.watched.extend(dead_activations(training, first)?);
        }
        self.state.epoch = Epoch::new(training);
        self.replicas.agree(training, self.state.steps)?;
        let group = training.group;
        if let Some(validation) = training.validation {
            record.figures.extend(evaluate::figures(training.pipeline, training.model, validation, "val_", group)?);
        }
        let ended = Ended { epoch, figures: &record.figures, learning_rate: record.learning_rate };
        self.state.callbacks.epoch_ended(&ended, training, observer)?;
        self.state.history.push(record);
        observer.observe(&Event::EpochEnded(&self.state.history[epoch]))
    }

    /// The epoch under way, as far as it has come.
    fn record(&self) -> EpochRecord {
        let State { steps, history, epoch, .. } = &self.state;
        epoch.record(history.len() + 1, self.learning_rate(steps.saturating_sub(1)))
    }

    /// One step of the optimizer at some rate.
    fn step(&mut self, batch: &HostBatch, rate: f64) -> Result<Answer> {
        let training = self.training;
        let failed = |error: TchError| computation(&error, "a training step");
        for parameter in training.model.trainable() {
            forget_gradient(&parameter.tensor).map_err(failed)?;
        }
        let seed = training.pipeline.seed;
        let pass = Pass { first: batch.first, group: Some(training.group), ..Pass::training(seed, self.state.steps) };
        let part = Part::of(batch, &pass, training)?;
        let (alone, device) = (!training.group.adds_up(), training.model.device());
        let linked = training.group.links(device);
        let State { scale, epoch, .. } = &mut self.state;
        let value = match ahead(device, training.group) {
            _ if linked => {
                self.replicas.way_back_to_sums(&part, batch, *scale, &[])?;
                None
            }
            _ if !alone => Some(self.replicas.way_back(&part, batch, *scale, training, &mut epoch.figures)?),
            0 => Some(part.value()?),
            _ => None,
        };
        if let Some(loss) = value.filter(|loss| !loss.is_finite()) {
            let place = NotFinite { loss, rate, step: self.state.steps + 1, epoch: self.state.history.len() + 1 };
            return Err(self.told_by_first(place.found(batch, &pass, training)?));
        }
        if alone {
            part.way_back(self.state.scale)?;
        }
        self.change_weights(rate).map_err(failed)?;
        self.state.steps += 1;
        if self.state.steps.is_multiple_of(agreement::COMPARED_EVERY) {
            self.replicas.agree(training, self.state.steps)?;
        }
        let Some(value) = value else {
            let (whole, number) = (linked.then_some(batch.whole), self.state.steps);
            return Ok(Answer::Awaited(AwaitedStep { batch: part.awaited(batch, device)?, whole, number, rate }));
        };
        if alone {
            part.add_to(&mut self.state.epoch.figures, value, batch, training)?;
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
        if let Some(scale) = &mut self.state.scale
            && !tch::no_grad(|| scale.unscale(model))?
        {
            return Ok(());
        }
        if let Some(norms) = &mut self.state.epoch.norms {
            tch::no_grad(|| norms.add(model))?;
        }
        self.state.optimizer.step(rate)?;
        model.constrain()
    }
}
