//! Adam (Kingma and Ba, 2015), with Keras' defaults and Keras' place for epsilon.
//!
//! ```text
//! m = beta_1 * m + (1 - beta_1) * g
//! v = beta_2 * v + (1 - beta_2) * g^2
//! w = w - learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)
//! ```

use super::{Optimizer, OptimizerDefinition, Parameter, adaptive::Adaptive, update::optimizer};
use crate::schedule::LearningRate;

optimizer! {
    /// Adam: steps scaled by running means of the gradient and of its square.
    #[schemars(extend("x-bare" = "learning_rate", "examples" = [{}, {"learning_rate": 0.0003}]))]
    pub struct Adam(weight_decay: 0.0) {
        /// The size of the steps: a number, or a schedule.
        #[schemars(extend("x-known-as" = ["lr", "alpha"]))]
        pub learning_rate: LearningRate = LearningRate::Constant(0.001),
        /// How slowly the mean of the gradient changes.
        #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
        #[schemars(extend("x-known-as" = ["betas", "beta1"]))]
        pub beta_1: f64 = 0.9,
        /// How slowly the mean of its square changes.
        #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
        pub beta_2: f64 = 0.999,
        /// A small number that keeps the division sound.
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
        #[schemars(extend("x-known-as" = ["eps"]))]
        pub epsilon: f64 = 1e-7,
    }
}

impl OptimizerDefinition for Adam {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    /// A step changes each parameter by about the rate: more than 0.1 overthrows Glorot's initial weights.
    fn bearable_learning_rates(&self) -> (f64, f64) {
        (1e-7, 0.1)
    }

    fn slots_per_parameter(&self) -> u64 {
        2
    }

    fn start(&self, parameters: Vec<Parameter>) -> Box<dyn Optimizer> {
        let parameters = parameters.into_iter().enumerate().collect();
        Box::new(Adaptive::new(parameters, self.beta_1, self.beta_2, self.epsilon))
    }
}
