//! `y = x + stddev * n` in training, with `n` standard normal; in inference nothing happens. As Keras' `GaussianNoise`.

use super::{Build, Forward, LayerDefinition, Operator, Pass, ShapeError, draws, elements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Adds normally distributed noise while training, so that nothing hangs on exact values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "stddev", "examples" = [{"stddev": 0.1}]))]
pub struct GaussianNoise {
    /// The standard deviation of the noise.
    #[schemars(range(min = 0, max = 1000000), extend("x-known-as" = ["std", "sigma"]))]
    pub stddev: f64,
}

impl LayerDefinition for GaussianNoise {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        Ok(input.to_vec())
    }

    fn flops(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output)
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        vec![Box::new(Noise { stddev: self.stddev, name: build.name.to_owned() })]
    }
}

struct Noise {
    stddev: f64,
    name: String,
}

impl Forward for Noise {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor, TchError> {
        if !pass.training || self.stddev == 0.0 {
            return Ok(x.shallow_clone());
        }
        let x = draws::numbers(x)?;
        x.f_add(&draws::normal(&x, &self.name, pass, 0.0, self.stddev)?)
    }

    fn operator(&self) -> Operator<'_> {
        Operator::Disturbance
    }
}
