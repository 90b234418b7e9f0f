//! The layers, built: parameters, operations in a row, and the passes that make the row faster.

mod adapt;
#[cfg(test)]
mod device_tests;
mod fast_convolution;
mod fused_block;
mod fused_normalization;
mod host;
mod passes;
mod pointwise_convolution;
#[cfg(test)]
mod tests;
mod weights;
mod whiten;

pub use adapt::{adapt, normalized, wants_statistics};
pub use host::{computation, in_layer, keep_on_device, kind_of, to_device};
pub use passes::{OperationRow, Purpose, names as pass_names};
pub use weights::{digest, fill_tensors, load_initial_weights, load_weights, tensors_bytes, weights_bytes};
pub use whiten::{WHITENING_EXAMPLES, wants_images, whiten};

use crate::{
    check::{Plan, PlannedLayer},
    device,
    kernel::Instructions,
    layer::{
        ActivationFunction, Build, Constraint, Forward, Layer, Layout, Merge, Operator, Parameter, Pass, Precision,
        Regularizer, Structure, last_activation,
    },
    spec::Pipeline,
};
use fused_normalization::FusedNormalization;
use std::{collections::VecDeque, sync::Arc};
use tch::{Device, Kind, TchError, Tensor};

/// A parameter with its unique name: `conv2d_1.kernel`.
pub struct NamedParameter {
    /// The name.
    pub name: String,
    /// The values, OIHW or OI, on the model's device.
    pub tensor: Tensor,
    /// Whether the optimizer changes it.
    pub trainable: bool,
    /// Whether it follows what a process sees of each batch.
    pub follows_parts: bool,
    /// What its size costs in training.
    pub regularizer: Option<Regularizer>,
    /// What it is brought back to after each step.
    pub constraint: Option<Constraint>,
    layout: Layout,
}

/// One operation, with the layers that it computes.
pub(crate) enum Operation {
    /// Computes.
    Computation { layers: Vec<String>, forward: Box<dyn Forward> },
    /// Rows of operations that all get the same.
    Parallel { layers: Vec<String>, rows: Vec<Vec<Operation>>, join: Join },
}

/// What becomes of the outputs of rows side by side.
pub(crate) enum Join {
    /// What the layer says.
    Merge(Merge),
    /// The first of two is normalized, the second added.
    NormalizedSum(Box<FusedNormalization>),
}

impl Join {
    fn apply(&self, outputs: &[Tensor], pass: &Pass) -> Result<Tensor, TchError> {
        match self {
            Join::Merge(merge) => merge.apply(outputs),
            Join::NormalizedSum(fused) => fused.sum(&outputs[0], outputs.get(1), pass),
        }
    }
}

impl Operation {
    /// The computation of a layer.
    fn of(layer: &str, forward: Box<dyn Forward>) -> Self {
        Operation::Computation { layers: vec![layer.to_owned()], forward }
    }

    /// What it is, as far as passes know it.
    fn operator(&self) -> Operator<'_> {
        match self {
            Operation::Computation { forward, .. } => forward.operator(),
            Operation::Parallel { .. } => Operator::Other,
        }
    }

    /// The layers that it computes.
    fn layers(&self) -> &[String] {
        match self {
            Operation::Computation { layers, .. } | Operation::Parallel { layers, .. } => layers,
        }
    }

    /// The layer to name where something is to be said about it.
    fn layer(&self) -> &str {
        self.layers().first().map_or("", String::as_str)
    }
}

/// With what a model computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Means {
    /// Where.
    pub device: Device,
    /// The numbers.
    pub precision: Precision,
    /// Whether passes over the operations may make it faster.
    pub optimize: bool,
    /// Whether equal computations have to give equal bits on devices that wouldn't do so by themselves.
    pub deterministic: bool,
}

impl Means {
    /// Those of `pipeline`.
    pub fn of(pipeline: &Pipeline, device: Device, optimize: bool) -> Self {
        Means { device, precision: pipeline.precision, optimize, deterministic: pipeline.deterministic }
    }

