//! Adam's moments of some parameters, and its step on them, which Adam, AdamW and Muon share.

use super::{Optimizer, Parameter, Slot};
use crate::device::FusedAdam;
use tch::{Kind, TchError, Tensor};

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
            group.steps.push(Tensor::zeros([], (Kind::Float, tensor.device())));
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
            for count in &mut group.steps {
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
