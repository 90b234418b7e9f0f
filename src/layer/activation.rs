//! An activation function as a layer of its own.

use super::{ActivationFunction, Build, Forward, LayerDefinition, Pass, ShapeError, activation_function::leaky_relu, elements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Applies a function to every value; the same as the `activation` argument of the layer before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "function", "examples" = [{"function": "relu"}, {"function": "leaky_relu", "negative_slope": 0.1}]))]
pub struct Activation {
    /// Which function.
    pub function: ActivationFunction,
    /// Of `leaky_relu`: what negative values are multiplied by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 0, max = 1000), extend("x-default" = "0.2"))]
    pub negative_slope: Option<f64>,
}

impl LayerDefinition for Activation {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        if self.negative_slope.is_some() && self.function != ActivationFunction::LeakyRelu {
            let message = format!("`{}` has no `negative_slope`", self.function.name());
            return Err(ShapeError::new(message, "only `leaky_relu` has one").or(input.to_vec()));
        }
        Ok(input.to_vec())
    }

    fn flops(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output)
    }

    fn build(&self, _: Build<'_>) -> Vec<Box<dyn Forward>> {
        match self.negative_slope {
            Some(slope) => vec![Box::new(LeakyRelu { slope })],
            None => self.function.operation().into_iter().collect(),
        }
    }

    fn activation(&self) -> ActivationFunction {
        self.function
    }
}

/// `leaky_relu` with a slope of its own.
struct LeakyRelu {
    slope: f64,
}

impl Forward for LeakyRelu {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        leaky_relu(x, self.slope)
    }
}
