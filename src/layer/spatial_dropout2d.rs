//! Dropout of whole channels (Tompson et al., 2014), as Keras' `SpatialDropout2D`: in training, each channel of each image is zero
//! with probability `rate`, and the others are divided by `1 - rate`; in inference nothing happens.

use super::{Build, FLOAT_BYTES, Forward, LayerDefinition, Operator, Pass, ShapeError, draws, elements, image_shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Sets random channels to zero while training: neighbouring pixels are too alike for `dropout` to take anything away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Dropout2d"], "x-bare" = "rate", "examples" = [{"rate": 0.2}]))]
pub struct SpatialDropout2d {
    /// The share of channels that become zero, from 0 to below 1.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    #[schemars(extend("x-known-as" = ["p", "prob", "probability"]))]
    pub rate: f64,
}

impl LayerDefinition for SpatialDropout2d {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        image_shape(input, "spatial_dropout2d").map(|shape| shape.to_vec())
    }

    fn flops(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output)
    }

    /// Besides the output, a factor for each channel.
    fn activation_bytes(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output).saturating_add(output[2] as u64).saturating_mul(FLOAT_BYTES)
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        vec![Box::new(Channels { rate: self.rate, name: build.name.to_owned() })]
    }
}

/// The mask over channels.
struct Channels {
    rate: f64,
    name: String,
}

impl Forward for Channels {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor, TchError> {
        if !pass.training || self.rate == 0.0 {
            return Ok(x.shallow_clone());
        }
        let size = [x.size()[0], x.size()[1], 1, 1];
        x.f_mul(&draws::for_examples(&size, &self.name, pass, x, draws::kept(self.rate))?)
    }

    fn operator(&self) -> Operator<'_> {
        Operator::Disturbance
    }
}
