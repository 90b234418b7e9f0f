//! `y = scale * x / sqrt(mean(x * x) + epsilon)` (Zhang and Sennrich, 2019), as Keras' `RMSNormalization`.
//!
//! The mean is over the channels of each place; training and inference are the same. `[height, width, channels]`,
//! `[tokens, features]` and `[features]` keep their shape.

use super::{
    Build, FLOAT_BYTES, Forward, Initializer, LayerDefinition, Parameter, Pass, ShapeError, channel_axis, conv2d::yes,
    elements, for_each_channel,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

fn epsilon() -> f64 {
    1e-6
}

/// Brings the vector of channels at each place to a root mean square of 1, then multiplies channels by learned numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["RMSNorm"], "examples" = [{}, {"epsilon": 0.00001}]))]
pub struct RmsNormalization {
    /// Added to the mean of the squares, so that nothing is divided by zero.
    #[serde(default = "epsilon")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1, "x-known-as" = ["eps"]))]
    pub epsilon: f64,
    /// Whether training changes the layer.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
}

impl LayerDefinition for RmsNormalization {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        Ok(input.to_vec())
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let channels = vec![input.last().copied().unwrap_or(0) as i64];
        vec![Parameter::new("scale", channels, Initializer::Ones).trainable(self.trainable)]
    }

    fn flops(&self, input: &[usize], _: &[usize]) -> u64 {
        elements(input).saturating_mul(4)
    }

    /// Besides the output, the root of each place.
    fn activation_bytes(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output).saturating_mul(2 * FLOAT_BYTES)
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let scale = build.parameters.into_iter().next().expect("a scale is declared");
        vec![Box::new(NormalizeRoots { scale, epsilon: self.epsilon })]
    }
}

/// Normalization by the root mean square.
struct NormalizeRoots {
    scale: Tensor,
    epsilon: f64,
}

impl Forward for NormalizeRoots {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let x = x.f_to_kind(Kind::Float)?;
        let mean = x.f_square()?.f_mean_dim([channel_axis(&x)].as_slice(), true, Kind::Float)?;
        x.f_mul(&mean.f_add_scalar(self.epsilon)?.f_rsqrt()?)?.f_mul(&for_each_channel(&self.scale, &x)?)
    }
}
