//! The processes that train together, each with a replica of the model: they begin alike, add up what each step brought, and
//! end together.

use super::{Training, agreement, loss_scale::LossScale, reduction::Reduction, step::Part};
use crate::{data::HostBatch, diagnostic::Result, evaluate::Figures, optimizer::Update};
use std::sync::atomic::Ordering;
use tch::Tensor;

/// What is added up at each step besides the metrics: the loss, and who wants to stop.
const TOLD: usize = 2;

/// What a process knows of the others. One that is alone knows nothing.
#[derive(Default)]
pub(super) struct Replicas {
    /// The gradients of all processes, once they have come together.
    reduction: Option<Reduction>,
    /// Whether some process wanted to stop, as far as all know it.
    stopped: bool,
}

impl Replicas {
    /// Brings several processes together: all begin with the first one's weights and with what its optimizer remembers.
    ///
    /// # Errors
    /// Where one of them is gone.
    pub fn come_together(&mut self, training: &Training<'_>, optimizer: &Update, figures: &Figures) -> Result<()> {
        let Training { model, group, .. } = *training;
        if !group.adds_up() || self.reduction.is_some() {
            return Ok(());
        }
        let slots = optimizer.slots();
        let kept = model.parameters().iter().map(|it| &it.tensor).chain(slots.iter().map(|slot| slot.values));
        group.broadcast(&kept.map(Tensor::detach).collect::<Vec<_>>())?;
        // What the host would have to wait for is told later.
        let figures = if group.links(model.device()) { 0 } else { TOLD + figures.metric_sums().len() };
        self.reduction = Some(Reduction::new(model, figures, group)?);
        Ok(())
    }

    /// The way back, behind which all processes have the gradients of the whole batch, and `figures` that are those of it; gives
    /// its loss.
    ///
    /// # Errors
    /// Where libtorch fails, or another process is gone.
    pub fn way_back(
        &mut self,
        part: &Part,
        batch: &HostBatch,
        scale: Option<LossScale>,
        training: &Training<'_>,
        figures: &mut Figures,
    ) -> Result<f64> {
        let mut own = Figures::new("", &training.pipeline.training.metrics, training.data.classes());
        part.add_to(&mut own, 0.0, batch, training)?;
        let sums = self.way_back_to_sums(part, batch, scale, &told(part.value()?, &own, training))?;
        self.take_in(&sums, &own, batch.whole, training, figures)
    }

    /// The way back, behind which the parameters have the gradients of the whole batch; gives the sums of `told`.
    ///
    /// # Errors
    /// As of [`Replicas::way_back`].
    pub fn way_back_to_sums(
        &self,
        part: &Part,
        batch: &HostBatch,
        scale: Option<LossScale>,
        told: &[f64],
    ) -> Result<Vec<f64>> {
        let reduction = self.reduction.as_ref().expect("the processes have come together");
        let share = batch.labels.len() as f64 / batch.whole.max(1) as f64;
        reduction.way_back(part.scaled(scale)?.as_ref(), told, share)
    }

    /// Adds up what the processes have of a step that has been heard, each its `loss` and its `own` figures of its part of so many
    /// examples, to `figures`; gives the loss of all of them.
    ///
    /// # Errors
    /// Where a process is gone.
    pub fn hear(
        &mut self,
        loss: f64,
        own: &Figures,
        examples: usize,
        training: &Training<'_>,
        figures: &mut Figures,
    ) -> Result<f64> {
        let sums = training.group.sum_numbers(&told(loss, own, training))?;
        self.take_in(&sums, own, examples, training, figures)
    }

    /// Takes in the sums of what all processes told of a batch of so many examples; gives its loss.
    fn take_in(
        &mut self,
        sums: &[f64],
        own: &Figures,
        examples: usize,
        training: &Training<'_>,
        figures: &mut Figures,
    ) -> Result<f64> {
        let (loss, stops) = (sums[0], sums[1]);
        self.hear_of_stop(stops > 0.0, training);
        let remembered = own.gathered_memories(training.group)?;
        figures.add_parts(loss, examples, &sums[TOLD..], &remembered);
        Ok(loss)
    }

    /// Compares the weights of several processes, and hears whether any of them wants to stop.
    ///
    /// # Errors
    /// Where they have come to different weights, or one is gone.
    pub fn agree(&mut self, training: &Training<'_>, steps: u64) -> Result<()> {
        let Training { model, group, stop, .. } = *training;
        if !group.is_alone() {
            let stops = agreement::agree(model, stop.load(Ordering::Relaxed), steps, group)?;
            self.hear_of_stop(stops, training);
        }
        Ok(())
    }

    /// Where any process wants to stop, all do.
    fn hear_of_stop(&mut self, wanted: bool, training: &Training<'_>) {
        if wanted {
            self.stopped = true;
            training.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Whether training is to stop; of several processes all say the same.
    pub fn is_stopped(&self, training: &Training<'_>) -> bool {
        if training.group.is_alone() { training.stop.load(Ordering::Relaxed) } else { self.stopped }
    }
}

/// What is added up of a part of a batch: its share of the loss, who wants to stop, and what the metrics are made of.
fn told(loss: f64, own: &Figures, training: &Training<'_>) -> Vec<f64> {
    let stops = f64::from(u8::from(training.stop.load(Ordering::Relaxed)));
    [loss, stops].into_iter().chain(own.metric_sums()).collect()
}
