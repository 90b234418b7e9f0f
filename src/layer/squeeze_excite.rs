//! Channels weighed by what the whole image shows (Hu et al., 2017).
//!
//! `y[i, j, c] = x[i, j, c] * gate(expand_kernel activation(reduce_kernel mean(x) + reduce_bias) + expand_bias)[c]`, the mean
//! over all places. `[height, width, channels]` keeps its shape. EfficientNet has it with `silu` and `sigmoid`, MobileNetV3 with
//! `relu` and `hard_sigmoid`.

use super::{
    ActivationFunction, Affine, Build, Constraint, FLOAT_BYTES, Forward, Initializer, LayerDefinition, Parameter, Pass,
    Regularizer, ShapeError,
    conv2d::{glorot_uniform, yes},
    dense::Product,
    elements, image_shape,
    initializer::of_any_shape,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

fn ratio() -> f64 {
    0.25
}

fn relu() -> ActivationFunction {
    ActivationFunction::Relu
}

fn sigmoid() -> ActivationFunction {
    ActivationFunction::Sigmoid
}

/// Multiplies each channel by a number that two small dense layers make of the means of all channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["SqueezeExcitation", "SEBlock"], "x-bare" = "ratio", "examples" = [{"ratio": 0.5}, {"units": 2, "activation": "silu"}]))]
pub struct SqueezeExcite {
    /// The units of the first dense layer as a share of the channels; one at least.
    #[serde(default = "ratio")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 16, "x-known-as" = ["se_ratio", "rd_ratio"]))]
    pub ratio: f64,
    /// The units of the first dense layer, where they aren't a share of these channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536), extend("x-default" = "by `ratio`", "x-known-as" = ["squeeze_channels"]))]
    pub units: Option<usize>,
    /// The function behind the first dense layer.
    #[serde(default = "relu")]
    pub activation: ActivationFunction,
    /// The function behind the second one, whose values the channels are multiplied by.
    #[serde(default = "sigmoid")]
    #[schemars(extend("x-known-as" = ["gate_layer", "scale_activation"]))]
    pub gate_activation: ActivationFunction,
    /// How the weights start.
    #[serde(default = "glorot_uniform")]
    #[schemars(schema_with = "of_any_shape")]
    pub kernel_initializer: Initializer,
    /// What large weights cost; it is added to the loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Regularizer", extend("x-default" = "nothing"))]
    pub kernel_regularizer: Option<Regularizer>,
    /// What the weights are brought back to after each step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Constraint", extend("x-default" = "nothing"))]
    pub kernel_constraint: Option<Constraint>,
    /// Whether training changes the layer.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
}

impl SqueezeExcite {
    /// As Keras' EfficientNet counts them.
    fn units(&self, channels: usize) -> usize {
        self.units.unwrap_or(((channels as f64 * self.ratio) as usize).max(1))
    }
}

impl LayerDefinition for SqueezeExcite {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        image_shape(input, "squeeze_excite").map(|shape| shape.to_vec())
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let (channels, units) = (input[2] as i64, self.units(input[2]) as i64);
        let kernel = |name, shape| {
            let kernel = Parameter::new(name, shape, self.kernel_initializer);
            kernel.held(self.kernel_regularizer, &self.kernel_constraint)
        };
        let all = [
            kernel("reduce_kernel", vec![units, channels]),
            Parameter::new("reduce_bias", vec![units], Initializer::Zeros),
            kernel("expand_kernel", vec![channels, units]),
            Parameter::new("expand_bias", vec![channels], Initializer::Zeros),
        ];
        all.map(|parameter| parameter.trainable(self.trainable)).into()
    }

    fn flops(&self, input: &[usize], output: &[usize]) -> u64 {
        let products = (input[2] as u64).saturating_mul(self.units(input[2]) as u64).saturating_mul(4);
        elements(input).saturating_add(elements(output)).saturating_add(products)
    }

    /// Besides the output, the vectors in between.
    fn activation_bytes(&self, input: &[usize], output: &[usize]) -> u64 {
        let vectors = (2 * input[2]).saturating_add(self.units(input[2])) as u64;
        elements(output).saturating_add(vectors).saturating_mul(FLOAT_BYTES)
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let mut reduce = build.parameters;
        let expand = reduce.split_off(2);
        vec![Box::new(Weigh {
            reduce: Product { weights: Affine::of(reduce), precision: build.precision },
            expand: Product { weights: Affine::of(expand), precision: build.precision },
            activation: self.activation,
            gate_activation: self.gate_activation,
        })]
    }
}

struct Weigh {
    reduce: Product,
    expand: Product,
    activation: ActivationFunction,
    gate_activation: ActivationFunction,
}

impl Forward for Weigh {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor, TchError> {
        let means = x.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?;
        let reduced = self.activation.of(&self.reduce.forward(&means, pass)?, pass)?;
        let gate = self.gate_activation.of(&self.expand.forward(&reduced, pass)?, pass)?;
        x.f_mul(&gate.f_to_kind(x.kind())?.f_unsqueeze(-1)?.f_unsqueeze(-1)?)
    }
}
