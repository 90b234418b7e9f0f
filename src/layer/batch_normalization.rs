//! `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta` (Ioffe and Szegedy, 2015), as Keras' `BatchNormalization`.
//!
//! In training, mean and variance are those of the batch, for each channel over all examples and positions, and the moving
//! ones follow: `moving = momentum * moving + (1 - momentum) * batch`, both with the biased variance. In inference the
//! moving ones are used. `[height, width, channels]` and `[features]` keep their shape.
//!
//! Where several processes have a part of the batch each, a part is normalized by its own mean and variance, as in Keras, and the
//! moving ones become the mean of what they are in the parts, which count by their examples. With `synchronized`, mean and variance
//! are those of the whole batch.

use super::{
    synchronized, Build, FLOAT_BYTES, Forward, Initializer, LayerDefinition, Operator, Parameter, Pass, ShapeError, elements,
    conv2d::{yes, zeros}, initializer::of_any_shape,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, TchError, Tensor};

pub(super) fn ones() -> Initializer {
    Initializer::Ones
}

fn momentum() -> f64 {
    0.99
}

pub(super) fn epsilon() -> f64 {
    1e-3
}

/// Brings each channel to mean 0 and variance 1, then to a learned mean and variance, so that deep networks train fast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["BatchNorm2d", "BatchNorm1d", "BatchNorm"], "examples" = [{}, {"momentum": 0.9, "scale": false}]))]
pub struct BatchNormalization {
    /// How much of the moving mean and variance stays at each step. PyTorch's momentum is 1 minus this.
    #[serde(default = "momentum")]
    #[schemars(range(min = 0, max = 1))]
    pub momentum: f64,
    /// Added to the variance, so that nothing is divided by zero.
    #[serde(default = "epsilon")]
    #[schemars(extend("exclusiveMinimum" = 0, "x-known-as" = ["eps"]))]
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
    /// Whether several processes normalize by mean and variance of the whole batch, as one alone would, and not each by those
    /// of its part. It takes two messages between them for each such layer and step.
    #[serde(default)]
    #[schemars(extend("x-known-as" = ["sync_batch_norm", "SyncBatchNorm", "sync_bn"]))]
    pub synchronized: bool,
    /// Whether training changes the layer; as in Keras, one that it doesn't change uses the moving mean and variance in training,
    /// too.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
}

impl LayerDefinition for BatchNormalization {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        Ok(input.to_vec())
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let channels = vec![input.last().copied().unwrap_or(1) as i64];
        let each_part = self.trainable && !self.synchronized;
        let moving = |name, initializer| Parameter::moving(name, channels.clone(), initializer, each_part);
        let (scale, center) = (self.scale.then_some(self.gamma_initializer), self.center.then_some(self.beta_initializer));
        let mut parameters = Parameter::gamma_and_beta(input, scale, center, self.trainable);
        parameters.push(moving("moving_mean", Initializer::Zeros));
        parameters.push(moving("moving_variance", Initializer::Ones));
        parameters
    }

    fn flops(&self, input: &[usize], _: &[usize]) -> u64 {
        elements(input).saturating_mul(4)
    }

    /// Besides the output, mean and deviation of each channel.
    fn activation_bytes(&self, _: &[usize], output: &[usize]) -> u64 {
        let channels = output.last().copied().unwrap_or(0) as u64;
        elements(output).saturating_add(2 * channels).saturating_mul(FLOAT_BYTES)
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let mut parameters = build.parameters.into_iter();
        let gamma = self.scale.then(|| parameters.next()).flatten();
        let beta = self.center.then(|| parameters.next()).flatten();
        let mut moving = || parameters.next().expect("the moving statistics are declared");
        vec![Box::new(Normalize {
            gamma,
            beta,
            mean: moving(),
            variance: moving(),
            momentum: self.momentum,
            epsilon: self.epsilon,
            trainable: self.trainable,
            synchronized: self.synchronized,
            input: build.input.to_vec(),
        })]
    }
}

/// Normalization over the batch.
pub struct Normalize {
    /// What normalized values are multiplied by, `[channels]`.
    pub gamma: Option<Tensor>,
    /// What is added then, `[channels]`.
    pub beta: Option<Tensor>,
    /// The moving mean and variance.
    mean: Tensor,
    variance: Tensor,
    momentum: f64,
    /// What is added to variances.
    pub epsilon: f64,
    trainable: bool,
    synchronized: bool,
    /// The shape of what reaches it.
    pub input: Vec<usize>,
}

