//! The layers, built: parameters, operations in a row, and the passes that make the row faster.

mod adapt;
mod host;
mod passes;
#[cfg(test)]
mod tests;
mod weights;
mod weights_file;
mod whiten;

pub use adapt::{adapt, normalized, wants_statistics};
pub use host::{computation, in_layer, to_device};
pub use weights::{digest, fill_tensors, load_weights, tensors_bytes, weights_bytes};
pub use whiten::{WHITENING_EXAMPLES, wants_images, whiten};

use crate::{
    check::{Plan, PlannedLayer},
    layer::{ActivationFunction, Build, Forward, Layer, Merge, Pass, Structure, last_activation},
};
use std::collections::VecDeque;
use tch::{Device, Kind, TchError, Tensor};

/// A parameter with its unique name: `conv2d_1.kernel`.
pub struct NamedParameter {
    /// The name.
    pub name: String,
    /// The values, OIHW or OI, on the model's device.
    pub tensor: Tensor,
    /// Whether the optimizer changes it.
    pub trainable: bool,
}

/// One operation, with the layer that it came from.
pub(crate) enum Operation {
    /// Computes.
    Computation { layer: String, forward: Box<dyn Forward> },
    /// Rows of operations that all get the same.
    Parallel { layer: String, rows: Vec<Vec<Operation>>, merge: Merge },
}

impl Operation {
    fn computation(&self) -> Option<&dyn Forward> {
        match self {
            Operation::Computation { forward, .. } => Some(&**forward),
            Operation::Parallel { .. } => None,
        }
    }
}

/// Layers that compute.
pub struct Model {
    parameters: Vec<NamedParameter>,
    operations: Vec<Operation>,
    /// What the outputs went through.
    activation: ActivationFunction,
    device: Device,
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
    pub fn new(layers: &[Layer], plan: &Plan, seed: u64, device: Device) -> Result<Self, TchError> {
        let builder = Builder { weights: Weights::Drawn(seed), device, parameters: Vec::new() };
        let mut model = Self::build(builder, layers, plan)?;
        passes::pool_before_activation(&mut model.operations);
        Ok(model)
    }

    /// The same model with copies of the weights: what is done to it leaves no trace in this one.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn copy(&self, layers: &[Layer], plan: &Plan) -> Result<Self, TchError> {
        let copy = |parameter: &NamedParameter| parameter.tensor.detach().copy().set_requires_grad(parameter.trainable);
        let weights = Weights::Given(self.parameters.iter().map(copy).collect());
        let builder = Builder { weights, device: self.device, parameters: Vec::new() };
        let mut model = Self::build(builder, layers, plan)?;
        passes::pool_before_activation(&mut model.operations);
        Ok(model)
    }

    /// The same model with the same weights, but without the passes that make it faster: what leaves each layer can be seen.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn layer_by_layer(&self, layers: &[Layer], plan: &Plan) -> Result<Self, TchError> {
        let weights =
            Weights::Given(self.parameters.iter().map(|parameter| parameter.tensor.shallow_clone()).collect());
        Self::build(Builder { weights, device: self.device, parameters: Vec::new() }, layers, plan)
    }

    fn build(mut builder: Builder, layers: &[Layer], plan: &Plan) -> Result<Self, TchError> {
        let mut operations = builder.row(layers, &plan.layers)?;
        let device = builder.device;
        let mut activation = last_activation(layers);
        if activation == ActivationFunction::Softmax && operations.pop_if(|last| last.computation().is_some()).is_some()
        {
            // The loss and the probabilities are computed from what stands before it: the same, and exact.
            activation = ActivationFunction::Linear;
        }
        if !operations.first().and_then(Operation::computation).is_some_and(Forward::takes_bytes) {
            operations.insert(0, Operation::Computation { layer: "the input".to_owned(), forward: Box::new(Cast) });
        }
        Ok(Model { parameters: builder.parameters, operations, activation, device })
    }

    /// All that is kept, in the order of the layers.
    pub fn parameters(&self) -> &[NamedParameter] {
        &self.parameters
    }

    /// What an optimizer changes, in the order of the layers.
    pub fn trainable(&self) -> impl Iterator<Item = &NamedParameter> {
        self.parameters.iter().filter(|parameter| parameter.trainable)
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
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
        through(&self.operations, x, pass, see)
    }

    /// Turns outputs into probabilities, `[batch, classes]`.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn probabilities(&self, outputs: &Tensor) -> Result<Tensor, TchError> {
        if self.gives_logits() {
            outputs.f_softmax(1, Kind::Float)
        } else {
            outputs.f_div(&outputs.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Float)?)
        }
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
    device: Device,
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
                    operations.push(Operation::Parallel { layer: planned.row.name.clone(), rows, merge });
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
                    let values = parameter.initializer.draw(&parameter.shape, *seed, &name);
                    let tensor = Tensor::from_slice(&values).f_view(&parameter.shape[..])?.f_to_device(self.device)?;
                    channels_last(&tensor)?.set_requires_grad(parameter.trainable)
                }
                Weights::Given(tensors) => tensors.pop_front().expect("as many as the same layers have"),
            };
            own.push(tensor.shallow_clone());
            self.parameters.push(NamedParameter { name, tensor, trainable: parameter.trainable });
        }
        let built = layer.build(Build { name: &planned.row.name, input: &planned.input, parameters: own });
        let operation = |forward| Operation::Computation { layer: planned.row.name.clone(), forward };
        Ok(built.into_iter().map(operation).collect())
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
            Operation::Computation { layer, forward } => {
                forward.forward(&x, pass).map_err(|error| LayerError { layer: layer.clone(), error })?
            }
            Operation::Parallel { layer, rows, merge } => {
                let outputs = rows.iter().map(|row| through(row, x.shallow_clone(), pass, see));
                let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
                merge.apply(&outputs).map_err(|error| LayerError { layer: layer.clone(), error })?
            }
        };
        let (Operation::Computation { layer, .. } | Operation::Parallel { layer, .. }) = operation;
        see(layer, &x);
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

/// Kernels of convolutions lie in memory as the images do.
fn channels_last(tensor: &Tensor) -> Result<Tensor, TchError> {
    if tensor.dim() == 4 {
        tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
    } else {
        Ok(tensor.shallow_clone())
    }
}
