//! What a training works with: the same from its first step to its last.

use crate::{
    check::Plan,
    data::{Batches, InputPipeline, Share},
    distributed::Group,
    model::Model,
    schedule::Length,
    spec::Pipeline,
};
use std::sync::atomic::AtomicBool;
use tch::Tensor;

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
    pub(super) fn batches(&self, first: u64, count: usize) -> Batches {
        let share = Share::Stretch { index: self.group.rank(), of: self.group.size() };
        self.data.stream(first, count, share)
    }

    pub(super) fn steps_per_epoch(&self) -> usize {
        self.pipeline.training.steps_per_epoch.unwrap_or(self.data.steps())
    }

    /// The rate that the pipeline wants for the step behind so many.
    pub(super) fn learning_rate(&self, steps: u64) -> f64 {
        let spec = &self.pipeline.training;
        let steps_per_epoch = self.steps_per_epoch() as u64;
        let length = Length { steps_per_epoch, steps: steps_per_epoch.saturating_mul(spec.epochs as u64) };
        spec.optimizer.learning_rate().at(steps, &length)
    }
}
