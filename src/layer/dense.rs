//! `y = activation(kernel x + bias)`, as Keras' `Dense`: `[features]` becomes `[units]`, and each vector of `[tokens, features]` on its
//! own.

use super::conv2d::{glorot_uniform, yes, zeros};
use super::{
    ActivationFunction, Affine, Build, Constraint, Forward, Initializer, LayerDefinition, Operator, Parameter, Pass, Precision,
    Regularizer, ShapeError, display_shape, elements, initializer::of_any_shape,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Connects every input with every unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Linear", "FullyConnected", "fc"], "x-bare" = "units", "examples" = [{"units": 10}, {"units": 128, "activation": "relu"}]))]
pub struct Dense {
    /// How many units: the features of the output.
    #[schemars(range(min = 1, max = 1048576))]
    #[schemars(extend("x-known-as" = ["out_features", "hidden_size", "output_size", "output_dim"]))]
    pub units: usize,
    /// The function applied to the output.
    #[serde(default)]
    pub activation: ActivationFunction,
    /// Whether a learned number is added to each unit's output.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["bias"]))]
    pub use_bias: bool,
    /// How the weights start.
    #[serde(default = "glorot_uniform")]
    #[schemars(schema_with = "of_any_shape")]
    pub kernel_initializer: Initializer,
    /// How the biases start.
    #[serde(default = "zeros")]
    #[schemars(schema_with = "of_any_shape")]
    pub bias_initializer: Initializer,
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

impl LayerDefinition for Dense {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        match input {
            [around @ .., _] if around.len() < 2 => Ok([around, &[self.units]].concat()),
            _ => Err(ShapeError::new(
                format!("`dense` takes vectors, `[features]`, and images of {} reach it", display_shape(input)),
                "put `flatten` before it",
            )
            .or(vec![self.units])),
        }
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let shape = vec![self.units as i64, *input.last().unwrap_or(&0) as i64];
        Parameter::new("kernel", shape, self.kernel_initializer)
            .held(self.kernel_regularizer, &self.kernel_constraint)
            .trainable(self.trainable)
            .with_bias(self.units as i64, self.use_bias.then_some(self.bias_initializer))
    }

    fn flops(&self, input: &[usize], output: &[usize]) -> u64 {
        let features = input.last().map_or(0, |&features| features as u64);
        elements(output).saturating_mul(features.saturating_mul(2).saturating_add(self.use_bias.into()))
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        self.activation.behind(Product { weights: Affine::of(build.parameters), precision: build.precision })
    }

    fn is_linear(&self) -> bool {
        self.activation == ActivationFunction::Linear
    }

    fn activation(&self) -> ActivationFunction {
        self.activation
    }
}

/// A dense layer with its bias.
pub struct Product {
    /// Its kernel, OI, and bias.
    pub weights: Affine,
    pub(super) precision: Precision,
}

impl Product {
    /// The same with other weights.
    pub fn with(&self, weights: Affine) -> Self {
        Product { weights, precision: self.precision }
    }
}

impl Forward for Product {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let (x, Affine { kernel, bias }) = (self.precision.factor(x)?, self.weights.factors(self.precision)?);
        x.f_linear(&kernel, bias.as_ref())
    }

    fn operator(&self) -> Operator<'_> {
        Operator::Product(self)
    }
}
