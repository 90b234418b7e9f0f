//! Stochastic gradient descent, with Keras' momentum: the rate scales the gradient before the velocity takes it up.
//!
//! ```text
//! velocity = momentum * velocity - learning_rate * g
//! w = w + velocity                                      (nesterov: w + momentum * velocity - learning_rate * g)
//! ```

use super::{Optimizer, OptimizerDefinition, Parameter, Slot, update::optimizer};
use crate::schedule::LearningRate;
use tch::{TchError, Tensor};

optimizer! {
    /// Steps along the gradient, with momentum if wanted.
    #[schemars(extend("x-bare" = "learning_rate", "examples" = [{}, {"learning_rate": 0.1, "momentum": 0.9, "nesterov": true}]))]
    pub struct Sgd(weight_decay: 0.0) {
        /// The size of the steps: a number, or a schedule.
        #[schemars(extend("x-known-as" = ["lr"]))]
        pub learning_rate: LearningRate = LearningRate::Constant(0.01),
        /// How much of the velocity stays at each step.
        #[schemars(range(min = 0, max = 1))]
        pub momentum: f64 = 0.0,
        /// Whether the step looks ahead along the velocity (Nesterov, 1983).
        pub nesterov: bool = false,
    }
}

impl OptimizerDefinition for Sgd {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn bearable_learning_rates(&self) -> (f64, f64) {
        (1e-6, 10.0)
    }

    fn slots_per_parameter(&self) -> u64 {
        u64::from(self.momentum != 0.0)
    }

    fn start(&self, parameters: Vec<Parameter>) -> Box<dyn Optimizer> {
        let velocity = |parameter: &Parameter| (self.momentum != 0.0).then(|| parameter.tensor.detach().zeros_like());
        let velocities = parameters.iter().filter_map(velocity).collect();
        Box::new(Running { arguments: self.clone(), parameters, velocities })
    }
}

struct Running {
    arguments: Sgd,
    parameters: Vec<Parameter>,
    /// One a parameter, or none at all.
    velocities: Vec<Tensor>,
}

impl Optimizer for Running {
    fn step(&mut self, learning_rate: f64) -> Result<(), TchError> {
        let Sgd { momentum, nesterov, .. } = self.arguments;
        tch::no_grad(|| {
            for (place, Parameter { tensor, factor, .. }) in self.parameters.iter().enumerate() {
                let mut step = tensor.f_grad()?.f_mul_scalar(-learning_rate * factor)?;
                if let Some(velocity) = self.velocities.get_mut(place) {
                    let _ = velocity.f_mul_scalar_(momentum)?.f_add_(&step)?;
                    step = match nesterov {
                        true => step.f_add_(&velocity.f_mul_scalar(momentum)?)?,
                        false => velocity.shallow_clone(),
                    };
                }
                let _ = tensor.shallow_clone().f_add_(&step)?;
            }
            Ok(())
        })
    }

    fn slots(&self) -> Vec<Slot<'_>> {
        let slot = |(parameter, values)| Slot { parameter, name: "velocity", values };
        self.velocities.iter().enumerate().map(slot).collect()
    }

    fn go_on_after(&mut self, _: u64) {}
}
