//! What a step says of its batch: at once, or where a device runs ahead of the host, some steps later.
//!
//! Waiting for the loss of each step would leave the device without work while the host tells it of the next one.

use crate::{
    data::BatchLabels,
    device::{Download, runs_ahead},
    distributed::Group,
};
use tch::{Device, TchError, Tensor};

/// So many batches `device` is ahead of what is known of them.
///
/// Where several processes compute together, each of them waits for the others anyway, unless their devices do so by themselves.
pub(crate) fn ahead(device: Device, group: &Group) -> usize {
    const AHEAD: usize = 4;
    if runs_ahead(device) && (group.is_alone() || group.links(device)) { AHEAD } else { 0 }
}

/// What a step said.
pub(super) enum Answer {
    /// The mean loss over its batch, which the figures have already.
    Known(f64),
    /// What is under way.
    Awaited(AwaitedStep),
}

/// A step of which nothing is known yet.
pub(super) struct AwaitedStep {
    pub batch: Awaited,
    /// How many examples of the batch all processes have, where their parts are still to be brought together.
    pub whole: Option<usize>,
    /// Which step of the training it is, from 1.
    pub number: u64,
    /// The rate that it was made with.
    pub rate: f64,
}

/// Loss and outputs of a batch, on their way from the device.
pub(crate) struct Awaited {
    download: Download,
    labels: BatchLabels,
}

impl Awaited {
    /// Sends for them; `labels` are those of the batch.
    pub fn begin(loss: &Tensor, outputs: &Tensor, labels: &BatchLabels) -> Result<Self, TchError> {
        Ok(Awaited { download: Download::begin(&[loss, outputs])?, labels: labels.clone() })
    }

    /// The loss, 0 where there is none, the outputs on the host, and the labels.
    pub fn finish(self) -> Result<(f64, Tensor, BatchLabels), TchError> {
        let copies = self.download.finish()?;
        let loss = if copies[0].numel() == 0 { 0.0 } else { copies[0].f_double_value(&[])? };
        Ok((loss, copies[1].shallow_clone(), self.labels))
    }
}