    /// Lets the device compute so, from now on.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn set_up(&self) -> Result<(), TchError> {
        device::set_up_computation(self.device, self.deterministic, self.precision == Precision::TensorFloat32)
    }

    /// What the device does otherwise than a processor with the same pipeline, in words.
    pub fn numerics(&self) -> Vec<String> {
        if !device::has_generator(self.device) {
            return Vec::new();
        }
        let rounds = self.precision == Precision::TensorFloat32 && device::runs_ahead(self.device);
        let rounded = "TF32: factors of convolutions and dense layers are rounded to 19 bits";
        let drawn = "noise of layers such as dropout comes from the device's own generator, keyed by seed, layer and step: it is the \
                     same each time on such a device, and other noise than a processor's";
        rounds.then_some(rounded).into_iter().chain([drawn]).map(str::to_owned).collect()
    }

    /// The instructions of the program's own kernels, where these serve.
    fn instructions(&self) -> Option<Instructions> {
        Instructions::chosen().filter(|_| self.device == Device::Cpu)
    }
}

impl From<Device> for Means {
    fn from(device: Device) -> Self {
        Means { device, precision: Precision::Float32, optimize: true, deterministic: true }
    }
}

/// Layers that compute.
pub struct Model {
    design: Arc<Design>,
    parameters: Vec<NamedParameter>,
    operations: Vec<Operation>,
    /// What the outputs went through.
    activation: ActivationFunction,
}

/// What a model is built by.
struct Design {
    layers: Vec<Layer>,
    plan: Plan,
    means: Means,
}

/// What went wrong in which layer.
#[derive(Debug)]
pub struct LayerError {
    /// The layer's name.
    pub layer: String,
    /// What libtorch said.
    pub error: TchError,
}

impl Model {
    /// Builds `layers` as `plan` has them, with fresh weights drawn by `seed`.
    ///
    /// # Errors
    /// What libtorch reports, such as a lack of memory.
    pub fn new(layers: &[Layer], plan: &Plan, seed: u64, means: impl Into<Means>) -> Result<Self, TchError> {
        let means = means.into();
        let design = Arc::new(Design { layers: layers.to_vec(), plan: plan.clone(), means });
        Self::build(design, Weights::Drawn(seed), Purpose::Training)
    }

