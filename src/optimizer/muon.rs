//! Muon (Jordan et al., 2024), as Keras' `Muon`: the momentum of each kernel is made orthogonal before it is a step.
//!
//! ```text
//! m = momentum * m + g
//! u = orthogonal(g + momentum * m)                      (nesterov: false: orthogonal(m))
//! w = w - learning_rate * rms_rate * sqrt(max(rows, columns)) * u
//! ```
//!
//! Keras does so with matrices only. Here a convolution's kernel is a matrix, too, with a row for each filter. What has fewer
//! axes, and the layers in `exclude_layers`, are left to Adam with a decay of its own.

use super::{
    LayerPattern, Optimizer, OptimizerDefinition, Parameter, Slot,
    adaptive::Adaptive,
    excluded,
    orthogonal::{as_kernel, as_matrix, orthogonalize},
    update::optimizer,
};
use crate::schedule::LearningRate;
use tch::{TchError, Tensor};

/// A kernel of zeros has no direction that could be kept.
const SMALLEST_NORM: f64 = 1e-20;

optimizer! {
    /// Steps that change all directions of a kernel equally; Adam for biases and other vectors.
    #[schemars(extend("x-bare" = "learning_rate", "examples" = [{"exclude_layers": ["dense"]}, {"learning_rate": 0.2, "momentum": 0.6, "rms_rate": 0, "keep_norm": true, "weight_decay": 0, "adam_lr_ratio": 0.05, "adam_weight_decay": 0}]))]
    pub struct Muon(weight_decay: 0.004) {
        /// The size of the steps: a number, or a schedule.
        #[schemars(extend("x-known-as" = ["lr"]))]
        pub learning_rate: LearningRate = LearningRate::Constant(0.001),
        /// How slowly Adam's mean of the gradient changes.
        #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
        pub adam_beta_1: f64 = 0.9,
        /// How slowly Adam's mean of its square changes.
        #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
        pub adam_beta_2: f64 = 0.999,
        /// By what share of a step the parameters that Adam changes are drawn towards 0.
        #[schemars(range(min = 0, max = 1000))]
        pub adam_weight_decay: f64 = 0.004,
        /// A small number that keeps Adam's division sound.
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
        pub epsilon: f64 = 1e-7,
        /// Layers that are left to Adam, by name; `*` stands for anything, as in `dense*`. It is advised for the last one.
        #[schemars(extend("examples" = [["dense"]]))]
        pub exclude_layers: Vec<LayerPattern> = Vec::new(),
        /// Adam's rate as a share of `learning_rate`.
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1000000))]
        pub adam_lr_ratio: f64 = 1.0,
        /// How much of the momentum stays at each step.
        #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
        pub momentum: f64 = 0.95,
        /// Steps of the Newton-Schulz iteration that makes the momentum orthogonal.
        #[schemars(range(min = 1, max = 100))]
        pub ns_steps: u32 = 5,
        /// Whether the step looks ahead along the momentum.
        pub nesterov: bool = true,
        /// The size of an orthogonal step, as the root mean square of its numbers, so that rates and decays are like Adam's (Liu et al.,
        /// 2025); with 0 it stays as the iteration gives it.
        #[schemars(range(min = 0, max = 1000))]
        pub rms_rate: f64 = 0.2,
        /// Whether each kernel is brought to the norm `sqrt(filters)` before every step, so that the rate alone says how far a step
        /// turns it. For kernels whose size doesn't matter, for batch normalization follows.
        pub keep_norm: bool = false,
    }
}

impl OptimizerDefinition for Muon {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    /// With `rms_rate` the steps are as large as Adam's; without it, those of a kernel of norm `sqrt(filters)`.
    fn bearable_learning_rates(&self) -> (f64, f64) {
        if self.rms_rate > 0.0 { (1e-6, 0.5) } else { (1e-5, 1.0) }
    }

    fn slots_per_parameter(&self) -> u64 {
        2
    }

