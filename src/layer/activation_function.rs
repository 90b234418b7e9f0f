//! Functions of every element, by Keras' names.

use super::{Forward, Operator, Pass, channel_axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// A function applied to every element; `softmax` to every vector of channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActivationFunction {
    /// The value itself.
    #[default]
    Linear,
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `x`, and `0.2 * x` where it is negative.
    LeakyRelu,
    /// `x`, and `exp(x) - 1` where it is negative.
    Elu,
    /// `elu` with factors that keep mean 0 and variance 1 from layer to layer, with `lecun_normal` kernels.
    Selu,
    /// `x` times the share of a standard normal distribution below it.
    Gelu,
    /// `gelu` by a formula with `tanh`, which older models were trained with.
    GeluApproximate,
    /// `x * sigmoid(x)`, which is also called swish.
    Silu,
    /// `x * tanh(softplus(x))`
    Mish,
    /// `x * relu6(x + 3) / 6`, which is also called hard swish: nearly `silu`, and cheap.
    HardSilu,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `relu6(x + 3) / 6`: nearly `sigmoid`, and cheap.
    HardSigmoid,
    /// `exp(x) / sum(exp(x))` over the last axis: positive, and 1 in sum.
    Softmax,
    /// `log(1 + exp(x))`
    Softplus,
    /// The hyperbolic tangent.
    Tanh,
}

/// The slope of `leaky_relu` for negative numbers.
const NEGATIVE_SLOPE: f64 = 0.2;

/// The computation of an activation function.
struct Activate(ActivationFunction);

impl Forward for Activate {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        use ActivationFunction::*;
        match self.0 {
            Linear => Ok(x.shallow_clone()),
            Relu => x.f_relu(),
            Relu6 => x.f_relu6(),
            LeakyRelu => leaky_relu(x, NEGATIVE_SLOPE),
            Elu => x.f_elu(),
            Selu => x.f_selu(),
            Gelu => x.f_gelu("none"),
            GeluApproximate => x.f_gelu("tanh"),
            Silu => x.f_silu(),
            Mish => x.f_mish(),
            HardSilu => x.f_hardswish(),
            Sigmoid => x.f_sigmoid(),
            HardSigmoid => x.f_hardsigmoid(),
            Softmax => x.f_softmax(channel_axis(x), Kind::Float),
            Softplus => x.f_softplus(),
            Tanh => x.f_tanh(),
        }
    }

    fn operator(&self) -> Operator<'_> {
        Operator::Activation(self.0)
    }
}

/// `x`, and `slope * x` where it is negative.
pub(super) fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor, TchError> {
    x.f_prelu(&Tensor::f_full([1], slope, (x.kind(), x.device()))?)
}

impl ActivationFunction {
    /// Its name in a pipeline.
    pub fn name(self) -> &'static str {
        match self {
            ActivationFunction::Linear => "linear",
            ActivationFunction::Relu => "relu",
            ActivationFunction::Relu6 => "relu6",
            ActivationFunction::LeakyRelu => "leaky_relu",
            ActivationFunction::Elu => "elu",
            ActivationFunction::Selu => "selu",
            ActivationFunction::Gelu => "gelu",
            ActivationFunction::GeluApproximate => "gelu_approximate",
            ActivationFunction::Silu => "silu",
            ActivationFunction::Mish => "mish",
            ActivationFunction::HardSilu => "hard_silu",
            ActivationFunction::Sigmoid => "sigmoid",
            ActivationFunction::HardSigmoid => "hard_sigmoid",
            ActivationFunction::Softmax => "softmax",
            ActivationFunction::Softplus => "softplus",
            ActivationFunction::Tanh => "tanh",
        }
    }

    /// An operation with the function behind it.
    pub(super) fn behind(self, operation: impl Forward + 'static) -> Vec<Box<dyn Forward>> {
        let operation: Box<dyn Forward> = Box::new(operation);
        std::iter::once(operation).chain(self.operation()).collect()
    }

    /// The operation, where there is anything to do.
    pub fn operation(self) -> Option<Box<dyn Forward>> {
        (self != ActivationFunction::Linear).then(|| Box::new(Activate(self)) as Box<dyn Forward>)
    }

    /// The function of `x`.
    ///
    /// # Errors
    /// What libtorch reports.
    pub(super) fn of(self, x: &Tensor, pass: &Pass) -> Result<Tensor, TchError> {
        Activate(self).forward(x, pass)
    }
}
