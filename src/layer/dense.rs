//! `y = activation(kernel x + bias)`, as Keras' `Dense` on vectors: `[features]` becomes `[units]`.

use super::conv2d::{glorot_uniform, yes, zeros};
use super::{
    ActivationFunction, Affine, Build, Forward, Initializer, LayerDefinition, Operator, Parameter, Pass, Precision,
    ShapeError, display_shape, initializer::of_any_shape,
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
    /// Whether training changes the layer.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
}

impl LayerDefinition for Dense {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        match input {
            [_] => Ok(vec![self.units]),
            _ => Err(ShapeError::new(
                format!("`dense` takes vectors, `[features]`, and images of {} reach it", display_shape(input)),
                "put `flatten` before it",
            )
            .or(vec![self.units])),
        }
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let shape = vec![self.units as i64, input[0] as i64];
        let kernel = Parameter { name: "kernel", shape, initializer: self.kernel_initializer, trainable: self.trainable };
        let bias = Parameter { name: "bias", shape: vec![self.units as i64], initializer: self.bias_initializer, trainable: self.trainable };
        if self.use_bias { vec![kernel, bias] } else { vec![kernel] }
    }

    fn flops(&self, input: &[usize], _: &[usize]) -> u64 {
        (self.units as u64).saturating_mul((input[0] as u64).saturating_mul(2).saturating_add(self.use_bias.into()))
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let product = Product { weights: Affine::of(build.parameters), precision: build.precision };
        let mut operations: Vec<Box<dyn Forward>> = vec![Box::new(product)];
        operations.extend(self.activation.operation());
        operations
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
    precision: Precision,
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
