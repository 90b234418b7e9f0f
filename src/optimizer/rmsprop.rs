//! RMSprop (Hinton, 2012), as Keras has it: epsilon stands under the root.
//!
//! ```text
//! v = rho * v + (1 - rho) * g^2
//! a = rho * a + (1 - rho) * g                           (centered: v - a^2 takes the place of v below)
//! step = learning_rate * g / sqrt(v + epsilon)
//! m = momentum * m + step                               (momentum: m takes the place of the step)
//! w = w - step
//! ```

use super::{Optimizer, OptimizerDefinition, Parameter, Slot, update::optimizer};
use crate::schedule::LearningRate;
use tch::{TchError, Tensor};

optimizer! {
    /// Steps scaled by a running mean of the gradient's square.
    #[schemars(extend("x-bare" = "learning_rate", "examples" = [{}, {"learning_rate": 0.0005, "momentum": 0.9, "centered": true}]))]
    pub struct Rmsprop(weight_decay: 0.0) {
        /// The size of the steps: a number, or a schedule.
        #[schemars(extend("x-known-as" = ["lr"]))]
        pub learning_rate: LearningRate = LearningRate::Constant(0.001),
        /// How slowly the mean of the gradient's square changes.
        #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
        #[schemars(extend("x-known-as" = ["alpha", "decay"]))]
        pub rho: f64 = 0.9,
        /// How much of the last steps stays in each step.
        #[schemars(range(min = 0, max = 1))]
        pub momentum: f64 = 0.0,
        /// A small number that keeps the division sound.
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
        #[schemars(extend("x-known-as" = ["eps"]))]
        pub epsilon: f64 = 1e-7,
        /// Whether steps are scaled by the gradient's variance, so that the square of its mean doesn't count.
        pub centered: bool = false,
    }
}

impl OptimizerDefinition for Rmsprop {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn bearable_learning_rates(&self) -> (f64, f64) {
        (1e-7, 0.1)
    }

    fn slots_per_parameter(&self) -> u64 {
        1 + u64::from(self.centered) + u64::from(self.momentum > 0.0)
    }

    fn start(&self, parameters: Vec<Parameter>) -> Box<dyn Optimizer> {
        let scaled = |Parameter { tensor, factor, .. }| {
            let zeros = |wanted: bool| wanted.then(|| Tensor::zeros_like(&Tensor::detach(&tensor)));
            Scaled {
                square: tensor.detach().zeros_like(),
                mean: zeros(self.centered),
                momentum: zeros(self.momentum > 0.0),
                factor,
                tensor,
            }
        };
        Box::new(Running { arguments: self.clone(), parameters: parameters.into_iter().map(scaled).collect() })
    }
}

/// A parameter with what is remembered of it.
struct Scaled {
    tensor: Tensor,
    factor: f64,
    square: Tensor,
    mean: Option<Tensor>,
    momentum: Option<Tensor>,
}

impl Scaled {
    fn step(&mut self, arguments: &Rmsprop, learning_rate: f64) -> Result<(), TchError> {
        let Rmsprop { rho, momentum, epsilon, .. } = *arguments;
        let gradient = self.tensor.f_grad()?;
        let square = gradient.f_square()?.f_mul_scalar_(1.0 - rho)?;
        let _ = self.square.f_mul_scalar_(rho)?.f_add_(&square)?;
        let scale = match &mut self.mean {
            Some(mean) => {
                let _ = mean.f_mul_scalar_(rho)?.f_add_(&gradient.f_mul_scalar(1.0 - rho)?)?;
                self.square.f_sub(&mean.f_square()?)?
            }
            None => self.square.shallow_clone(),
        };
        let mut step = gradient.f_mul_scalar(learning_rate * self.factor)?;
        step = step.f_div_(&scale.f_add_scalar(epsilon)?.f_sqrt_()?)?;
        if let Some(velocity) = &mut self.momentum {
            step = velocity.f_mul_scalar_(momentum)?.f_add_(&step)?;
        }
        let _ = self.tensor.shallow_clone().f_sub_(&step)?;
        Ok(())
    }
}

struct Running {
    arguments: Rmsprop,
    parameters: Vec<Scaled>,
}

impl Optimizer for Running {
    fn step(&mut self, learning_rate: f64) -> Result<(), TchError> {
        let arguments = &self.arguments;
        tch::no_grad(|| self.parameters.iter_mut().try_for_each(|parameter| parameter.step(arguments, learning_rate)))
    }

    fn slots(&self) -> Vec<Slot<'_>> {
        let mut slots = Vec::new();
        for (parameter, scaled) in self.parameters.iter().enumerate() {
            let own = [("velocity", Some(&scaled.square)), ("average_gradient", scaled.mean.as_ref())];
            let own = own.into_iter().chain([("momentum", scaled.momentum.as_ref())]);
            slots.extend(own.filter_map(|(name, values)| Some(Slot { parameter, name, values: values? })));
        }
        slots
    }

    fn go_on_after(&mut self, _: u64) {}
}
