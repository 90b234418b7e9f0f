//! Epochs and steps.

use super::{Event, Observer};
use crate::{
    callback::Callback,
    data::{HostBatch, InputPipeline},
    diagnostic::{Code, Diagnostic, Result},
    evaluate::{self, Figures},
    layer::Pass,
    model::{Model, computation, in_layer, to_device},
    optimizer::Optimizer,
    run::EpochRecord,
    spec::Pipeline,
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};
use tch::{TchError, Tensor};

/// What training works with.
pub struct Training<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whole epochs done.
    pub epochs: usize,
    /// Steps done.
    pub steps: u64,
    /// Whether `stop` ended it.
    pub interrupted: bool,
    /// Whether a callback ended it.
    pub stopped_early: bool,
    /// The epoch, from 1, whose weights were put back.
    pub best_epoch: Option<usize>,
}

/// Trains until the epochs are done, a callback stops, or `stop` is set.
///
/// # Errors
/// Where data cannot be read, libtorch fails, the loss is no number any more, or an observer fails.
pub fn train(training: &Training<'_>, observer: &mut dyn Observer) -> Result<Outcome> {
    let spec = &training.pipeline.training;
    let parameters: Vec<Tensor> = training.model.trainable().map(Tensor::shallow_clone).collect();
    let mut optimizer = spec.optimizer.start(parameters);
    let mut callbacks = start_callbacks(training.pipeline);
    let mut kept: Option<(usize, Vec<Tensor>)> = None;
    let mut outcome = Outcome::default();
    for epoch in 0..spec.epochs {
        let Some(mut record) = epoch_of_training(training, epoch, &mut *optimizer, &mut outcome, observer)? else {
            outcome.interrupted = true;
            break;
        };
        if let Some(validation) = training.validation {
            let evaluated = evaluate::figures(training.pipeline, training.model, validation, "val_")?;
            record.figures.extend(evaluated);
        }
        outcome.epochs = epoch + 1;
        let mut stop = false;
        for callback in &mut callbacks {
            let verdict = callback.epoch_ended(epoch, &record.figures);
            if verdict.keep_weights {
                kept = Some((epoch + 1, copies(training.model)));
            }
            stop |= verdict.stop;
        }
        observer.observe(&Event::EpochEnded(&record))?;
        if stop {
            outcome.stopped_early = epoch + 1 < spec.epochs;
            break;
        }
        if training.stop.load(Ordering::Relaxed) {
            outcome.interrupted = epoch + 1 < spec.epochs;
            break;
        }
    }
    // An interrupted run keeps its last weights: they are what training would go on with.
    if let Some((epoch, weights)) = kept.filter(|_| !outcome.interrupted) {
        tch::no_grad(|| {
            for (parameter, best) in training.model.parameters().iter().zip(&weights) {
                parameter.tensor.shallow_clone().f_copy_(best)?;
            }
            Ok(())
        })
        .map_err(|error: TchError| computation(&error, "putting back the best weights"))?;
        outcome.best_epoch = Some(epoch);
    }
    Ok(outcome)
}

fn start_callbacks(pipeline: &Pipeline) -> Vec<Box<dyn Callback>> {
    let larger_is_better = |figure: &str| {
        let name = figure.strip_prefix("val_").unwrap_or(figure);
        pipeline.training.metrics.iter().any(|metric| metric.name() == name && metric.larger_is_better())
    };
    let start = |choice: &crate::callback::CallbackChoice| {
        choice.start(choice.monitor().is_some_and(|monitor| larger_is_better(monitor.figure)))
    };
    pipeline.training.callbacks.iter().filter_map(start).collect()
}

fn copies(model: &Model) -> Vec<Tensor> {
    model.parameters().iter().map(|parameter| parameter.tensor.detach().copy()).collect()
}

/// One pass over the training data; `None` where it was interrupted.
fn epoch_of_training(
    training: &Training<'_>,
    epoch: usize,
    optimizer: &mut dyn Optimizer,
    outcome: &mut Outcome,
    observer: &mut dyn Observer,
) -> Result<Option<EpochRecord>> {
    let spec = &training.pipeline.training;
    let start = Instant::now();
    let mut batches = training.data.epoch(epoch as u64);
    let steps = batches.steps();
    observer.observe(&Event::EpochStarted { epoch: epoch + 1, epochs: spec.epochs, steps })?;
    let mut figures = Figures::new("", &spec.metrics);
    for step in 1..=steps {
        let Some(batch) = batches.next().transpose()? else { break };
        let pass = Pass { training: true, seed: training.pipeline.seed, step: outcome.steps };
        let loss = one_step(training, &batch, &pass, optimizer, &mut figures)?;
        outcome.steps += 1;
        if !loss.is_finite() {
            return Err(Box::new(
                Diagnostic::error(
                    Code::NOT_FINITE,
                    format!("the loss became {loss} at step {} (epoch {})", outcome.steps, epoch + 1),
                )
                .fact(format!("the learning rate was {}", optimizer.learning_rate()))
                .help("lower the learning rate, or scale the input with `rescaling`"),
            ));
        }
        observer.observe(&Event::StepEnded { step, images: figures.examples(), figures: &figures.means() })?;
        if training.stop.load(Ordering::Relaxed) && step < steps {
            return Ok(None);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Some(EpochRecord {
        epoch: epoch + 1,
        figures: figures.means(),
        learning_rate: optimizer.learning_rate(),
        seconds,
        images_per_second: figures.examples() as f64 / seconds,
        data_wait_seconds: batches.waited().as_secs_f64(),
    }))
}

fn one_step(
    training: &Training<'_>,
    batch: &HostBatch,
    pass: &Pass,
    optimizer: &mut dyn Optimizer,
    figures: &mut Figures,
) -> Result<f64> {
    let spec = &training.pipeline.training;
    let failed = |error: TchError| computation(&error, "a training step");
    let (images, mut targets) = to_device(batch, training.data.form(), training.model.device()).map_err(failed)?;
    if let Some(weights) = training.class_weights {
        targets.weights = Some(weights.f_index_select(0, &targets.labels).map_err(failed)?);
    }
    for parameter in training.model.trainable() {
        parameter.shallow_clone().zero_grad();
    }
    let outputs = training.model.forward(&images, pass).map_err(|error| in_layer(&error))?;
    let loss = spec.loss.compute(&outputs, &targets, training.model.gives_logits()).map_err(failed)?;
    loss.f_backward().map_err(failed)?;
    optimizer.step().map_err(failed)?;
    tch::no_grad(|| figures.add(&loss, &outputs, &targets.labels, &spec.metrics)).map_err(failed)
}
