//! Adam's moments of some parameters, and its step on them, which Adam, AdamW and Muon share; and what Adam and AdamW are.

use super::{Optimizer, Parameter, Slot};
use crate::device::FusedAdam;
use tch::{Kind, TchError, Tensor};

/// Adam with a weight decay by default: its struct and what it does. In the brackets that default.
macro_rules! adam {
    ($(#[$of_struct:meta])* pub struct $Name:ident(weight_decay: $decay:expr)) => {
        $crate::optimizer::update::optimizer! {
            $(#[$of_struct])*
            pub struct $Name(weight_decay: $decay) {
                /// The size of the steps: a number, or a schedule.
                #[schemars(extend("x-known-as" = ["lr", "alpha"]))]
                pub learning_rate: $crate::schedule::LearningRate = $crate::schedule::LearningRate::Constant(0.001),
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

        impl $crate::optimizer::OptimizerDefinition for $Name {
            fn learning_rate(&self) -> &$crate::schedule::LearningRate {
                &self.learning_rate
            }

            /// A step changes each parameter by about the rate: more than 0.1 overthrows Glorot's initial weights.
            fn bearable_learning_rates(&self) -> (f64, f64) {
                (1e-7, 0.1)
            }

            fn slots_per_parameter(&self) -> u64 {
                2
            }

            fn start(&self, parameters: Vec<$crate::optimizer::Parameter>) -> Box<dyn $crate::optimizer::Optimizer> {
                let parameters = parameters.into_iter().enumerate().collect();
                Box::new($crate::optimizer::adaptive::Adaptive::new(parameters, self.beta_1, self.beta_2, self.epsilon))
            }
        }
    };
}
pub(super) use adam;

/// Adam at work on parameters that stand at some places of the optimizer's list.
pub(super) struct Adaptive {
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    groups: Vec<Group>,
    step: u64,
}

/// Parameters with the same rate: one call takes them all.
#[derive(Default)]
struct Group {
    factor: f64,
    places: Vec<usize>,
    parameters: Vec<Tensor>,
    first_moments: Vec<Tensor>,
    second_moments: Vec<Tensor>,
    /// How many steps were made: the same scalar for each parameter.
    steps: Vec<Tensor>,
}

impl Adaptive {
    pub fn new(parameters: Vec<(usize, Parameter)>, beta_1: f64, beta_2: f64, epsilon: f64) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (place, Parameter { tensor, factor, .. }) in parameters {
            let at = groups.iter().position(|group| group.factor == factor).unwrap_or_else(|| {
                groups.push(Group { factor, ..Group::default() });
                groups.len() - 1
            });
            let group = &mut groups[at];
            group.places.push(place);
            group.first_moments.push(tensor.detach().zeros_like());
            group.second_moments.push(tensor.detach().zeros_like());
            let first = group.steps.first().map(Tensor::shallow_clone);
            group.steps.push(first.unwrap_or_else(|| Tensor::zeros([], (Kind::Float, tensor.device()))));
            group.parameters.push(tensor);
        }
        Adaptive { beta_1, beta_2, epsilon, groups, step: 0 }
    }
}

impl Optimizer for Adaptive {
    fn step(&mut self, learning_rate: f64) -> Result<(), TchError> {
        self.step += 1;
        // libtorch adds epsilon to sqrt(v / (1 - beta_2^t)), Keras to sqrt(v).
        let correction = (1.0 - self.beta_2.powf(self.step as f64)).sqrt();
        for group in &mut self.groups {
            if let Some(count) = group.steps.first_mut() {
                let _ = count.f_fill_(self.step as f64)?;
            }
            let gradients: Vec<Tensor> = group.parameters.iter().map(Tensor::f_grad).collect::<Result<_, _>>()?;
            FusedAdam {
                parameters: &group.parameters,
                gradients: &gradients,
                first_moments: &group.first_moments,
                second_moments: &group.second_moments,
                steps: &group.steps,
            }
            .step(learning_rate * group.factor, self.beta_1, self.beta_2, self.epsilon / correction)?;
        }
        Ok(())
    }

    fn slots(&self) -> Vec<Slot<'_>> {
        let mut slots = Vec::new();
        for group in &self.groups {
            let moments = group.places.iter().zip(group.first_moments.iter().zip(&group.second_moments));
            for (&parameter, (first, second)) in moments {
                let slot = |name, values| Slot { parameter, name, values };
                slots.extend([slot("first_moment", first), slot("second_moment", second)]);
            }
        }
        slots
    }

    fn go_on_after(&mut self, steps: u64) {
        self.step = steps;
    }
}
