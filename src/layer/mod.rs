//! The steps of a model: arguments, shape rules and computation, one file a layer.
//!
//! Shapes are written without the batch dimension: `[height, width, channels]` for images, `[features]` for vectors.
//! Tensors flow as libtorch wants them, `[batch, channels, height, width]`, but lie in memory channels last, so that
//! nothing is rearranged between the images' bytes and the first kernel.

pub mod arguments;
pub mod initializer;

pub use arguments::{ActivationFunction, Padding, Pair};
pub use initializer::Initializer;

use crate::family;
use tch::{TchError, Tensor};

/// Why a layer cannot take the shape that reaches it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapeError {
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl ShapeError {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        ShapeError { message: message.into(), help: help.into() }
    }
}

/// A tensor that training changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name within the layer: `kernel`.
    pub name: &'static str,
    /// Its shape as it is stored: OIHW for kernels of convolutions, OI for dense ones.
    pub shape: Vec<i64>,
    /// How it starts.
    pub initializer: Initializer,
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

/// The computation that a layer was built into.
pub trait Forward: Send {
    /// Computes `[batch, ...]` from `[batch, ...]`.
    ///
    /// # Errors
    /// What libtorch reports, such as a lack of memory.
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor, TchError>;

    /// Whether it maps each element alone, and never a larger one to a smaller one.
    fn is_monotonic(&self) -> bool {
        false
    }

    /// Whether it takes the maximum over windows.
    fn is_max_pooling(&self) -> bool {
        false
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
}

/// What all layers share.
pub trait LayerDefinition {
    /// The shape of its output.
    ///
    /// # Errors
    /// Where it cannot take `input`.
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError>;

    /// What it learns, given a shape that [`LayerDefinition::output_shape`] accepts.
    fn parameters(&self, _input: &[usize]) -> Vec<Parameter> {
        Vec::new()
    }

    /// Floating-point operations forward for one example; a multiply-add counts as two.
    fn flops(&self, input: &[usize], output: &[usize]) -> u64;

    /// Its computation, as one or more operations in a row.
    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>>;

    /// The activation that its output went through.
    fn activation(&self) -> ActivationFunction {
        ActivationFunction::Linear
    }
}

family! {
    /// A step of the model, in Keras' words and defaults.
    pub enum Layer("layer"): LayerDefinition {
        rescaling::Rescaling,
        conv2d::Conv2d,
        max_pooling2d::MaxPooling2d,
        dropout::Dropout,
        flatten::Flatten,
        dense::Dense,
        activation::Activation,
    }
}

/// The number of elements of a shape.
pub fn elements(shape: &[usize]) -> u64 {
    shape.iter().map(|&n| n as u64).product()
}

/// `[height, width, channels]`, or what to do about another shape.
fn image_shape(input: &[usize], layer: &str) -> Result<[usize; 3], ShapeError> {
    input.try_into().map_err(|_| {
        ShapeError::new(
            format!("`{layer}` takes images, `[height, width, channels]`, and {} reaches it", display_shape(input)),
            format!("move `{layer}` before the layer that flattens the images"),
        )
    })
}

/// A shape as messages and tables show it: `[32, 32, 3]`.
pub fn display_shape(shape: &[usize]) -> String {
    format!("{shape:?}")
}

#[cfg(test)]
mod tests;
