//! What layers are built into: operations on tensors.

use super::{
    ActivationFunction, batch_normalization::Normalize, conv2d::Convolution, dense::Product, max_pooling2d::MaxPooling,
};
use crate::{device, distributed::Group, kernel::Instructions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// The numbers that are computed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits everywhere, on every device.
    #[default]
    Float32,
    /// As `float32`, but a GPU of NVIDIA's rounds what convolutions and dense layers multiply to 19 bits (10 of them behind the point,
    /// where `float32` has 23), which its tensor cores do several times as fast. Elsewhere it is `float32`.
    TensorFloat32,
    /// Convolutions and dense layers multiply numbers of 16 bits (8 of them for the exponent, as in 32) and sum up in 32; weights,
    /// normalization, loss and optimizer stay at 32 bits. Faster where the processor or the GPU has instructions for it.
    MixedBfloat16,
    /// As `mixed_bfloat16`, with 5 bits for the exponent and more behind the point. Small gradients would become 0, and so the loss
    /// is multiplied by a scale that finds itself, as Keras' `LossScaleOptimizer` does: it begins with 2^15, doubles after 2000 steps
    /// and halves where a gradient isn't finite, a step that is left out. For GPUs.
    MixedFloat16,
}

impl Precision {
    /// `tensor` as what is multiplied with.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn factor(self, tensor: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Precision::Float32 | Precision::TensorFloat32 => Ok(tensor.shallow_clone()),
            Precision::MixedBfloat16 => tensor.f_to_kind(Kind::BFloat16),
            Precision::MixedFloat16 => tensor.f_to_kind(Kind::Half),
        }
    }

    /// Whether it is `float32` but for what the tensor cores of NVIDIA's GPUs multiply.
    pub fn is_for_tensor_cores(self) -> bool {
        self == Precision::TensorFloat32
    }

    /// Whether factors are kept at 32 bits, as far as the program's own kernels are concerned.
    pub fn multiplies_32_bits(self) -> bool {
        matches!(self, Precision::Float32 | Precision::TensorFloat32)
    }
}

/// What a linear layer multiplies by, and what it adds then.
pub struct Affine {
    /// The kernel, OIHW or OI.
    pub kernel: Tensor,
    /// The bias, `[outputs]`.
    pub bias: Option<Tensor>,
}

impl Affine {
    /// From a layer's parameters: the kernel and, where there is one, the bias.
    pub(super) fn of(parameters: Vec<Tensor>) -> Self {
        let mut parameters = parameters.into_iter();
        Affine { kernel: parameters.next().expect("a kernel is declared"), bias: parameters.next() }
    }

    fn each(&self, change: impl Fn(&Tensor) -> Result<Tensor, TchError>) -> Result<Self, TchError> {
        Ok(Affine { kernel: change(&self.kernel)?, bias: self.bias.as_ref().map(change).transpose()? })
    }

    /// The same numbers at the same place.
    pub fn shared(&self) -> Self {
        Affine { kernel: self.kernel.shallow_clone(), bias: self.bias.as_ref().map(Tensor::shallow_clone) }
    }

    /// As what is multiplied with and added.
    pub(super) fn factors(&self, precision: Precision) -> Result<Self, TchError> {
        self.each(|tensor| precision.factor(tensor))
    }

    /// The numbers, one behind the other as they are stored, OHWI or OI, which autograd doesn't follow.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn stored(&self) -> Result<Self, TchError> {
        self.each(|tensor| as_stored(&tensor.f_detach()?))
    }

    /// Whether autograd is to know what is made of `x`.
    pub fn is_recorded(&self, x: &Tensor) -> bool {
        device::is_recording() && self.inputs(x).into_iter().any(Tensor::requires_grad)
    }

    /// All that the result hangs on: `x`, the kernel, the bias.
    pub fn inputs<'a>(&'a self, x: &'a Tensor) -> Vec<&'a Tensor> {
        [x, &self.kernel].into_iter().chain(&self.bias).collect()
    }
}

/// `[batch, channels, height, width]`, as libtorch computes, as `[batch, height, width, channels]`, one behind the other in memory;
/// what has other axes as it is.
///
/// # Errors
/// What libtorch reports.
pub fn as_stored(tensor: &Tensor) -> Result<Tensor, TchError> {
    if tensor.dim() == 4 { tensor.f_permute([0, 2, 3, 1])?.f_contiguous() } else { tensor.f_contiguous() }
}

/// The reverse of [`as_stored`], over the same memory.
///
/// # Errors
/// What libtorch reports.
pub fn as_computed(tensor: &Tensor) -> Result<Tensor, TchError> {
    if tensor.dim() == 4 { tensor.f_permute([0, 3, 1, 2]) } else { Ok(tensor.shallow_clone()) }
}

/// The axis of the channels, or of the features: 1 of images, the last one of everything else.
pub fn channel_axis(tensor: &Tensor) -> i64 {
    if tensor.dim() == 4 { 1 } else { -1 }
}

/// A number for each channel, `[channels]`, so that it can be multiplied with `x` or added.
///
/// # Errors
/// What libtorch reports.
pub(super) fn for_each_channel(numbers: &Tensor, x: &Tensor) -> Result<Tensor, TchError> {
    if x.dim() == 4 { numbers.f_view([1, -1, 1, 1]) } else { Ok(numbers.shallow_clone()) }
}

/// What a computation needs to know beyond its input.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// Training, or inference.
    pub training: bool,
    /// The pipeline's seed.
    pub seed: u64,
    /// The optimizer step, from 0: what random masks depend on.
    pub step: u64,
    /// The place of the first example in the batch, of which other processes may have the rest: masks depend on places.
    pub first: usize,
    /// The processes that have the rest of the batch, where there are any.
    pub group: Option<&'a Group>,
}

impl Pass<'_> {
    /// A step of training with a whole batch.
    pub const fn training(seed: u64, step: u64) -> Self {
        Pass { training: true, seed, step, first: 0, group: None }
    }

    /// Inference, where nothing is random.
    pub const fn inference(seed: u64) -> Self {
        Pass { training: false, ..Self::training(seed, 0) }
    }
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
    /// A convolution, and normalization of what it gives over the batch.
    NormalizedConvolution(&'a Convolution, &'a Normalize),
    /// A dense layer with its bias.
    Product(&'a Product),
    /// What disturbs training, such as dropout, and hands on what it gets elsewhere.
    Disturbance,
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

    /// Computes beforehand what follows from the weights alone, since they stay as they are from now on.
    ///
    /// # Errors
    /// What libtorch reports.
    fn settle(&mut self) -> Result<(), TchError> {
        Ok(())
    }

    /// What it is.
    fn operator(&self) -> Operator<'_> {
        Operator::Other
    }

    /// The instructions of the program's own kernel that computes it, where one does.
    fn instructions(&self) -> Option<Instructions> {
        None
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
