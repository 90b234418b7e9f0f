//! Lion (Chen et al., 2023), as Keras has it: all numbers move by the rate, and only the direction is learned.
//!
//! ```text
//! w = w - learning_rate * sign(beta_1 * m + (1 - beta_1) * g)
//! m = beta_2 * m + (1 - beta_2) * g
//! ```

use super::{Optimizer, OptimizerDefinition, Parameter, Slot, update::optimizer};
use crate::schedule::LearningRate;
use tch::{TchError, Tensor};

optimizer! {
    /// Steps of one size in the direction of a momentum; it wants smaller rates than Adam, and more decay.
    #[schemars(extend("x-bare" = "learning_rate", "examples" = [{}, {"learning_rate": 0.0001, "weight_decay": 0.1}]))]
    pub struct Lion(weight_decay: 0.0) {
        /// The size of the steps: a number, or a schedule.
        #[schemars(extend("x-known-as" = ["lr"]))]
        pub learning_rate: LearningRate = LearningRate::Constant(0.001),
        /// How much the momentum counts beside the gradient in the direction of a step.
        #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
        #[schemars(extend("x-known-as" = ["betas", "beta1"]))]
        pub beta_1: f64 = 0.9,
        /// How slowly the momentum changes.
        #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
        pub beta_2: f64 = 0.99,
    }
}

impl OptimizerDefinition for Lion {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    /// A step changes each number by the rate.
    fn bearable_learning_rates(&self) -> (f64, f64) {
        (1e-7, 0.05)
    }

    fn slots_per_parameter(&self) -> u64 {
        1
    }

    fn start(&self, parameters: Vec<Parameter>) -> Box<dyn Optimizer> {
        let momenta = parameters.iter().map(|parameter| parameter.tensor.detach().zeros_like()).collect();
        Box::new(Running { arguments: self.clone(), parameters, momenta })
    }
}

struct Running {
    arguments: Lion,
    parameters: Vec<Parameter>,
    /// One a parameter.
    momenta: Vec<Tensor>,
}

impl Optimizer for Running {
    fn step(&mut self, learning_rate: f64) -> Result<(), TchError> {
        let Lion { beta_1, beta_2, .. } = self.arguments;
        tch::no_grad(|| {
            for (Parameter { tensor, factor, .. }, momentum) in self.parameters.iter().zip(&mut self.momenta) {
                let gradient = tensor.f_grad()?;
                let mut direction = momentum.f_mul_scalar(beta_1)?.f_add_(&gradient.f_mul_scalar(1.0 - beta_1)?)?;
                let _ = tensor.shallow_clone().f_sub_(&direction.f_sign_()?.f_mul_scalar_(learning_rate * factor)?)?;
                let _ = momentum.f_mul_scalar_(beta_2)?.f_add_(&gradient.f_mul_scalar(1.0 - beta_2)?)?;
            }
            Ok(())
        })
    }

    fn slots(&self) -> Vec<Slot<'_>> {
        let slot = |(parameter, values)| Slot { parameter, name: "momentum", values };
        self.momenta.iter().enumerate().map(slot).collect()
    }

    fn go_on_after(&mut self, _: u64) {}
}
