//! What layers are built into: operations on tensors.

use super::{
    ActivationFunction, batch_normalization::Normalize, conv2d::Convolution, dense::Product, dropout::Mask,
    max_pooling2d::MaxPooling,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// The numbers that are computed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits everywhere.
    #[default]
    Float32,
    /// Convolutions and dense layers multiply numbers of 16 bits (8 of them for the exponent, as in 32) and sum up in 32; weights,
    /// normalization, loss and optimizer stay at 32 bits. Faster where the processor has instructions for it.
    MixedBfloat16,
}

impl Precision {
    /// `tensor` as what is multiplied with.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn factor(self, tensor: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Precision::Float32 => Ok(tensor.shallow_clone()),
            Precision::MixedBfloat16 => tensor.f_to_kind(Kind::BFloat16),
        }
    }
}

/// What a computation needs to know beyond its input.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Training, or inference.
    pub training: bool,
    /// The pipeline's seed.
    pub seed: u64,
    /// The optimizer step, from 0: what random masks depend on.
    pub step: u64,
}

/// What an operation is, as far as the passes over a model know it.
pub enum Operator<'a> {
    /// `x * scale + offset`, of bytes as well as of numbers: scale and offset, for each channel or for all of them.
    Scaling(Result<(Vec<f64>, Vec<f64>), TchError>),
    /// A convolution with its bias.
    Convolution(&'a Convolution),
    /// Maxima over windows.
    MaxPooling(&'a MaxPooling),
    /// A function of each element.
    Activation(ActivationFunction),
    /// Normalization over the batch.
    BatchNormalization(&'a Normalize),
    /// A dense layer with its bias.
    Product(&'a Product),
    /// Dropout.
    Dropout(&'a Mask),
    /// Anything else.
    Other,
}

/// The computation that a layer was built into.
pub trait Forward: Send {
    /// Computes `[batch, ...]` from `[batch, ...]`.
    ///
    /// # Errors
    /// What libtorch reports, such as a lack of memory.
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor, TchError>;

    /// What it is.
    fn operator(&self) -> Operator<'_> {
        Operator::Other
    }

    /// What computes it, in words, where it isn't libtorch's operator of the same name.
    fn describe(&self) -> Option<String> {
        None
    }
}

/// What a layer is built from.
pub struct Build<'a> {
    /// The unique name of the layer: `conv2d_1`.
    pub name: &'a str,
    /// The shape that reaches it.
    pub input: &'a [usize],
    /// Its parameters, in the order in which it declares them.
    pub parameters: Vec<Tensor>,
    /// What it multiplies with.
    pub precision: Precision,
}
