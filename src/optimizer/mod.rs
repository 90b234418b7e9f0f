//! How gradients become changes of the parameters: Keras' optimizers on plain tensors, one file each.

mod adaptive;
mod orthogonal;
mod parameter_group;
mod pattern;

pub use parameter_group::{ParameterGroup, factor};
pub use pattern::LayerPattern;

use crate::{family, schedule::LearningRate};
use tch::{TchError, Tensor};

/// What an optimizer changes.
#[derive(Debug)]
pub struct Parameter {
    /// Its unique name: `conv2d_1.kernel`.
    pub name: String,
    /// Its values and, once they are computed, its gradient.
    pub tensor: Tensor,
    /// What its learning rate is multiplied by.
    pub factor: f64,
}

/// Something that an optimizer remembers of a parameter.
pub struct Slot<'a> {
    /// The parameter's place in the list that the optimizer was started with.
    pub parameter: usize,
    /// What it is: `first_moment`.
    pub name: &'static str,
    /// The values. Written into, they are what the optimizer goes on with.
    pub values: &'a Tensor,
}

/// An optimizer at work.
pub trait Optimizer {
    /// Changes the parameters by their gradients.
    ///
    /// # Errors
    /// What libtorch reports.
    fn step(&mut self, learning_rate: f64) -> Result<(), TchError>;

    /// What it remembers of the parameters.
    fn slots(&self) -> Vec<Slot<'_>>;

    /// Goes on as after so many steps.
    fn go_on_after(&mut self, steps: u64);
}

/// What all optimizers share.
pub trait OptimizerDefinition {
    /// The size of the steps.
    fn learning_rate(&self) -> &LearningRate;

    /// The least and the largest rate with which it usually makes progress.
    fn bearable_learning_rates(&self) -> (f64, f64);

    /// How many numbers it remembers of each parameter, at most.
    fn numbers_per_parameter(&self) -> u64;

    /// The patterns of layers that it treats otherwise, with the argument that names them.
    fn patterns(&self) -> Option<(&'static str, &[LayerPattern])> {
        None
    }

    /// Starts to work on `parameters`.
    fn start(&self, parameters: Vec<Parameter>) -> Box<dyn Optimizer>;
}

family! {
    /// How gradients become changes of the parameters.
    pub enum OptimizerChoice("optimizer"): OptimizerDefinition {
        adam::Adam,
        adamw::Adamw,
        sgd::Sgd,
        muon::Muon,
    }
}

impl Default for OptimizerChoice {
    fn default() -> Self {
        OptimizerChoice::Adam(Adam::default())
    }
}

/// Draws `tensor` towards 0 by a share of it.
fn shrink(tensor: &Tensor, share: f64) -> Result<(), TchError> {
    if share != 0.0 {
        let _ = tensor.shallow_clone().f_mul_scalar_(1.0 - share)?;
    }
    Ok(())
}
