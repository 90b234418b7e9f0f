//! Adam's moments of some parameters, and its step on them; Adam, AdamW and Muon share it.

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

/// [`Adaptive`] as an optimizer of its own; Adam's decay is 0.
pub(super) struct Decaying {
    pub adaptive: Adaptive,
    pub weight_decay: f64,
}

impl Optimizer for Decaying {
    fn step(&mut self, learning_rate: f64) -> Result<(), TchError> {
        self.adaptive.decay(learning_rate, self.weight_decay)?;
        self.adaptive.step(learning_rate)
    }

    fn slots(&self) -> Vec<Slot<'_>> {
        self.adaptive.slots().collect()
    }

    fn go_on_after(&mut self, steps: u64) {
        self.adaptive.go_on_after(steps);
    }
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

    /// Draws the parameters towards 0, by the share `decay` of a step.
    pub fn decay(&self, learning_rate: f64, decay: f64) -> Result<(), TchError> {
        for group in &self.groups {
            let share = learning_rate * group.factor * decay;
            tch::no_grad(|| group.parameters.iter().try_for_each(|parameter| super::shrink(parameter, share)))?;
        }
        Ok(())
    }

    pub fn step(&mut self, learning_rate: f64) -> Result<(), TchError> {
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

    pub fn slots(&self) -> impl Iterator<Item = Slot<'_>> {
        self.groups.iter().flat_map(|group| {
            let moments = group.places.iter().zip(group.first_moments.iter().zip(&group.second_moments));
            moments.flat_map(|(&parameter, (first, second))| {
                let slot = |name, values| Slot { parameter, name, values };
                [slot("first_moment", first), slot("second_moment", second)]
            })
        })
    }

    pub fn go_on_after(&mut self, steps: u64) {
        self.step = steps;
    }
}
