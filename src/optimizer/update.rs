//! What stands around the rule of every optimizer, with Keras' arguments: gradients are accumulated and clipped before a step,
//! weights decay with it, and averages and slow weights follow behind it.
//!
//! ```text
//! g = (g_1 + ... + g_n) / n                               (gradient_accumulation_steps: n)
//! g = g * clipnorm / max(|g|, clipnorm)                   (global_clipnorm: |g| over all parameters; clipvalue: each number)
//! w = w - learning_rate * weight_decay * w
//! w = the optimizer's step
//! slow = slow + slow_step_size * (w - slow); w = slow     (lookahead, every sync_period steps)
//! average = ema_momentum * average + (1 - ema_momentum) * w
//! ```

use super::{LayerPattern, Optimizer, OptimizerChoice, Parameter, Slot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Weights that follow those of the optimizer slowly, and to which these come back again and again (Zhang et al., 2019).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("examples" = [{}, {"sync_period": 5, "slow_step_size": 0.8}]))]
pub struct Lookahead {
    /// After how many steps they follow.
    #[schemars(range(min = 1, max = 1000000), extend("x-known-as" = ["k", "la_steps"]))]
    pub sync_period: u32,
    /// How far they follow, as a share of the way.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1, "x-known-as" = ["alpha", "la_alpha"]))]
    pub slow_step_size: f64,
}

impl Default for Lookahead {
    fn default() -> Self {
        Lookahead { sync_period: 6, slow_step_size: 0.5 }
    }
}

/// The arguments that all optimizers have.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct UpdateArguments {
    pub weight_decay: f64,
    pub exclude_from_weight_decay: Vec<LayerPattern>,
    pub clipnorm: Option<f64>,
    pub global_clipnorm: Option<f64>,
    pub clipvalue: Option<f64>,
    pub gradient_accumulation_steps: Option<u32>,
    pub use_ema: bool,
    pub ema_momentum: f64,
    pub ema_overwrite_frequency: Option<u32>,
    pub lookahead: Option<Lookahead>,
}

impl UpdateArguments {
    /// The arguments that clip, of which there can be only one, as far as they are given.
    pub fn clippings(&self) -> Vec<&'static str> {
        let all =
            [("clipnorm", self.clipnorm), ("global_clipnorm", self.global_clipnorm), ("clipvalue", self.clipvalue)];
        all.into_iter().filter_map(|(name, value)| value.map(|_| name)).collect()
    }

    /// How many numbers are remembered of each parameter besides those of the rule.
    pub(super) fn numbers_per_parameter(&self) -> u64 {
        u64::from(self.gradient_accumulation_steps.is_some())
            + u64::from(self.use_ema)
            + u64::from(self.lookahead.is_some())
    }
}

