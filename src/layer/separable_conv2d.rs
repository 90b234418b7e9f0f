//! A convolution of each channel on its own, and one of 1x1 over all that comes of it, as Keras' `SeparableConv2D`.
//!
//! `[height, width, channels]` becomes `[height', width', channels * depth_multiplier]` and then `[height', width', filters]`.

use super::{
    ActivationFunction, Affine, Build, Constraint, FLOAT_BYTES, Forward, Initializer, LayerDefinition, Padding, Pair,
    Parameter, Regularizer, ShapeError,
    conv2d::{Convolution, DOES_NOT_FIT, glorot_uniform, one, one_group, yes, zeros},
    depthwise_conv2d::depthwise_kernel,
    elements, image_shape,
    initializer::of_any_shape,
    window::Sliding,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Slides filters over each channel on its own and mixes the channels at each place: nearly a convolution, for a fraction of its
/// work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["SeparableConvolution2D", "DepthwiseSeparableConv"], "examples" = [{"filters": 32, "kernel_size": 3, "padding": "same", "activation": "relu"}]))]
pub struct SeparableConv2d {
    /// How many filters mix the channels: the channels of the output.
    #[schemars(range(min = 1, max = 65536))]
    #[schemars(extend("x-known-as" = ["out_channels", "num_filters"]))]
    pub filters: usize,
    /// Height and width of the filters of each channel: one number for both, or `[height, width]`.
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
    /// How many filters each channel has of its own.
    #[serde(default = "one_group")]
    #[schemars(range(min = 1, max = 65536))]
    pub depth_multiplier: usize,
    /// The function applied to the output.
    #[serde(default)]
    pub activation: ActivationFunction,
    /// Whether a learned number is added to each channel of the output.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["bias"]))]
    pub use_bias: bool,
    /// How the filters of each channel start.
    #[serde(default = "glorot_uniform")]
    #[schemars(schema_with = "of_any_shape")]
    pub depthwise_initializer: Initializer,
    /// How the filters that mix the channels start.
    #[serde(default = "glorot_uniform")]
    #[schemars(schema_with = "of_any_shape")]
    pub pointwise_initializer: Initializer,
    /// How the biases start.
    #[serde(default = "zeros")]
    #[schemars(schema_with = "of_any_shape")]
    pub bias_initializer: Initializer,
    /// What large weights of the filters of each channel cost; it is added to the loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Regularizer", extend("x-default" = "nothing"))]
    pub depthwise_regularizer: Option<Regularizer>,
    /// What large weights of the filters that mix the channels cost; it is added to the loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Regularizer", extend("x-default" = "nothing"))]
    pub pointwise_regularizer: Option<Regularizer>,
    /// What the filters of each channel are brought back to after each step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Constraint", extend("x-default" = "nothing"))]
    pub depthwise_constraint: Option<Constraint>,
    /// What the filters that mix the channels are brought back to after each step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Constraint", extend("x-default" = "nothing"))]
    pub pointwise_constraint: Option<Constraint>,
    /// Whether training changes the layer.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
}

impl SeparableConv2d {
    fn sliding(&self) -> Sliding {
        let SeparableConv2d { kernel_size: size, strides, dilation_rate, padding, .. } = *self;
        Sliding { size, strides, dilation_rate, padding }
    }

    /// The channels between the two convolutions.
    fn between(&self, input: &[usize]) -> usize {
        input[2].saturating_mul(self.depth_multiplier)
    }
}

impl LayerDefinition for SeparableConv2d {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        image_shape(input, "separable_conv2d")?;
        let [rows, columns] = self.sliding().count(input, self.filters, DOES_NOT_FIT)?;
        let output = vec![rows, columns, self.filters];
        self.sliding().check_dilation().map_err(|error| error.or(output.clone()))?;
        Ok(output)
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let (size, multiplier) = (self.kernel_size, self.depth_multiplier);
        let depthwise = depthwise_kernel("depthwise_kernel", size, input[2], multiplier, self.depthwise_initializer)
            .held(self.depthwise_regularizer, &self.depthwise_constraint);
        let shape = vec![self.filters as i64, depthwise.shape[0], 1, 1];
        let pointwise = Parameter::new("pointwise_kernel", shape, self.pointwise_initializer)
            .held(self.pointwise_regularizer, &self.pointwise_constraint);
        let bias = Parameter::new("bias", vec![self.filters as i64], self.bias_initializer);
        let all = [depthwise, pointwise].into_iter().chain(self.use_bias.then_some(bias));
        all.map(|parameter| parameter.trainable(self.trainable)).collect()
    }

    fn flops(&self, input: &[usize], output: &[usize]) -> u64 {
        let places = elements(&output[..2]);
        let between = places.saturating_mul(self.between(input) as u64);
        let window = elements(&self.kernel_size.0).saturating_add(self.filters as u64).saturating_mul(2);
        between.saturating_mul(window).saturating_add(if self.use_bias { elements(output) } else { 0 })
    }

    fn activation_bytes(&self, input: &[usize], output: &[usize]) -> u64 {
        let between = elements(&output[..2]).saturating_mul(self.between(input) as u64);
        between.saturating_add(elements(output)).saturating_mul(FLOAT_BYTES)
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let mut parameters = build.parameters;
        let rest = parameters.split_off(1);
        let (sliding, precision) = (self.sliding(), build.precision);
        let depthwise = Convolution::new(Affine::of(parameters), &sliding, build.input[2], build.input, precision);
        let [rows, columns] = [0, 1].map(|axis| sliding.along(axis, build.input).count);
        let at_each_place =
            Sliding { size: one(), strides: one(), dilation_rate: one(), padding: Padding::Valid };
        let input = [rows, columns, self.between(build.input)];
        let pointwise = Convolution::new(Affine::of(rest), &at_each_place, 1, &input, precision);
        let mut operations: Vec<Box<dyn Forward>> = vec![Box::new(depthwise)];
        operations.extend(self.activation.behind(pointwise));
        operations
    }

    fn is_linear(&self) -> bool {
        self.activation == ActivationFunction::Linear
    }

    fn activation(&self) -> ActivationFunction {
        self.activation
    }
}
