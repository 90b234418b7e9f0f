//! Stochastic depth (Huang et al., 2016), also called drop path: in training, all of an example is zero with probability `rate`,
//! and the others are divided by `1 - rate`; in inference nothing happens.
//!
//! At the end of the `layers` of a `residual` it leaves only the way around them.

use super::{Build, Forward, LayerDefinition, Operator, Pass, ShapeError, draws, elements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Leaves out a branch for random examples while training: it stands at the end of the `layers` of a `residual`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["DropPath", "drop_connect"], "x-bare" = "rate", "examples" = [{"rate": 0.1}]))]
pub struct StochasticDepth {
    /// The share of examples that the branch is left out for, from 0 to below 1.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    #[schemars(extend("x-known-as" = ["p", "drop_prob", "survival_probability"]))]
    pub rate: f64,
}

impl LayerDefinition for StochasticDepth {
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
        vec![Box::new(Examples { rate: self.rate, name: build.name.to_owned() })]
    }
}

/// The mask over examples.
struct Examples {
    rate: f64,
    name: String,
}

impl Forward for Examples {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor, TchError> {
        if !pass.training || self.rate == 0.0 {
            return Ok(x.shallow_clone());
        }
        let mut size = vec![1; x.dim()];
        size[0] = x.size()[0];
        x.f_mul(&draws::for_examples(&size, &self.name, pass, x, draws::kept(self.rate))?)
    }

    fn operator(&self) -> Operator<'_> {
        Operator::Disturbance
    }
}
