//! The layers, built: parameters, operations in a row, and the passes that make the row faster.

mod host;
mod passes;
mod weights;

pub use host::{computation, in_layer, to_device};
pub use weights::{digest, load_weights, weights_bytes};

use crate::{
    check::Plan,
    layer::{ActivationFunction, Build, Forward, Layer, Pass},
};
use tch::{Device, Kind, TchError, Tensor};

/// A parameter with its unique name: `conv2d_1.kernel`.
pub struct NamedParameter {
    /// The name.
    pub name: String,
    /// The values, OIHW or OI, on the model's device.
    pub tensor: Tensor,
}

/// One operation, with the layer that it came from.
pub(crate) struct Operation {
    layer: String,
    forward: Box<dyn Forward>,
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
        let mut parameters = Vec::new();
        let mut operations = Vec::new();
        for (index, (layer, row)) in layers.iter().zip(&plan.layers).enumerate() {
            let input = plan.input_of(index);
            let mut own = Vec::new();
            for parameter in layer.parameters(input) {
                let name = format!("{}.{}", row.name, parameter.name);
                let values = parameter.initializer.draw(&parameter.shape, seed, &name);
                let tensor = Tensor::from_slice(&values).f_view(&parameter.shape[..])?.f_to_device(device)?;
                let tensor = channels_last(&tensor)?.set_requires_grad(true);
                own.push(tensor.shallow_clone());
                parameters.push(NamedParameter { name, tensor });
            }
            let built = layer.build(Build { name: &row.name, input, parameters: own });
            operations.extend(built.into_iter().map(|forward| Operation { layer: row.name.clone(), forward }));
        }
        let mut activation = layers.last().map_or(ActivationFunction::Linear, |layer| layer.activation());
        if activation == ActivationFunction::Softmax {
            // The loss and the probabilities are computed from what stands before it: the same, and exact.
            operations.pop();
            activation = ActivationFunction::Linear;
        }
        passes::pool_before_activation(&mut operations);
        Ok(Model { parameters, operations, activation, device })
    }

    /// All parameters, in the order of their layers.
    pub fn parameters(&self) -> &[NamedParameter] {
        &self.parameters
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Whether the outputs are logits.
    pub fn gives_logits(&self) -> bool {
        !crate::loss::is_probability(self.activation)
    }

    /// Computes outputs, `[batch, classes]`, from images, bytes `[batch, height, width, channels]`.
    ///
    /// # Errors
    /// Names the layer in which libtorch failed.
    pub fn forward(&self, images: &Tensor, pass: &Pass) -> Result<Tensor, LayerError> {
        let input = |error| LayerError { layer: "the input".to_owned(), error };
        let mut x = images.f_permute([0, 3, 1, 2]).map_err(input)?;
        for operation in &self.operations {
            let named = |error| LayerError { layer: operation.layer.clone(), error };
            if x.kind() == Kind::Uint8 && operation.layer.split('_').next() != Some("rescaling") {
                x = x.f_to_kind(Kind::Float).map_err(input)?;
            }
            x = operation.forward.forward(&x, pass).map_err(named)?;
        }
        Ok(x)
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

/// Kernels of convolutions lie in memory as the images do.
fn channels_last(tensor: &Tensor) -> Result<Tensor, TchError> {
    if tensor.dim() == 4 {
        tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
    } else {
        Ok(tensor.shallow_clone())
    }
}