    /// The same model with copies of the weights: what is done to it leaves no trace in this one.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn copy(&self) -> Result<Self, TchError> {
        let copy = |parameter: &NamedParameter| parameter.tensor.detach().copy().set_requires_grad(parameter.trainable);
        let weights = Weights::Given(self.parameters.iter().map(copy).collect());
        Self::build(self.design.clone(), weights, Purpose::Training)
    }

    /// The same model with the same weights, but without the passes that make it faster: what leaves each layer can be seen.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn layer_by_layer(&self) -> Result<Self, TchError> {
        self.with_same_weights(Purpose::Looking)
    }

    /// A model that only infers, with the weights as they are now: what changes them later leaves it as it is, or makes it wrong.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn frozen(&self) -> Result<Self, TchError> {
        tch::no_grad(|| self.with_same_weights(Purpose::Inference))
    }

    /// The first so many layers with the same weights, without passes.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn beginning(&self, layers: usize) -> Result<Self, TchError> {
        let Design { layers: all, plan, means } = &*self.design;
        let plan = Plan { input: plan.input, layers: plan.layers[..layers].to_vec() };
        let design = Arc::new(Design { layers: all[..layers].to_vec(), plan, means: *means });
        Self::build(design, self.weights(), Purpose::Looking)
    }

    fn with_same_weights(&self, purpose: Purpose) -> Result<Self, TchError> {
        Self::build(self.design.clone(), self.weights(), purpose)
    }

    fn weights(&self) -> Weights {
        Weights::Given(self.parameters.iter().map(|parameter| parameter.tensor.shallow_clone()).collect())
    }

    /// The vector instructions of the program's own kernels, where any serves it.
    pub fn kernels(&self) -> Option<String> {
        fn any(operations: &[Operation]) -> Option<Instructions> {
            operations.iter().find_map(|operation| match operation {
                Operation::Computation { forward, .. } => forward.instructions(),
                Operation::Parallel { join: Join::NormalizedSum(fused), .. } => fused.instructions(),
                Operation::Parallel { rows, .. } => rows.iter().find_map(|row| any(row)),
            })
        }
        any(&self.operations).map(|instructions| instructions.name().to_owned())
    }

    /// Whether what it computes of an example in training hangs on those that other processes have of the batch.
    pub fn is_synchronized(&self) -> bool {
        fn any(operations: &[Operation]) -> bool {
            operations.iter().any(|operation| match operation {
                Operation::Parallel { rows, .. } => rows.iter().any(|row| any(row)),
                Operation::Computation { forward, .. } => {
                    matches!(forward.operator(), Operator::BatchNormalization(it) if it.is_synchronized())
                }
            })
        }
        any(&self.operations)
    }

    /// The operations that it computes, each with the layers behind it.
    pub fn operations(&self) -> Vec<OperationRow> {
        passes::rows(&self.operations)
    }

    fn build(design: Arc<Design>, weights: Weights, purpose: Purpose) -> Result<Self, TchError> {
        let Design { layers, plan, means } = &*design;
        let mut builder = Builder { weights, means: *means, parameters: Vec::new() };
        let mut operations = builder.row(layers, &plan.layers)?;
        let mut activation = last_activation(layers);
        let is_computation = |operation: &mut Operation| matches!(operation, Operation::Computation { .. });
        if activation == ActivationFunction::Softmax && operations.pop_if(is_computation).is_some() {
            // The loss and the probabilities are computed from what stands before it: the same, and exact.
            activation = ActivationFunction::Linear;
        }
        if !operations.first().is_some_and(|first| matches!(first.operator(), Operator::Scaling(_))) {
            operations.insert(0, Operation::of("the input", Box::new(Cast)));
        }
        if means.optimize && purpose != Purpose::Looking {
            passes::optimize(&mut operations, purpose, means)?;
        }
        let parameters = builder.parameters;
        Ok(Model { parameters, operations, activation, design })
    }

    /// All that is kept, in the order of the layers.
    pub fn parameters(&self) -> &[NamedParameter] {
        &self.parameters
    }

    /// What an optimizer changes, in the order of the layers.
    pub fn trainable(&self) -> impl Iterator<Item = &NamedParameter> {
        self.parameters.iter().filter(|parameter| parameter.trainable)
    }

    /// What the size of the trained weights costs, where any of it does: a scalar that training adds to the loss.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn cost(&self) -> Result<Option<Tensor>, TchError> {
        let mut costs = self.trainable().filter_map(|it| Some(it.regularizer.as_ref()?.cost(&it.tensor)));
        let Some(first) = costs.next().transpose()? else { return Ok(None) };
        costs.try_fold(first, |sum, cost| sum.f_add(&cost?)).map(Some)
    }

    /// Brings the trained weights back to what their constraints allow.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn constrain(&self) -> Result<(), TchError> {
        let mut held = self.trainable().filter_map(|it| Some((it, it.constraint.as_ref()?)));
        tch::no_grad(|| held.try_for_each(|(it, constraint)| it.layout.constrain(&it.tensor, constraint)))
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.design.means.device
    }

    /// Whether the outputs are logits.
    pub fn gives_logits(&self) -> bool {
        !crate::loss::is_probability(self.activation)
    }

    /// Computes outputs, `[batch, classes]`, from images, bytes `[batch, height, width, channels]`, or from numbers,
    /// `[batch, features]`.
    ///
    /// # Errors
    /// Names the layer in which libtorch failed.
    pub fn forward(&self, examples: &Tensor, pass: &Pass) -> Result<Tensor, LayerError> {
        self.traced(examples, pass, &mut |_, _| ())
    }

    /// The same; `see` gets what leaves each operation, `[batch, channels, ...]`, with the name of the layer that it came from.
    /// The last one of a name is the layer's output where the model was built layer by layer.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub fn traced(
        &self,
        examples: &Tensor,
        pass: &Pass,
        see: &mut dyn FnMut(&str, &Tensor),
    ) -> Result<Tensor, LayerError> {
        let input = |error| LayerError { layer: "the input".to_owned(), error };
        let x = match examples.dim() {
            4 => examples.f_permute([0, 3, 1, 2]).map_err(input)?,
            _ => examples.shallow_clone(),
        };
        let outputs = through(&self.operations, x, pass, see)?;
        // Losses and figures are computed with 32 bits.
        let last = |error| LayerError { layer: self.operations.last().map_or("", Operation::layer).to_owned(), error };
        if outputs.kind() != Kind::Float { outputs.f_to_kind(Kind::Float).map_err(last) } else { Ok(outputs) }
    }
}