impl Normalize {
    /// What inference multiplies each channel by, and what it adds then.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn scaling(&self) -> Result<(Tensor, Tensor), TchError> {
        let mut factor = self.variance.f_add_scalar(self.epsilon)?.f_rsqrt()?;
        if let Some(gamma) = &self.gamma {
            factor = factor.f_mul(gamma)?;
        }
        let mut offset = self.mean.f_mul(&factor)?.f_neg()?;
        if let Some(beta) = &self.beta {
            offset = offset.f_add(beta)?;
        }
        Ok((factor.f_detach()?, offset.f_detach()?))
    }

    /// The same numbers at the same place.
    pub fn shared(&self) -> Self {
        let same = |tensor: &Option<Tensor>| tensor.as_ref().map(Tensor::shallow_clone);
        Normalize {
            gamma: same(&self.gamma),
            beta: same(&self.beta),
            mean: self.mean.shallow_clone(),
            variance: self.variance.shallow_clone(),
            input: self.input.clone(),
            ..*self
        }
    }

    /// Whether it normalizes by the batch's own statistics.
    pub fn is_of_batch(&self, pass: &Pass) -> bool {
        pass.training && self.trainable
    }

    /// Whether it normalizes by the statistics of what all processes have of the batch.
    pub fn is_synchronized(&self) -> bool {
        self.synchronized && self.trainable
    }

    /// Lets the moving statistics follow those of a batch, the variance the biased one.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn follow(&self, mean: &Tensor, variance: &Tensor) -> Result<(), TchError> {
        tch::no_grad(|| {
            for (moving, batch) in [(&self.mean, mean), (&self.variance, variance)] {
                if moving.device() != Device::Cpu {
                    // One operation, where telling the device of each costs more than its numbers.
                    let _ = moving.shallow_clone().f_lerp_(batch, 1.0 - self.momentum)?;
                    continue;
                }
                let follows = moving.f_mul_scalar(self.momentum)?.f_add(&batch.f_mul_scalar(1.0 - self.momentum)?)?;
                moving.shallow_clone().f_copy_(&follows)?;
            }
            Ok(())
        })
    }
}

impl Forward for Normalize {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor, TchError> {
        if x.dim() == 3 {
            // libtorch looks for channels at axis 1.
            return self.forward(&x.f_unsqueeze(1)?.f_permute([0, 3, 1, 2])?, pass)?.f_permute([0, 2, 3, 1])?.f_squeeze_dim(1);
        }
        // On a GPU, libtorch's way back for what is added takes its kind from what is multiplied by.
        let ones = match (&self.gamma, &self.beta) {
            (None, Some(_)) if x.device() != Device::Cpu => Some(self.mean.f_ones_like()?),
            _ => None,
        };
        let (gamma, beta) = (self.gamma.as_ref().or(ones.as_ref()), self.beta.as_ref());
        if !self.is_of_batch(pass) {
            let (mean, variance) = (Some(&self.mean), Some(&self.variance));
            return Ok(x.f_native_batch_norm(gamma, beta, mean, variance, false, 0.0, self.epsilon)?.0);
        }
        if let Some(group) = pass.group.filter(|group| self.synchronized && !group.is_alone()) {
            let normalized = synchronized::normalize(x, gamma, beta, self.epsilon, group)?;
            self.follow(&normalized.mean, &normalized.variance)?;
            return Ok(normalized.y);
        }
        if x.size()[0] == 0 {
            return Ok(x.shallow_clone());
        }
        let none = None::<&Tensor>;
        let (y, mean, inverse_deviation) = x.f_native_batch_norm(gamma, beta, none, none, true, 0.0, self.epsilon)?;
        // libtorch gives `1 / sqrt(variance + epsilon)` back.
        let variance = tch::no_grad(|| inverse_deviation.f_pow_tensor_scalar(-2)?.f_sub_scalar(self.epsilon))?;
        self.follow(&mean, &variance)?;
        Ok(y)
    }

    fn operator(&self) -> Operator<'_> {
        Operator::BatchNormalization(self)
    }
}
