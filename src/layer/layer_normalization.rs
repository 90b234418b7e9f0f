//! `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta` (Ba et al., 2016), as Keras' `LayerNormalization` over the last axis.
//!
//! Mean and variance, the biased one, are those of the channels or features at one place of one example, so that neither the
//! batch nor training changes them. Every shape stays: `[height, width, channels]`, `[tokens, features]`, `[features]`.

use super::{
    Build, FLOAT_BYTES, Forward, Initializer, LayerDefinition, Parameter, Pass, ShapeError,
    batch_normalization::{epsilon, ones},
    conv2d::{yes, zeros},
    elements,
    initializer::of_any_shape,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// Brings the features of each token, or the channels of each pixel, to mean 0 and variance 1, then to a learned mean and variance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["LayerNorm"], "examples" = [{}, {"epsilon": 1e-6, "center": false}]))]
pub struct LayerNormalization {
    /// Added to the variance, so that nothing is divided by zero. PyTorch's default is 1e-5, vision transformers' 1e-6.
    #[serde(default = "epsilon")]
    #[schemars(extend("exclusiveMinimum" = 0, "x-known-as" = ["eps"]))]
    pub epsilon: f64,
    /// Whether a learned mean is added.
    #[serde(default = "yes")]
    pub center: bool,
    /// Whether features are multiplied by a learned number.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["elementwise_affine"]))]
    pub scale: bool,
    /// How the learned mean starts.
    #[serde(default = "zeros")]
    #[schemars(schema_with = "of_any_shape")]
    pub beta_initializer: Initializer,
    /// How the learned factor starts.
    #[serde(default = "ones")]
    #[schemars(schema_with = "of_any_shape")]
    pub gamma_initializer: Initializer,
    /// Whether training changes the layer.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
}

impl LayerDefinition for LayerNormalization {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        Ok(input.to_vec())
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let (scale, center) = (self.scale.then_some(self.gamma_initializer), self.center.then_some(self.beta_initializer));
        Parameter::gamma_and_beta(input, scale, center, self.trainable)
    }

    fn flops(&self, input: &[usize], _: &[usize]) -> u64 {
        elements(input).saturating_mul(8)
    }

    /// Besides the output, mean and deviation at each place.
    fn activation_bytes(&self, _: &[usize], output: &[usize]) -> u64 {
        let places = output.split_last().map_or(1, |(_, around)| elements(around));
        elements(output).saturating_add(places.saturating_mul(2)).saturating_mul(FLOAT_BYTES)
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let mut parameters = build.parameters.into_iter();
        vec![Box::new(NormalizeFeatures {
            gamma: self.scale.then(|| parameters.next()).flatten(),
            beta: self.center.then(|| parameters.next()).flatten(),
            epsilon: self.epsilon,
        })]
    }
}

/// Normalization over the last axis of a pipeline's shape.
struct NormalizeFeatures {
    gamma: Option<Tensor>,
    beta: Option<Tensor>,
    epsilon: f64,
}

impl Forward for NormalizeFeatures {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        // Where products are of 16 bits, normalization stays at 32.
        let x = x.f_to_kind(Kind::Float)?;
        let is_image = x.dim() == 4;
        let last = if is_image { x.f_permute([0, 2, 3, 1])? } else { x.shallow_clone() };
        let features = last.size()[last.dim() - 1];
        let y = last.f_layer_norm([features], self.gamma.as_ref(), self.beta.as_ref(), self.epsilon, false)?;
        if is_image { y.f_permute([0, 3, 1, 2]) } else { Ok(y) }
    }
}
