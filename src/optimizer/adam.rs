//! Adam (Kingma and Ba, 2015), with Keras' defaults and Keras' place for epsilon.
//!
//! ```text
//! m = beta_1 * m + (1 - beta_1) * g
//! v = beta_2 * v + (1 - beta_2) * g^2
//! w = w - learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)
//! ```

use super::{Optimizer, OptimizerDefinition};
use crate::device::FusedAdam;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// Adam: steps scaled by running means of the gradient and of its square.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "learning_rate", "examples" = [{}, {"learning_rate": 0.0003}]))]
pub struct Adam {
    /// The size of the steps.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100))]
    #[schemars(extend("x-known-as" = ["lr", "alpha"]))]
    pub learning_rate: f64,
    /// How slowly the mean of the gradient changes.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    #[schemars(extend("x-known-as" = ["betas", "beta1"]))]
    pub beta_1: f64,
    /// How slowly the mean of its square changes.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub beta_2: f64,
    /// A small number that keeps the division sound.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    #[schemars(extend("x-known-as" = ["eps"]))]
    pub epsilon: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Adam { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

impl OptimizerDefinition for Adam {
    fn initial_learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// A step changes each parameter by about the rate: more than 0.1 overthrows Glorot's initial weights.
    fn bearable_learning_rates(&self) -> (f64, f64) {
        (1e-7, 0.1)
    }

    fn numbers_per_parameter(&self) -> u64 {
        2
    }

    fn start(&self, parameters: Vec<Tensor>) -> Box<dyn Optimizer> {
        let zeros = || parameters.iter().map(|p| p.detach().zeros_like()).collect();
        Box::new(Running {
            arguments: self.clone(),
            first_moments: zeros(),
            second_moments: zeros(),
            steps: parameters.iter().map(|p| Tensor::zeros([], (Kind::Float, p.device()))).collect(),
            step: 0,
            parameters,
        })
    }
}

struct Running {
    arguments: Adam,
    parameters: Vec<Tensor>,
    first_moments: Vec<Tensor>,
    second_moments: Vec<Tensor>,
    steps: Vec<Tensor>,
    step: u64,
}

impl Optimizer for Running {
    fn step(&mut self) -> Result<(), TchError> {
        let Adam { learning_rate, beta_1, beta_2, epsilon } = self.arguments;
        self.step += 1;
        for count in &mut self.steps {
            let _ = count.f_fill_(self.step as f64)?;
        }
        let gradients: Vec<Tensor> = self.parameters.iter().map(Tensor::f_grad).collect::<Result<_, _>>()?;
        // libtorch adds epsilon to sqrt(v / (1 - beta_2^t)), Keras to sqrt(v).
        let correction = (1.0 - beta_2.powf(self.step as f64)).sqrt();
        FusedAdam {
            parameters: &self.parameters,
            gradients: &gradients,
            first_moments: &self.first_moments,
            second_moments: &self.second_moments,
            steps: &self.steps,
        }
        .step(learning_rate, beta_1, beta_2, epsilon / correction)
    }

    fn learning_rate(&self) -> f64 {
        self.arguments.learning_rate
    }

    fn slots(&self) -> Vec<(&'static str, &[Tensor])> {
        vec![("first_moment", &self.first_moments), ("second_moment", &self.second_moments)]
    }

    fn go_on_after(&mut self, steps: u64) {
        self.step = steps;
    }
}