    fn patterns(&self) -> Vec<(&'static str, Vec<LayerPattern>)> {
        vec![excluded(self), ("exclude_layers", self.exclude_layers.clone())]
    }

    /// As in Keras, the decay of what Adam changes doesn't heed `adam_lr_ratio`.
    fn weight_decay_of(&self, parameter: &Parameter) -> f64 {
        if self.takes(parameter) { self.weight_decay } else { self.adam_weight_decay }
    }

    fn start(&self, parameters: Vec<Parameter>) -> Box<dyn Optimizer> {
        let (kernels, others) = parameters.into_iter().enumerate().partition(|(_, parameter)| self.takes(parameter));
        let kernels: Vec<(usize, Parameter)> = kernels;
        let momentum = |(place, Parameter { tensor, factor, .. }): (usize, Parameter)| Kernel {
            place,
            factor,
            momentum: tensor.detach().zeros_like(),
            kernel: tensor,
        };
        Box::new(Running {
            kernels: kernels.into_iter().map(momentum).collect(),
            others: Adaptive::new(others, self.adam_beta_1, self.adam_beta_2, self.epsilon),
            arguments: self.clone(),
        })
    }
}

impl Muon {
    /// Whether it is a kernel that isn't left to Adam.
    fn takes(&self, parameter: &Parameter) -> bool {
        parameter.tensor.dim() >= 2 && !self.exclude_layers.iter().any(|layers| layers.matches(&parameter.name))
    }
}

/// A kernel with what is remembered of it.
struct Kernel {
    place: usize,
    factor: f64,
    kernel: Tensor,
    momentum: Tensor,
}

impl Kernel {
    fn step(&mut self, arguments: &Muon, learning_rate: f64) -> Result<(), TchError> {
        let rate = learning_rate * self.factor;
        let gradient = self.kernel.f_grad()?;
        let _ = self.momentum.f_mul_scalar_(arguments.momentum)?.f_add_(&gradient)?;
        let direction = match arguments.nesterov {
            true => self.momentum.f_mul_scalar(arguments.momentum)?.f_add_(&gradient)?,
            false => self.momentum.shallow_clone(),
        };
        let matrix = as_matrix(&direction)?;
        let size = match arguments.rms_rate > 0.0 {
            true => arguments.rms_rate * (matrix.size().into_iter().max().unwrap_or(1) as f64).sqrt(),
            false => 1.0,
        };
        let step = orthogonalize(&matrix, arguments.ns_steps)?.f_mul_scalar_(-rate * size)?;
        if arguments.keep_norm {
            let wanted = (self.kernel.size()[0] as f64).sqrt();
            let factor = self.kernel.f_norm()?.f_clamp_min(SMALLEST_NORM)?.f_reciprocal()?.f_mul_scalar_(wanted)?;
            let _ = self.kernel.shallow_clone().f_mul_(&factor)?;
        }
        let _ = self.kernel.shallow_clone().f_add_(&as_kernel(&step, &self.kernel.size())?)?;
        Ok(())
    }
}

struct Running {
    arguments: Muon,
    kernels: Vec<Kernel>,
    others: Adaptive,
}

impl Optimizer for Running {
    fn step(&mut self, learning_rate: f64) -> Result<(), TchError> {
        let arguments = &self.arguments;
        tch::no_grad(|| self.kernels.iter_mut().try_for_each(|kernel| kernel.step(arguments, learning_rate)))?;
        self.others.step(learning_rate * arguments.adam_lr_ratio)
    }

    fn slots(&self) -> Vec<Slot<'_>> {
        let momenta = self.kernels.iter();
        let momenta = momenta.map(|it| Slot { parameter: it.place, name: "momentum", values: &it.momentum });
        momenta.chain(self.others.slots()).collect()
    }

    fn go_on_after(&mut self, steps: u64) {
        self.others.go_on_after(steps);
    }
}
