//! How gradients become changes of the parameters: Keras' optimizers on plain tensors, one file each.

mod adaptive;
mod orthogonal;
mod parameter_group;
mod pattern;
mod update;

pub use parameter_group::{ParameterGroup, factor};
pub use pattern::LayerPattern;
pub use update::{Lookahead, Update, UpdateArguments, Updates, norm};

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
pub trait OptimizerDefinition: Updates {
    /// The size of the steps.
    fn learning_rate(&self) -> &LearningRate;

    /// The least and the largest rate with which it usually makes progress.
    fn bearable_learning_rates(&self) -> (f64, f64);

    /// How many numbers its rule remembers of each parameter, at most.
    fn slots_per_parameter(&self) -> u64;

    /// The patterns of layers that it treats otherwise, with the arguments that name them.
    fn patterns(&self) -> Vec<(&'static str, Vec<LayerPattern>)> {
        vec![excluded(self)]
    }

    /// The weight decay of a parameter that isn't excluded from it.
    fn weight_decay_of(&self, _parameter: &Parameter) -> f64 {
        self.update_arguments().weight_decay
    }

    /// Starts its rule on `parameters`; [`Update`] does what stands around it.
    fn start(&self, parameters: Vec<Parameter>) -> Box<dyn Optimizer>;
}

family! {
    /// How gradients become changes of the parameters.
    pub enum OptimizerChoice("optimizer"): OptimizerDefinition {
        adam::Adam,
        adamw::Adamw,
        sgd::Sgd,
        rmsprop::Rmsprop,
        adagrad::Adagrad,
        lion::Lion,
        muon::Muon,
    }
}

impl Default for OptimizerChoice {
    fn default() -> Self {
        OptimizerChoice::Adam(Adam::default())
    }
}

/// What doesn't decay.
fn excluded<O: Updates + ?Sized>(optimizer: &O) -> (&'static str, Vec<LayerPattern>) {
    ("exclude_from_weight_decay", optimizer.update_arguments().exclude_from_weight_decay)
}

impl OptimizerChoice {
    /// How many numbers it remembers of each parameter, at most.
    pub fn numbers_per_parameter(&self) -> u64 {
        self.slots_per_parameter() + self.update_arguments().numbers_per_parameter()
    }
}
