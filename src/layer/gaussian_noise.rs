//! `y = x + stddev * n` in training, with `n` standard normal; in inference nothing happens. As Keras' `GaussianNoise`.

use super::{Build, Forward, LayerDefinition, Operator, Pass, ShapeError, as_computed, as_stored, draws, elements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

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
        // Drawn as the images lie in memory. Bytes become numbers first.
        let x = if x.kind() == Kind::Uint8 { x.f_to_kind(Kind::Float)? } else { x.shallow_clone() };
        let size = as_stored(&x.f_detach()?)?.size();
        let noise = draws::for_examples(&size, &self.name, pass, &x, |stream| (stream.normal() * self.stddev) as f32)?;
        x.f_add(&as_computed(&noise)?)
    }

    fn operator(&self) -> Operator<'_> {
        Operator::Disturbance
    }
}