/// An optimizer's struct with its own arguments, as `name: Type = default`, and those of [`UpdateArguments`] behind them; in the
/// brackets the default of `weight_decay`.
macro_rules! optimizer {
    (
        $(#[$of_struct:meta])*
        pub struct $Name:ident(weight_decay: $decay:expr) {
            $($(#[$of_field:meta])* pub $field:ident: $Type:ty = $default:expr,)*
        }
    ) => {
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        $(#[$of_struct])*
        pub struct $Name {
            $($(#[$of_field])* pub $field: $Type,)*
            /// By what share of a step the parameters are drawn towards 0.
            #[schemars(range(min = 0, max = 1000))]
            pub weight_decay: f64,
            /// Layers or parameters that aren't drawn towards 0, by name; `*` stands for anything, as in `*.bias`.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            #[schemars(extend("x-known-as" = ["no_decay"], "examples" = [["*.bias", "*.gamma", "*.beta"]]))]
            pub exclude_from_weight_decay: Vec<$crate::optimizer::LayerPattern>,
            /// The largest norm that the gradient of a parameter can have: a larger one is scaled down.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(with = "f64", extend("exclusiveMinimum" = 0, "x-default" = "no clipping", "examples" = [1.0]))]
            pub clipnorm: Option<f64>,
            /// The largest norm that the gradients of all parameters together can have: a larger one is scaled down.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(with = "f64", extend("exclusiveMinimum" = 0, "x-default" = "no clipping", "examples" = [1.0]))]
            #[schemars(extend("x-known-as" = ["max_grad_norm", "gradient_clip_val", "clip_grad_norm"]))]
            pub global_clipnorm: Option<f64>,
            /// The largest size of each number of a gradient: what lies beyond it is cut off.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(with = "f64", extend("exclusiveMinimum" = 0, "x-default" = "no clipping", "examples" = [0.5]))]
            #[schemars(extend("x-known-as" = ["clip_grad_value"]))]
            pub clipvalue: Option<f64>,
            /// How many batches make one step, which goes along the mean of their gradients. Schedules count batches, as in Keras.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(with = "u32", range(min = 2, max = 1000000), extend("x-default" = "each batch makes a step"))]
            #[schemars(extend("x-known-as" = ["accumulate_grad_batches", "accumulation_steps"], "examples" = [4]))]
            pub gradient_accumulation_steps: Option<u32>,
            /// Whether a moving average of the weights is kept, which the model gets when training ends. As in Keras, validation
            /// while training sees the weights as they are, and best weights that a callback puts back aren't averages.
            #[schemars(extend("x-known-as" = ["ema", "model_ema"]))]
            pub use_ema: bool,
            /// How much of the moving average stays at each batch.
            #[schemars(range(min = 0, max = 1), extend("x-known-as" = ["ema_decay"]))]
            pub ema_momentum: f64,
            /// After how many steps the weights are replaced by their average while training, again and again.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(with = "u32", range(min = 1, max = 1000000), extend("x-default" = "only when training ends", "examples" = [100]))]
            pub ema_overwrite_frequency: Option<u32>,
            /// Slow weights, to which the others come back every few steps.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(with = "crate::optimizer::Lookahead", extend("x-default" = "none", "examples" = [{"sync_period": 5}]))]
            pub lookahead: Option<$crate::optimizer::Lookahead>,
        }

        impl Default for $Name {
            fn default() -> Self {
                $Name {
                    $($field: $default,)*
                    weight_decay: $decay,
                    exclude_from_weight_decay: Vec::new(),
                    clipnorm: None,
                    global_clipnorm: None,
                    clipvalue: None,
                    gradient_accumulation_steps: None,
                    use_ema: false,
                    ema_momentum: 0.99,
                    ema_overwrite_frequency: None,
                    lookahead: None,
                }
            }
        }

        impl $crate::optimizer::update::Updates for $Name {
            fn update_arguments(&self) -> $crate::optimizer::UpdateArguments {
                $crate::optimizer::UpdateArguments {
                    weight_decay: self.weight_decay,
                    exclude_from_weight_decay: self.exclude_from_weight_decay.clone(),
                    clipnorm: self.clipnorm,
                    global_clipnorm: self.global_clipnorm,
                    clipvalue: self.clipvalue,
                    gradient_accumulation_steps: self.gradient_accumulation_steps,
                    use_ema: self.use_ema,
                    ema_momentum: self.ema_momentum,
                    ema_overwrite_frequency: self.ema_overwrite_frequency,
                    lookahead: self.lookahead,
                }
            }
        }
    };
}
pub(super) use optimizer;

/// What the macro gives every optimizer.
pub trait Updates {
    /// The arguments that all optimizers have.
    fn update_arguments(&self) -> UpdateArguments;
}

/// An optimizer at work, with all that stands around its rule.
pub struct Update {
    rule: Box<dyn Optimizer>,
    arguments: UpdateArguments,
    parameters: Vec<Updated>,
    /// Batches seen.
    batches: u64,
}

/// A parameter with what is remembered of it.
struct Updated {
    tensor: Tensor,
    /// What share of a step it decays by where the rate is 1.
    decay: f64,
    accumulated: Option<Tensor>,
    slow: Option<Tensor>,
    average: Option<Tensor>,
}

impl Update {
    /// Starts to work on `parameters`, as `optimizer` says.
    pub fn new(optimizer: &OptimizerChoice, parameters: Vec<Parameter>) -> Self {
        let arguments = optimizer.update_arguments();
        let updated = |parameter: &Parameter| {
            let tensor = parameter.tensor.shallow_clone();
            let spared = arguments.exclude_from_weight_decay.iter().any(|pattern| pattern.matches(&parameter.name));
            let zeros = || tensor.detach().zeros_like();
            Updated {
                decay: if spared { 0.0 } else { parameter.factor * optimizer.weight_decay_of(parameter) },
                accumulated: arguments.gradient_accumulation_steps.map(|_| zeros()),
                slow: arguments.lookahead.map(|_| tensor.detach().copy()),
                average: arguments.use_ema.then(zeros),
                tensor,
            }
        };
        let updated = parameters.iter().map(updated).collect();
        Update { rule: optimizer.start(parameters), arguments, parameters: updated, batches: 0 }
    }

    /// Takes up the gradients of a batch, and changes the parameters where that makes a step.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn step(&mut self, learning_rate: f64) -> Result<(), TchError> {
        let batches_a_step = self.batches_a_step();
        let steps = self.batches / batches_a_step;
        self.batches += 1;
        let is_step = self.batches.is_multiple_of(batches_a_step);
        tch::no_grad(|| self.accumulate(is_step))?;
        if is_step {
            tch::no_grad(|| self.prepare(learning_rate))?;
            self.rule.step(learning_rate)?;
        }
        tch::no_grad(|| {
            if is_step {
                self.look_ahead(steps + 1)?;
            }
            self.average(steps)
        })
    }

    /// All that is remembered of the parameters.
    pub fn slots(&self) -> Vec<Slot<'_>> {
        let mut slots = self.rule.slots();
        for (parameter, updated) in self.parameters.iter().enumerate() {
            let own = [
                ("accumulated_gradient", &updated.accumulated),
                ("slow_weights", &updated.slow),
                ("average", &updated.average),
            ];
            slots.extend(own.into_iter().filter_map(|(name, values)| {
                let values = values.as_ref()?;
                Some(Slot { parameter, name, values })
            }));
        }
        slots
    }

    /// Goes on as after so many batches.
    pub fn go_on_after(&mut self, batches: u64) {
        self.batches = batches;
        self.rule.go_on_after(batches / self.batches_a_step());
    }

    /// Gives the parameters their averages, where these are kept and there are any. Training is over.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn finish(&self) -> Result<(), TchError> {
        if self.batches > 0 { tch::no_grad(|| self.overwrite()) } else { Ok(()) }
    }

    fn batches_a_step(&self) -> u64 {
        self.arguments.gradient_accumulation_steps.map_or(1, u64::from)
    }

    /// Adds the gradients up; for a step, they become the mean of those since the last one.
    fn accumulate(&self, is_step: bool) -> Result<(), TchError> {
        let share = 1.0 / self.batches_a_step() as f64;
        for Updated { tensor, accumulated, .. } in &self.parameters {
            let Some(accumulated) = accumulated else { return Ok(()) };
            let (mut gradient, mut accumulated) = (tensor.f_grad()?, accumulated.shallow_clone());
            if is_step {
                let _ = gradient.f_add_(&accumulated)?.f_mul_scalar_(share)?;
                let _ = accumulated.f_zero_()?;
            } else {
                let _ = accumulated.f_add_(&gradient)?;
            }
        }
        Ok(())
    }

    /// What comes before a step: clipped gradients, and decay.
    fn prepare(&self, learning_rate: f64) -> Result<(), TchError> {
        let UpdateArguments { clipnorm, global_clipnorm, clipvalue, .. } = self.arguments;
        let gradients = || self.parameters.iter().map(|parameter| parameter.tensor.f_grad());
        if let Some(most) = clipnorm {
            for gradient in gradients() {
                let mut gradient = gradient?;
                let norm = gradient.f_norm()?.f_clamp_min(most)?;
                let _ = gradient.f_mul_scalar_(most)?.f_div_(&norm)?;
            }
        }
        if let Some(most) = global_clipnorm {
            let all: Vec<Tensor> = gradients().collect::<Result<_, _>>()?;
            let norm = norm(&all)?.f_clamp_min(most)?;
            let scale = norm.f_reciprocal()?.f_mul_scalar_(most)?;
            for mut gradient in all {
                let _ = gradient.f_mul_(&scale)?;
            }
        }
        if let Some(most) = clipvalue {
            for gradient in gradients() {
                let _ = gradient?.f_clamp_(-most, most)?;
            }
        }
        self.parameters.iter().try_for_each(|parameter| shrink(&parameter.tensor, learning_rate * parameter.decay))
    }

    /// Lets the slow weights follow, and the others come back to them, where it is time behind so many steps.
    fn look_ahead(&self, steps: u64) -> Result<(), TchError> {
        let Some(Lookahead { sync_period, slow_step_size }) = self.arguments.lookahead else { return Ok(()) };
        if !steps.is_multiple_of(u64::from(sync_period)) {
            return Ok(());
        }
        for Updated { tensor, slow, .. } in &self.parameters {
            let Some(slow) = slow else { return Ok(()) };
            let _ = slow.shallow_clone().f_lerp_(&tensor.detach(), slow_step_size)?;
            tensor.shallow_clone().f_copy_(slow)?;
        }
        Ok(())
    }

    /// Brings the averages up to date, where so many steps were made before this batch.
    fn average(&self, steps: u64) -> Result<(), TchError> {
        // The first weights are the average of nothing else.
        let momentum = if steps == 0 { 0.0 } else { self.arguments.ema_momentum };
        for Updated { tensor, average, .. } in &self.parameters {
            let Some(average) = average else { return Ok(()) };
            let part = tensor.detach().f_mul_scalar(1.0 - momentum)?;
            let _ = average.shallow_clone().f_mul_scalar_(momentum)?.f_add_(&part)?;
        }
        match self.arguments.ema_overwrite_frequency {
            Some(frequency) if (steps + 1).is_multiple_of(u64::from(frequency)) => self.overwrite(),
            _ => Ok(()),
        }
    }

    fn overwrite(&self) -> Result<(), TchError> {
        for Updated { tensor, average, .. } in &self.parameters {
            let Some(average) = average else { return Ok(()) };
            tensor.shallow_clone().f_copy_(average)?;
        }
        Ok(())
    }
}

/// The norm of all numbers of some tensors, a scalar.
///
/// # Errors
/// What libtorch reports.
pub fn norm(tensors: &[Tensor]) -> Result<Tensor, TchError> {
    let norms: Vec<Tensor> = tensors.iter().map(Tensor::f_norm).collect::<Result<_, _>>()?;
    Tensor::f_stack(&norms, 0)?.f_norm()
}

/// Draws `tensor` towards 0 by a share of it.
fn shrink(tensor: &Tensor, share: f64) -> Result<(), TchError> {
    if share != 0.0 {
        let _ = tensor.shallow_clone().f_mul_scalar_(1.0 - share)?;
    }
    Ok(())
}
