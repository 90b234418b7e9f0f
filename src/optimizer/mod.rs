//! How gradients become changes of the parameters: Keras' optimizers on plain tensors, one file each.

use crate::family;
use tch::{TchError, Tensor};

/// An optimizer at work.
pub trait Optimizer {
    /// Changes the parameters by their gradients.
    ///
    /// # Errors
    /// What libtorch reports.
    fn step(&mut self) -> Result<(), TchError>;

    /// The rate of the next step.
    fn learning_rate(&self) -> f64;

    /// What it remembers of the parameters: under each name a tensor for every one of them, in their order. Written into, it
    /// is what the optimizer goes on with.
    fn slots(&self) -> Vec<(&'static str, &[Tensor])>;

    /// Goes on as after so many steps.
    fn go_on_after(&mut self, steps: u64);
}

/// What all optimizers share.
pub trait OptimizerDefinition {
    /// The rate that it begins with.
    fn initial_learning_rate(&self) -> f64;

    /// The least and the largest rate with which it usually makes progress.
    fn bearable_learning_rates(&self) -> (f64, f64);

    /// How many numbers it remembers of each parameter.
    fn numbers_per_parameter(&self) -> u64;

    /// Starts to work on `parameters`.
    fn start(&self, parameters: Vec<Tensor>) -> Box<dyn Optimizer>;
}

family! {
    /// How gradients become changes of the parameters.
    pub enum OptimizerChoice("optimizer"): OptimizerDefinition {
        adam::Adam,
    }
}

impl Default for OptimizerChoice {
    fn default() -> Self {
        OptimizerChoice::Adam(Adam::default())
    }
}
