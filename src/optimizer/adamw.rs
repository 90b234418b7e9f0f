//! Adam with decoupled weight decay (Loshchilov and Hutter, 2019), with Keras' defaults: Adam, but that it decays where nothing
//! is said.

use super::{Optimizer, OptimizerDefinition, Parameter, adaptive::Adaptive, update::optimizer};
use crate::schedule::LearningRate;

optimizer! {
    /// Adam, with parameters that are drawn towards 0 besides.
    #[schemars(extend("x-bare" = "learning_rate", "examples" = [{}, {"learning_rate": {"cosine_decay": {"initial_learning_rate": 0.001}}, "weight_decay": 0.01}]))]
    pub struct Adamw(weight_decay: 0.004) {
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

impl OptimizerDefinition for Adamw {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

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
