//! Adagrad (Duchi et al., 2011), as Keras has it.
//!
//! ```text
//! s = s + g^2
//! w = w - learning_rate * g / sqrt(s + epsilon)
//! ```

use super::{Optimizer, OptimizerDefinition, Parameter, Slot, update::optimizer};
use crate::schedule::LearningRate;
use tch::{TchError, Tensor};

optimizer! {
    /// Steps that become smaller where gradients were large so far.
    #[schemars(extend("x-bare" = "learning_rate", "examples" = [{}, {"learning_rate": 0.05}]))]
    pub struct Adagrad(weight_decay: 0.0) {
        /// The size of the steps: a number, or a schedule.
        #[schemars(extend("x-known-as" = ["lr"]))]
        pub learning_rate: LearningRate = LearningRate::Constant(0.001),
        /// What the sums of squares begin with.
        #[schemars(range(min = 0, max = 1000000))]
        pub initial_accumulator_value: f64 = 0.1,
        /// A small number that keeps the division sound.
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
        #[schemars(extend("x-known-as" = ["eps"]))]
        pub epsilon: f64 = 1e-7,
    }
}

impl OptimizerDefinition for Adagrad {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn bearable_learning_rates(&self) -> (f64, f64) {
        (1e-6, 1.0)
    }

    fn slots_per_parameter(&self) -> u64 {
        1
    }

    fn start(&self, parameters: Vec<Parameter>) -> Box<dyn Optimizer> {
        let sum = |parameter: &Parameter| parameter.tensor.detach().full_like(self.initial_accumulator_value);
        let sums = parameters.iter().map(sum).collect();
        Box::new(Running { epsilon: self.epsilon, parameters, sums })
    }
}

struct Running {
    epsilon: f64,
    parameters: Vec<Parameter>,
    /// Of the squares of the gradients so far, one a parameter.
    sums: Vec<Tensor>,
}

impl Optimizer for Running {
    fn step(&mut self, learning_rate: f64) -> Result<(), TchError> {
        tch::no_grad(|| {
            for (Parameter { tensor, factor, .. }, sum) in self.parameters.iter().zip(&mut self.sums) {
                let gradient = tensor.f_grad()?;
                let _ = sum.f_add_(&gradient.f_square()?)?;
                let step = gradient.f_mul_scalar(learning_rate * factor)?;
                let step = step.f_div(&sum.f_add_scalar(self.epsilon)?.f_sqrt_()?)?;
                let _ = tensor.shallow_clone().f_sub_(&step)?;
            }
            Ok(())
        })
    }

    fn slots(&self) -> Vec<Slot<'_>> {
        let slot = |(parameter, values)| Slot { parameter, name: "accumulator", values };
        self.sums.iter().enumerate().map(slot).collect()
    }

    fn go_on_after(&mut self, _: u64) {}
}
