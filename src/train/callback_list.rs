//! The callbacks of a training, and what has come of their verdicts: the best weights, another learning rate, an early end.

use super::{Event, Observer, Training};
use crate::{
    callback::{Callback, CallbackChoice, Ended, Verdict},
    diagnostic::Result,
    distributed::Group,
    model::{Model, computation, weights_bytes},
    spec::Pipeline,
};
use tch::{TchError, Tensor};

/// The callbacks of a training.
pub(super) struct CallbackList {
    callbacks: Vec<Box<dyn Callback>>,
    /// The best weights, with their epoch from 1.
    pub best: Option<(usize, Vec<Tensor>)>,
    /// Why one of them has ended training.
    pub stop_reason: Option<String>,
    /// What they have multiplied the learning rate by.
    pub rate_factor: f64,
}

impl CallbackList {
    /// Those of a training that hasn't begun.
    pub fn start(pipeline: &Pipeline) -> Self {
        let larger_is_better = |figure: &str| {
            let name = figure.strip_prefix("val_").unwrap_or(figure);
            pipeline.training.metrics.iter().any(|metric| metric.figure() == name && metric.larger_is_better())
        };
        let start = |choice: &CallbackChoice| {
            choice.start(choice.monitor().is_some_and(|monitor| larger_is_better(monitor.figure)))
        };
        let callbacks = pipeline.training.callbacks.iter().filter_map(start).collect();
        CallbackList { callbacks, best: None, stop_reason: None, rate_factor: 1.0 }
    }

    /// What each of them remembers.
    pub fn memories(&self) -> Vec<serde_json::Value> {
        self.callbacks.iter().map(|callback| callback.memory()).collect()
    }

    /// Goes on from what each of them remembered; says whether they understand it.
    pub fn recall(&mut self, memories: &[serde_json::Value]) -> bool {
        let mut memories = memories.iter();
        self.callbacks.iter_mut().all(|callback| memories.next().is_some_and(|it| callback.recall(it)))
    }

    /// Lets them judge an epoch, and does what they want.
    ///
    /// # Errors
    /// Where weights cannot be read, an observer fails, or another process is gone.
    pub fn epoch_ended(
        &mut self,
        ended: &Ended<'_>,
        training: &Training<'_>,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let Training { pipeline, model, group, .. } = *training;
        let mut stop = None;
        for verdict in self.verdicts(ended, group)? {
            if verdict.keep_weights {
                self.best = Some((ended.epoch + 1, copies(model)));
            }
            if let Some(file) = verdict.write_weights.filter(|_| group.is_first()) {
                let weights = weights_bytes(model).map_err(|error| computation(&error, "saving the weights"))?;
                observer.observe(&Event::WeightsWanted { file: &file, weights: &weights })?;
            }
            self.rate_factor *= verdict.learning_rate_factor.unwrap_or(1.0);
            stop = stop.or(verdict.stop);
        }
        self.stop_reason = stop.filter(|_| ended.epoch + 1 < pipeline.training.epochs);
        Ok(())
    }

    /// What they want. The first process decides for all: nobody else's clock counts.
    fn verdicts(&mut self, ended: &Ended<'_>, group: &Group) -> Result<Vec<Verdict>> {
        let verdicts: Vec<Verdict> = self.callbacks.iter_mut().map(|callback| callback.epoch_ended(ended)).collect();
        if group.is_alone() {
            return Ok(verdicts);
        }
        let told = serde_json::to_vec(&verdicts).expect("verdicts are plain data");
        let heard = group.broadcast_bytes(told)?;
        Ok(serde_json::from_slice(&heard).expect("the same program wrote it"))
    }

    /// Gives `model` the best weights back, where some were kept; says of which epoch they are, from 1.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn put_back_best(&self, model: &Model) -> Result<Option<usize>> {
        let Some((epoch, weights)) = &self.best else { return Ok(None) };
        tch::no_grad(|| {
            for (parameter, best) in model.parameters().iter().zip(weights) {
                parameter.tensor.shallow_clone().f_copy_(best)?;
            }
            Ok(())
        })
        .map_err(|error: TchError| computation(&error, "putting back the best weights"))?;
        Ok(Some(*epoch))
    }
}

/// All that a model keeps, as it is now.
pub(super) fn copies(model: &Model) -> Vec<Tensor> {
    model.parameters().iter().map(|parameter| parameter.tensor.detach().copy()).collect()
}
