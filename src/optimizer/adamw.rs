//! Adam with decoupled weight decay (Loshchilov and Hutter, 2019), with Keras' defaults.
//!
//! ```text
//! w = w - learning_rate * weight_decay * w
//! ```
//!
//! and then Adam's step. As in Keras, biases and the learned numbers of batch normalization decay, too.

use super::{
    Optimizer, OptimizerDefinition, Parameter,
    adaptive::{Adaptive, Decaying},
};
use crate::schedule::LearningRate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adam, with parameters that are drawn towards 0 besides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "learning_rate", "examples" = [{}, {"learning_rate": {"cosine_decay": {"initial_learning_rate": 0.001}}, "weight_decay": 0.01}]))]
pub struct Adamw {
    /// The size of the steps: a number, or a schedule.
    #[schemars(extend("x-known-as" = ["lr", "alpha"]))]
    pub learning_rate: LearningRate,
    /// By what share of a step the parameters are drawn towards 0.
    #[schemars(range(min = 0, max = 1000))]
    pub weight_decay: f64,
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

impl Default for Adamw {
    fn default() -> Self {
        Adamw {
            learning_rate: LearningRate::Constant(0.001),
            weight_decay: 0.004,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-7,
        }
    }
}

impl OptimizerDefinition for Adamw {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn bearable_learning_rates(&self) -> (f64, f64) {
        (1e-7, 0.1)
    }

    fn numbers_per_parameter(&self) -> u64 {
        2
    }

    fn start(&self, parameters: Vec<Parameter>) -> Box<dyn Optimizer> {
        let parameters = parameters.into_iter().enumerate().collect();
        let adaptive = Adaptive::new(parameters, self.beta_1, self.beta_2, self.epsilon);
        Box::new(Decaying { adaptive, weight_decay: self.weight_decay })
    }
}
