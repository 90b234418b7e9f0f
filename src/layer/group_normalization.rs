//! `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta` (Wu and He, 2018), as Keras' `GroupNormalization`.
//!
//! Mean and variance are those of an example, over all places and the channels of a group; training and inference are the same.
//! `[height, width, channels]`, `[tokens, features]` and `[features]` keep their shape.

use super::{
    Build, FLOAT_BYTES, Forward, Initializer, LayerDefinition, Parameter, Pass, ShapeError,
    batch_normalization::{epsilon, ones},
    conv2d::{yes, zeros},
    display_shape, elements, for_each_channel,
    initializer::of_any_shape,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

fn groups() -> i64 {
    32
}

/// Brings groups of channels of each example to mean 0 and variance 1, then to a learned mean and variance: independent of the
/// batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["GroupNorm", "InstanceNorm2d"], "x-bare" = "groups", "examples" = [{"groups": 3}, {"groups": -1, "scale": false}]))]
pub struct GroupNormalization {
    /// How many groups, a divisor of the number of channels; -1 makes each channel a group of its own.
    #[serde(default = "groups")]
    #[schemars(range(min = -1, max = 65536), extend("x-known-as" = ["num_groups"]))]
    pub groups: i64,
    /// Added to the variance, so that nothing is divided by zero.
    #[serde(default = "epsilon")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1, "x-known-as" = ["eps"]))]
    pub epsilon: f64,
    /// Whether a learned mean is added.
    #[serde(default = "yes")]
    pub center: bool,
    /// Whether channels are multiplied by a learned number.
    #[serde(default = "yes")]
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

impl GroupNormalization {
    fn groups(&self, channels: usize) -> i64 {
        if self.groups < 0 { channels as i64 } else { self.groups }
    }
}

impl LayerDefinition for GroupNormalization {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let channels = input.last().copied().unwrap_or(0);
        let groups = self.groups(channels);
        if groups < 1 || channels as i64 % groups != 0 {
            return Err(ShapeError::new(
                format!("the channels of {} can't be divided into {groups} groups", display_shape(input)),
                format!("make `groups` a divisor of {channels}"),
            )
            .or(input.to_vec()));
        }
        Ok(input.to_vec())
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let (scale, center) = (self.scale.then_some(self.gamma_initializer), self.center.then_some(self.beta_initializer));
        Parameter::gamma_and_beta(input, scale, center, self.trainable)
    }

    fn flops(&self, input: &[usize], _: &[usize]) -> u64 {
        elements(input).saturating_mul(6)
    }

    /// Besides the output, mean and deviation of each group.
    fn activation_bytes(&self, input: &[usize], output: &[usize]) -> u64 {
        let groups = self.groups(input.last().copied().unwrap_or(0)).max(0) as u64;
        elements(output).saturating_add(2 * groups).saturating_mul(FLOAT_BYTES)
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let mut parameters = build.parameters.into_iter();
        let gamma = self.scale.then(|| parameters.next()).flatten();
        let groups = self.groups(build.input.last().copied().unwrap_or(0));
        vec![Box::new(NormalizeGroups { groups, gamma, beta: parameters.next(), epsilon: self.epsilon })]
    }
}

/// Normalization over the groups of each example.
struct NormalizeGroups {
    groups: i64,
    gamma: Option<Tensor>,
    beta: Option<Tensor>,
    epsilon: f64,
}

impl Forward for NormalizeGroups {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        // libtorch looks for channels at axis 1, and wants an example at least.
        let x = x.f_to_kind(Kind::Float)?;
        if x.size()[0] == 0 {
            return Ok(x);
        }
        // Factors and offsets come on their own: libtorch's way back for them, of images that lie channels last, writes into the
        // images' gradient, too, even where there is none.
        let none = || None::<&Tensor>;
        let normalized = |x: &Tensor| x.f_group_norm(self.groups, none(), none(), self.epsilon, false);
        let mut y = if x.dim() == 3 { normalized(&x.f_transpose(1, 2)?)?.f_transpose(1, 2)? } else { normalized(&x)? };
        if let Some(gamma) = &self.gamma {
            y = y.f_mul(&for_each_channel(gamma, &y)?)?;
        }
        if let Some(beta) = &self.beta {
            y = y.f_add(&for_each_channel(beta, &y)?)?;
        }
        Ok(y)
    }
}
