//! The way forward of a step with a process's part of a batch, and what to say where that leads to no number.

use super::{Training, answer::Awaited, loss_scale::LossScale};
use crate::{
    data::HostBatch,
    diagnostic::{Code, Diagnostic, Result},
    evaluate::Figures,
    layer::Pass,
    model::{computation, in_layer, to_device},
};
use tch::{Device, Kind, TchError, Tensor};

fn failed(error: TchError) -> Box<Diagnostic> {
    computation(&error, "a training step")
}

/// What a process computed with its part of a batch.
#[derive(Default)]
pub(super) struct Part {
    /// What left the model; nothing where the part has no example.
    outputs: Option<Tensor>,
    /// Its share of the loss over the whole batch, and of what the weights cost, where there is any.
    pub loss: Option<Tensor>,
}

impl Part {
    /// The way forward with `batch`.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn of(batch: &HostBatch, pass: &Pass<'_>, training: &Training<'_>) -> Result<Self> {
        let Training { pipeline, model, data, class_weights, group, .. } = *training;
        let own = batch.labels.len();
        let mut part = Part::default();
        // Where layers exchange sums with those of other processes, they do so without an example, too.
        if own > 0 || model.is_synchronized() {
            let (images, mut targets) = to_device(batch, data.form(), model.device()).map_err(failed)?;
            if let Some(weights) = class_weights {
                targets.weights = Some(weights.f_index_select(0, &targets.labels).map_err(failed)?);
            }
            let outputs = model.forward(&images, pass).map_err(|error| in_layer(&error))?;
            let loss = match own {
                0 => outputs.f_sum(Kind::Float),
                _ => pipeline.training.loss.compute(&outputs, &targets, model.gives_logits()),
            };
            let mut loss = loss.map_err(failed)?;
            if own < batch.whole {
                loss = loss.f_mul_scalar(own as f64 / batch.whole as f64).map_err(failed)?;
            }
            part = Part { outputs: Some(outputs), loss: Some(loss) };
        }
        if let Some(mut cost) = model.cost().map_err(failed)? {
            if !group.is_alone() {
                cost = cost.f_div_scalar(group.size() as f64).map_err(failed)?;
            }
            part.loss = Some(match part.loss {
                Some(loss) => loss.f_add(&cost).map_err(failed)?,
                None => cost,
            });
        }
        Ok(part)
    }

    /// The loss as a number.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn value(&self) -> Result<f64> {
        self.loss.as_ref().map_or(Ok(0.0), |loss| loss.f_double_value(&[])).map_err(failed)
    }

    /// Gives the parameters their gradients, multiplied by `scale` where there is one.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn way_back(&self, scale: Option<LossScale>) -> Result<()> {
        self.scaled(scale)?.map_or(Ok(()), |loss| loss.f_backward()).map_err(failed)
    }

    /// The loss from which the way back begins.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn scaled(&self, scale: Option<LossScale>) -> Result<Option<Tensor>> {
        let scaled = |loss: &Tensor| scale.map_or_else(|| Ok(loss.shallow_clone()), |scale| scale.scaled(loss));
        self.loss.as_ref().map(scaled).transpose().map_err(failed)
    }

    /// Sends for what it came to; a part without an example comes to no loss and to nothing that leaves the model.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn awaited(&self, batch: &HostBatch, device: Device) -> Result<Awaited> {
        let nothing = || Tensor::f_zeros([0], (Kind::Float, device));
        let part = |own: &Option<Tensor>| own.as_ref().map_or_else(nothing, |own| Ok(own.shallow_clone()));
        let begun = part(&self.loss).and_then(|loss| Awaited::begin(&loss, &part(&self.outputs)?, &batch.labels));
        begun.map_err(failed)
    }

    /// Adds what it came to, with a mean loss, to `figures`.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn add_to(
        &self,
        figures: &mut Figures,
        mean_loss: f64,
        batch: &HostBatch,
        training: &Training<'_>,
    ) -> Result<()> {
        let Some(outputs) = self.outputs.as_ref().filter(|_| !batch.labels.is_empty()) else { return Ok(()) };
        let (loss, logits) = (&training.pipeline.training.loss, training.model.gives_logits());
        tch::no_grad(|| figures.add(mean_loss, outputs, &batch.labels, loss, logits)).map_err(failed)
    }
}

/// A loss that is no number any more, or an infinite one.
pub(super) struct NotFinite {
    pub loss: f64,
    /// The learning rate.
    pub rate: f64,
    /// From 1.
    pub step: u64,
    /// From 1.
    pub epoch: usize,
}

impl NotFinite {
    /// What to say of it: where that began, in whatever process.
    ///
    /// # Errors
    /// Where another process is gone.
    pub fn found(&self, batch: &HostBatch, pass: &Pass<'_>, training: &Training<'_>) -> Result<Box<Diagnostic>> {
        let own = self.place(batch, pass, training).unwrap_or_default();
        let places = training.group.gather_bytes(own.as_bytes())?;
        let place =
            places.iter().find(|place| !place.is_empty()).map(|place| String::from_utf8_lossy(place).into_owned());
        let place =
            place.unwrap_or_else(|| "all that the layers gave is finite; the loss itself overflowed".to_owned());
        Ok(self.told(place))
    }

    /// What to say of it, where that is known.
    pub fn told(&self, place: String) -> Box<Diagnostic> {
        let NotFinite { loss, rate, step, epoch } = self;
        Box::new(
            Diagnostic::error(Code::NOT_FINITE, format!("the loss became {loss} at step {step} (epoch {epoch})"))
                .fact(place)
                .fact(format!("the learning rate was {rate}"))
                .help("lower the learning rate, or scale the input with `rescaling`"),
        )
    }

    /// Where it began, as far as it was in this process.
    fn place(&self, batch: &HostBatch, pass: &Pass<'_>, training: &Training<'_>) -> Option<String> {
        let model = training.model;
        let is_finite = |tensor: &Tensor| {
            let all = tensor.f_isfinite().and_then(|finite| finite.f_all()).and_then(|all| all.f_int64_value(&[]));
            all.map_or(true, |all| all != 0)
        };
        // Moving averages follow the batch that led here; it's the trained weights that can have led to it.
        if let Some(weight) = model.trainable().find(|parameter| !is_finite(&parameter.tensor)) {
            return Some(format!("`{}` holds numbers that aren't finite", weight.name));
        }
        let (images, _) = to_device(batch, training.data.form(), model.device()).ok()?;
        let mut layer = None;
        let _ = tch::no_grad(|| {
            model.traced(&images, pass, &mut |name, output| {
                if layer.is_none() && !is_finite(output) {
                    layer = Some(name.to_owned());
                }
            })
        });
        layer.map(|layer| format!("what leaves `{layer}` is the first that isn't finite"))
    }
}
