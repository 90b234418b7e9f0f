//! Dropout (Srivastava et al., 2014), as Keras': in training, each value is zero with probability `rate`, and the others are
//! divided by `1 - rate`; in inference nothing happens.

use super::{as_computed, as_stored, Build, FLOAT_BYTES, Forward, LayerDefinition, Operator, Pass, ShapeError, draws, elements};
use crate::{
    device,
    kernel::{Dropout as Kernel, Instructions},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, TchError, Tensor};

/// Sets random values to zero while training, so that no unit relies on another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "rate", "examples" = [{"rate": 0.2}]))]
pub struct Dropout {
    /// The share of values that become zero, from 0 to below 1.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    #[schemars(extend("x-known-as" = ["p", "prob", "probability"]))]
    pub rate: f64,
}

impl LayerDefinition for Dropout {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        Ok(input.to_vec())
    }

    fn flops(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output)
    }

    /// Besides the output, the mask.
    fn activation_bytes(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output).saturating_mul(2 * FLOAT_BYTES)
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        vec![Box::new(Mask::new(self.rate, build.name))]
    }
}

/// Dropout's mask.
pub struct Mask {
    rate: f64,
    name: String,
}

impl Mask {
    /// Drops this share for the layer of this name.
    pub fn new(rate: f64, name: &str) -> Self {
        Mask { rate, name: name.to_owned() }
    }

    /// What is dropped at a step.
    fn dropout(&self, pass: &Pass) -> Kernel {
        let (threshold, kept) = draws::threshold(self.rate);
        Kernel {
            purpose: draws::purpose(&self.name, pass),
            step: pass.step,
            first: pass.first,
            threshold,
            kept,
            instructions: Instructions::chosen().unwrap_or(Instructions::Portable),
            threads: device::threads(),
        }
    }
}

impl Forward for Mask {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor, TchError> {
        if !pass.training || self.rate == 0.0 {
            return Ok(x.shallow_clone());
        }
        if draws::begin_on_device(x, &self.name, pass)? {
            return draws::numbers(x)?.f_dropout(self.rate, true);
        }
        let (dropout, kind) = (self.dropout(pass), x.kind());
        // The mask lies in memory as the images do.
        let stored = as_stored(&x.f_detach()?.f_to_kind(Kind::Float)?)?;
        let mask = Tensor::f_empty(stored.size(), (Kind::Uint8, Device::Cpu))?;
        let values = device::numbers(&stored);
        let kept = device::filled(&stored.size(), |into| {
            device::fill_bytes(&mask, |mask| dropout.forward(stored.size()[0] as usize, values, into, mask));
        })?;
        let output = as_computed(&kept)?.f_to_kind(kind)?;
        if x.requires_grad() && device::is_recording() {
            let back = move |gradient: &Tensor| {
                let stored = as_stored(&gradient.f_to_kind(Kind::Float)?)?;
                let values = device::numbers(&stored);
                let mask = device::bytes(&mask);
                let gradient = device::filled(&stored.size(), |into| dropout.backward(values, mask, into))?;
                Ok(vec![Some(as_computed(&gradient)?.f_to_kind(kind)?)])
            };
            device::differentiable(&output, &[x], Box::new(back))?;
        }
        Ok(output)
    }

    fn operator(&self) -> Operator<'_> {
        Operator::Disturbance
    }
}
