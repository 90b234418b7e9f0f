//! Gaussian dropout (Srivastava et al., 2014), as Keras' `GaussianDropout`: in training each value is multiplied by a normal number
//! of mean 1 and variance `rate / (1 - rate)`, which is that of dropout's factors; in inference nothing happens.

use super::{Build, FLOAT_BYTES, Forward, LayerDefinition, Operator, Pass, ShapeError, draws, elements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Multiplies values by random numbers around 1 while training: dropout without zeros.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "rate", "examples" = [{"rate": 0.2}]))]
pub struct GaussianDropout {
    /// The rate of the dropout that it varies as much as, from 0 to below 1.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    #[schemars(extend("x-known-as" = ["p", "prob", "probability"]))]
    pub rate: f64,
}

impl LayerDefinition for GaussianDropout {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        Ok(input.to_vec())
    }

    fn flops(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output)
    }

    /// Besides the output, the factors.
    fn activation_bytes(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output).saturating_mul(2 * FLOAT_BYTES)
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let deviation = (self.rate / (1.0 - self.rate)).sqrt();
        vec![Box::new(Factors { deviation, name: build.name.to_owned() })]
    }
}

struct Factors {
    deviation: f64,
    name: String,
}

impl Forward for Factors {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor, TchError> {
        if !pass.training || self.deviation == 0.0 {
            return Ok(x.shallow_clone());
        }
        let x = draws::numbers(x)?;
        x.f_mul(&draws::normal(&x, &self.name, pass, 1.0, self.deviation)?)
    }

    fn operator(&self) -> Operator<'_> {
        Operator::Disturbance
    }
}