/// Where parameters come from.
enum Weights {
    /// Drawn anew by this seed.
    Drawn(u64),
    /// Those of another model, in order.
    Given(VecDeque<Tensor>),
}

/// Turns planned layers into operations.
struct Builder {
    weights: Weights,
    means: Means,
    parameters: Vec<NamedParameter>,
}

impl Builder {
    fn row(&mut self, layers: &[Layer], planned: &[PlannedLayer]) -> Result<Vec<Operation>, TchError> {
        let mut operations = Vec::new();
        for (layer, planned) in layers.iter().zip(planned) {
            match layer.structure() {
                Structure::Computation => operations.extend(self.computation(layer, planned)?),
                Structure::Repeat(_, block) => {
                    for turn in &planned.blocks {
                        operations.extend(self.row(block.layers, turn)?);
                    }
                }
                Structure::Parallel(blocks, merge) => {
                    let rows = blocks.iter().zip(&planned.blocks).map(|(block, row)| self.row(block.layers, row));
                    let rows = rows.collect::<Result<_, _>>()?;
                    operations.push(Operation::Parallel {
                        layers: vec![planned.row.name.clone()],
                        rows,
                        join: Join::Merge(merge),
                    });
                }
            }
        }
        Ok(operations)
    }

    fn computation(&mut self, layer: &Layer, planned: &PlannedLayer) -> Result<Vec<Operation>, TchError> {
        let mut own = Vec::new();
        for parameter in layer.parameters(&planned.input) {
            let name = format!("{}.{}", planned.row.name, parameter.name);
            let tensor = match &mut self.weights {
                Weights::Drawn(seed) => {
                    let drawn = parameter.draw(*seed, &name)?.f_to_device(self.means.device)?;
                    drawn.set_requires_grad(parameter.trainable)
                }
                Weights::Given(tensors) => tensors.pop_front().expect("as many as the same layers have"),
            };
            own.push(tensor.shallow_clone());
            let Parameter { trainable, follows_parts, regularizer, constraint, layout, .. } = parameter;
            let named = NamedParameter { name, tensor, trainable, follows_parts, regularizer, constraint, layout };
            self.parameters.push(named);
        }
        let (name, input, precision) = (&planned.row.name, &planned.input, self.means.precision);
        let built = layer.build(Build { name, input, parameters: own, precision });
        Ok(built.into_iter().map(|forward| Operation::of(name, forward)).collect())
    }
}

/// Leads `[batch, channels, ...]` through operations in a row.
fn through(
    operations: &[Operation],
    mut x: Tensor,
    pass: &Pass,
    see: &mut dyn FnMut(&str, &Tensor),
) -> Result<Tensor, LayerError> {
    for operation in operations {
        x = match operation {
            Operation::Computation { forward, .. } => {
                forward.forward(&x, pass).map_err(|error| LayerError { layer: operation.layer().to_owned(), error })?
            }
            Operation::Parallel { rows, join, .. } => {
                let outputs = rows.iter().map(|row| through(row, x.shallow_clone(), pass, see));
                let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
                let failed = |error| LayerError { layer: operation.layer().to_owned(), error };
                join.apply(&outputs, pass).map_err(failed)?
            }
        };
        see(operation.layer(), &x);
    }
    Ok(x)
}

/// Bytes to numbers, where the first layer takes only these.
struct Cast;

impl Forward for Cast {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        x.f_to_kind(Kind::Float)
    }
}
