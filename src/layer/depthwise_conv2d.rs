//! A convolution of each channel by filters of its own, as Keras' `DepthwiseConv2D`.
//!
//! `y[i, j, c * m + n] = activation(bias[c * m + n] + sum over u, v of kernel[c * m + n, 0, u, v] * x[i * stride + u, j * stride + v, c])`
//! with `m`, the multiplier, and `n` from 0 to below it. `[height, width, channels]` becomes `[height', width', channels * m]`.

use super::{
    ActivationFunction, Affine, Build, Constraint, Forward, Initializer, LayerDefinition, Layout, Padding, Pair, Parameter,
    Regularizer, ShapeError,
    conv2d::{Convolution, DOES_NOT_FIT, glorot_uniform, one, one_group, yes, zeros},
    elements, image_shape,
    initializer::of_any_shape,
    window::Sliding,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Slides learned filters over each channel of images on its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "kernel_size", "examples" = [{"kernel_size": 3, "padding": "same"}, {"kernel_size": 3, "strides": 2, "depth_multiplier": 2}]))]
pub struct DepthwiseConv2d {
    /// Height and width of the filters: one number for both, or `[height, width]`.
    #[schemars(extend("x-known-as" = ["kernel", "filter_size"]))]
    pub kernel_size: Pair,
    /// The distance between windows: one number for both directions, or `[vertical, horizontal]`.
    #[serde(default = "one")]
    #[schemars(extend("x-known-as" = ["stride"]))]
    pub strides: Pair,
    /// The distance between the elements of a filter. Not together with `strides` above 1.
    #[serde(default = "one")]
    #[schemars(extend("x-known-as" = ["dilation", "atrous_rate"]))]
    pub dilation_rate: Pair,
    /// `valid` uses only windows within the image; `same` pads with zeros so that the size stays (divided by the strides).
    #[serde(default)]
    pub padding: Padding,
    /// How many filters each channel has.
    #[serde(default = "one_group")]
    #[schemars(range(min = 1, max = 65536))]
    pub depth_multiplier: usize,
    /// The function applied to the output.
    #[serde(default)]
    pub activation: ActivationFunction,
    /// Whether a learned number is added to each filter's output.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["bias"]))]
    pub use_bias: bool,
    /// How the filters start.
    #[serde(default = "glorot_uniform")]
    #[schemars(schema_with = "of_any_shape", extend("x-known-as" = ["kernel_initializer"]))]
    pub depthwise_initializer: Initializer,
    /// How the biases start.
    #[serde(default = "zeros")]
    #[schemars(schema_with = "of_any_shape")]
    pub bias_initializer: Initializer,
    /// What large weights of the filters cost; it is added to the loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Regularizer", extend("x-default" = "nothing", "x-known-as" = ["kernel_regularizer"]))]
    pub depthwise_regularizer: Option<Regularizer>,
    /// What the filters are brought back to after each step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Constraint", extend("x-default" = "nothing", "x-known-as" = ["kernel_constraint"]))]
    pub depthwise_constraint: Option<Constraint>,
    /// Whether training changes the layer.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
}

impl DepthwiseConv2d {
    fn sliding(&self) -> Sliding {
        let DepthwiseConv2d { kernel_size: size, strides, dilation_rate, padding, .. } = *self;
        Sliding { size, strides, dilation_rate, padding }
    }
}

/// The kernel of a convolution of `channels` on their own, as it is stored.
pub(super) fn depthwise_kernel(
    name: &'static str,
    Pair([height, width]): Pair,
    channels: usize,
    multiplier: usize,
    initializer: Initializer,
) -> Parameter {
    let filters = channels.saturating_mul(multiplier);
    let shape = [filters, 1, height, width].map(|n| n as i64).to_vec();
    Parameter { layout: Layout::Depthwise(multiplier as i64), ..Parameter::new(name, shape, initializer) }
}

impl LayerDefinition for DepthwiseConv2d {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [.., channels] = image_shape(input, "depthwise_conv2d")?;
        let filters = channels.saturating_mul(self.depth_multiplier);
        let [rows, columns] = self.sliding().count(input, filters, DOES_NOT_FIT)?;
        let output = vec![rows, columns, filters];
        self.sliding().check_dilation().map_err(|error| error.or(output.clone()))?;
        Ok(output)
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let kernel =
            depthwise_kernel("kernel", self.kernel_size, input[2], self.depth_multiplier, self.depthwise_initializer);
        let filters = kernel.shape[0];
        kernel
            .held(self.depthwise_regularizer, &self.depthwise_constraint)
            .trainable(self.trainable)
            .with_bias(filters, self.use_bias.then_some(self.bias_initializer))
    }

    fn flops(&self, _: &[usize], output: &[usize]) -> u64 {
        let window = elements(&self.kernel_size.0);
        elements(output).saturating_mul(window.saturating_mul(2).saturating_add(self.use_bias.into()))
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let (weights, channels) = (Affine::of(build.parameters), build.input[2]);
        let convolution = Convolution::new(weights, &self.sliding(), channels, build.input, build.precision);
        self.activation.behind(convolution)
    }

    fn is_linear(&self) -> bool {
        self.activation == ActivationFunction::Linear
    }

    fn activation(&self) -> ActivationFunction {
        self.activation
    }
}
