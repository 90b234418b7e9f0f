//! The steps of a model: arguments, shape rules and computation, one file a layer.
//!
//! Shapes are written without the batch dimension: `[height, width, channels]` for images, `[features]` for vectors.
//! Tensors flow as libtorch wants them, `[batch, channels, height, width]`, but lie in memory channels last, so that
//! nothing is rearranged between the images' bytes and the first kernel.

mod activation_function;
pub mod arguments;
mod border;
pub mod constraint;
mod draws;
mod forward;
pub mod initializer;
mod named;
mod parameter;
mod preset;
mod regularizer;
pub mod structure;
mod synchronized;
mod window;

pub use activation_function::ActivationFunction;
pub use arguments::{Padding, Pair};
pub use border::Border;
pub use constraint::Constraint;
use forward::for_each_channel;
pub use forward::{Affine, Build, Forward, Operator, Pass, Precision, as_computed, as_stored, channel_axis};
pub use initializer::Initializer;
pub use named::Named;
pub use parameter::{Layout, Parameter};
pub use preset::{Stem, expanded};
pub use regularizer::Regularizer;
pub use structure::{Block, Merge, Structure};

use crate::family;

/// Why a layer cannot take the shape that reaches it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapeError {
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// What to do.
    pub help: String,
    /// What probably leaves the layer once it is mended, so that the layers behind it can be looked at too.
    pub recovery: Option<Vec<usize>>,
}

impl ShapeError {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        ShapeError { message: message.into(), help: help.into(), recovery: None }
    }

    fn or(mut self, recovery: Vec<usize>) -> Self {
        self.recovery = Some(recovery);
        self
    }
}

/// What all layers share.
pub trait LayerDefinition {
    /// The shape of its output.
    ///
    /// # Errors
    /// Where it cannot take `input`.
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError>;

    /// What it keeps, given a shape that [`LayerDefinition::output_shape`] accepts.
    fn parameters(&self, _input: &[usize]) -> Vec<Parameter> {
        Vec::new()
    }

    /// Floating-point operations forward for one example; a multiply-add counts as two. Of the layer itself: what stands
    /// inside of it counts on its own.
    fn flops(&self, input: &[usize], output: &[usize]) -> u64;

    /// Bytes that training keeps for one example from the way forward to the way back, inputs not counted. An estimate: it
    /// follows what libtorch's operations save.
    fn activation_bytes(&self, _input: &[usize], output: &[usize]) -> u64 {
        FLOAT_BYTES.saturating_mul(elements(output))
    }

    /// The layers that it is a name for, where it is nothing else.
    fn stands_for(&self) -> Option<&[Layer]> {
        None
    }

    /// What it is made of.
    fn structure(&self) -> Structure<'_> {
        Structure::Computation
    }

    /// The shape that becomes of the outputs of its blocks, where it has several.
    ///
    /// # Errors
    /// Where they don't fit together.
    fn join(&self, _input: &[usize], outputs: &[Vec<usize>]) -> Result<Vec<usize>, ShapeError> {
        match self.structure() {
            Structure::Parallel(_, merge) => merge.output_shape(outputs),
            _ => Ok(outputs.last().cloned().unwrap_or_default()),
        }
    }

    /// Its computation, as one or more operations in a row; none where it only arranges other layers.
    fn build(&self, _: Build<'_>) -> Vec<Box<dyn Forward>> {
        Vec::new()
    }

    /// Whether its output, in inference, is a linear function of its input, but for a constant.
    fn is_linear(&self) -> bool {
        false
    }

    /// The activation that its output went through.
    fn activation(&self) -> ActivationFunction {
        ActivationFunction::Linear
    }
}

family! {
    /// A step of the model, in Keras' words and defaults.
    pub enum Layer("layer"): LayerDefinition in Named {
        rescaling::Rescaling,
        normalization::Normalization,
        conv2d::Conv2d,
        depthwise_conv2d::DepthwiseConv2d,
        separable_conv2d::SeparableConv2d,
        conv2d_transpose::Conv2dTranspose,
        max_pooling2d::MaxPooling2d,
        average_pooling2d::AveragePooling2d,
        global_average_pooling2d::GlobalAveragePooling2d,
        global_max_pooling2d::GlobalMaxPooling2d,
        dropout::Dropout,
        spatial_dropout2d::SpatialDropout2d,
        gaussian_dropout::GaussianDropout,
        gaussian_noise::GaussianNoise,
        stochastic_depth::StochasticDepth,
        flatten::Flatten,
        reshape::Reshape,
        permute::Permute,
        up_sampling2d::UpSampling2d,
        zero_padding2d::ZeroPadding2d,
        cropping2d::Cropping2d,
        dense::Dense,
        squeeze_excite::SqueezeExcite,
        activation::Activation,
        batch_normalization::BatchNormalization,
        group_normalization::GroupNormalization,
        rms_normalization::RmsNormalization,
        layer_normalization::LayerNormalization,
        residual::Residual,
        branches::Branches,
        repeat::Repeat,
        patch_embedding::PatchEmbedding,
        class_token::ClassToken,
        position_embedding::PositionEmbedding,
        multi_head_attention::MultiHeadAttention,
        first_token::FirstToken,
        global_average_pooling1d::GlobalAveragePooling1d,
        transformer_block::TransformerBlock,
        inception_block::InceptionBlock,
        resnet::Resnet,
        vgg::Vgg,
        mobilenet_v2::MobilenetV2,
        efficientnet_b0::EfficientnetB0,
        vit::Vit,
    }
}

/// The activation that the output of a row of layers went through.
pub fn last_activation(layers: &[Layer]) -> ActivationFunction {
    layers.last().map_or(ActivationFunction::Linear, |layer| layer.activation())
}

/// Bytes of a number, float32.
pub const FLOAT_BYTES: u64 = 4;

/// The number of elements of a shape.
pub fn elements(shape: &[usize]) -> u64 {
    shape.iter().fold(1, |product: u64, &n| product.saturating_mul(n as u64))
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

/// `[tokens, features]`, or what to do about another shape.
fn token_shape(input: &[usize], layer: &str) -> Result<[usize; 2], ShapeError> {
    input.try_into().map_err(|_| {
        ShapeError::new(
            format!("`{layer}` takes tokens, `[tokens, features]`, and {} reaches it", display_shape(input)),
            "make tokens of images with `patch_embedding`",
        )
    })
}

/// A shape as messages and tables show it: `[32, 32, 3]`.
pub fn display_shape(shape: &[usize]) -> String {
    format!("{shape:?}")
}
