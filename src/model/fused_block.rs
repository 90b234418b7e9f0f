//! Convolution, max-pooling and ReLU by the program's own kernels.

use super::{Operation, through};
use crate::{
    device::{self, differentiable},
    kernel::{Block, Images, Instructions, Scratch, Shape},
    layer::{Affine, Forward, Operator, Pass, as_computed, as_stored, conv2d::Convolution},
};
use tch::{Kind, TchError, Tensor};

/// A block as an operation: `[batch, inputs, height, width]` becomes `[batch, outputs, height / 2, width / 2]`.
pub struct FusedBlock {
    /// The kernel, OIHW, and the bias.
    weights: Affine,
    block: Block,
    /// The kernel as it is read, where it stays.
    turned: Option<Scratch>,
    /// What happens to bytes before.
    scaling: Option<Operation>,
}

/// What the way back needs of the images.
struct Kept {
    images: Tensor,
    /// Where they are bytes: what each channel is multiplied by, and what is added.
    scaling: Option<(Vec<f32>, Vec<f32>)>,
}

impl Kept {
    fn images(&self) -> Images<'_> {
        match &self.scaling {
            None => Images::Numbers(device::numbers(&self.images)),
            Some((scale, offset)) => Images::Bytes { values: device::bytes(&self.images), scale, offset },
        }
    }
}

impl FusedBlock {
    /// A convolution with the pooling behind it and, if wanted, ReLU; nothing where kernels don't serve it.
    pub fn new(convolution: &Convolution, relu: bool, instructions: Instructions) -> Option<Self> {
        let border = convolution.plain(3).filter(|border| *border <= 1)?;
        let [height, width, inputs] = convolution.input;
        let outputs = convolution.weights.kernel.size()[0] as usize;
        let shape = Shape {
            height: (height + 2 * border).checked_sub(2)?,
            width: (width + 2 * border).checked_sub(2)?,
            inputs,
            outputs,
        };
        Block::fits(&shape).then(|| FusedBlock {
            weights: convolution.weights.shared(),
            block: Block { shape, same: border == 1, relu, instructions, threads: 1 },
            turned: None,
            scaling: None,
        })
    }

    /// Whether ReLU is in it.
    pub fn relu(&self) -> bool {
        self.block.relu
    }

    /// The same, which scales bytes as `scaling` does.
    pub fn with_scaling(self, scaling: Operation) -> Self {
        FusedBlock { scaling: Some(scaling), ..self }
    }

    /// The layers of the scaling.
    pub fn scaling_layers(&self) -> Vec<String> {
        self.scaling.iter().flat_map(|scaling| scaling.layers().iter().cloned()).collect()
    }

    /// The images as the kernels take them, which are `x` after the scaling; and those that autograd knows, where it does.
    fn kept(&self, x: &Tensor, pass: &Pass) -> Result<(Kept, Tensor), TchError> {
        let Some(scaling) = &self.scaling else {
            return Ok((Kept { images: as_stored(x)?, scaling: None }, x.shallow_clone()));
        };
        if x.kind() != Kind::Uint8 {
            let row = std::slice::from_ref(scaling);
            let x = through(row, x.shallow_clone(), pass, &mut |_, _| ()).map_err(|error| error.error)?;
            return Ok((Kept { images: as_stored(&x)?, scaling: None }, x));
        }
        let Operator::Scaling(numbers) = scaling.operator() else { unreachable!("only what scales is put here") };
        let (scale, offset) = numbers?;
        let inputs = self.block.shape.inputs;
        let each = |numbers: Vec<f64>| (0..inputs).map(|channel| numbers[channel % numbers.len()] as f32).collect();
        let scaling = Some((each(scale), each(offset)));
        Ok((Kept { images: as_stored(x)?, scaling }, x.shallow_clone()))
    }
}

impl Forward for FusedBlock {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor, TchError> {
        let x = match x.kind() {
            Kind::Uint8 | Kind::Float => x.shallow_clone(),
            // What comes from a layer of another precision.
            _ => x.f_to_kind(Kind::Float)?,
        };
        let (kept, x) = self.kept(&x, pass)?;
        let block = Block { threads: device::threads(), ..self.block };
        let Shape { height, width, outputs, .. } = block.shape;
        let size = [x.size()[0], height as i64 / 2, width as i64 / 2, outputs as i64];
        let codes = Tensor::f_empty(size, (Kind::Uint8, tch::Device::Cpu))?;
        let Affine { kernel, bias } = self.weights.stored()?;
        let weights = device::numbers(&kernel);
        let fresh = self.turned.is_none().then(|| block.turned(weights));
        let turned = self.turned.as_ref().or(fresh.as_ref()).expect("one of the two");
        let pooled = device::filled(&size, |pooled| {
            let bias = bias.as_ref().map(device::numbers);
            device::fill_bytes(&codes, |codes| block.forward(kept.images(), turned, bias, pooled, codes));
        })?;
        let pooled = as_computed(&pooled)?;
        if self.weights.is_recorded(&x) {
            let (x_wanted, has_bias) = (x.requires_grad(), bias.is_some());
            let back = move |gradient: &Tensor| {
                let gradient = as_stored(gradient)?;
                let gradient = device::numbers(&gradient);
                let weights = device::numbers(&kernel);
                let codes = device::bytes(&codes);
                let (mut gradients, mut of_images) = (None, None);
                let images = kept.images();
                if x_wanted {
                    let filled = device::filled(&kept.images.size(), |into| {
                        gradients = Some(block.backward(images, weights, gradient, codes, Some(into)));
                    })?;
                    of_images = Some(as_computed(&filled)?);
                }
                let gradients = gradients.unwrap_or_else(|| block.backward(images, weights, gradient, codes, None));
                let of_kernel = Tensor::f_from_slice(&gradients.kernel)?.f_view(&kernel.size()[..])?;
                let mut all = vec![of_images, Some(as_computed(&of_kernel)?)];
                if has_bias {
                    all.push(Some(Tensor::f_from_slice(&gradients.bias)?));
                }
                Ok(all)
            };
            differentiable(&pooled, &self.weights.inputs(&x), Box::new(back))?;
        }
        Ok(pooled)
    }

    fn settle(&mut self) -> Result<(), TchError> {
        self.turned = Some(self.block.turned(device::numbers(&self.weights.stored()?.kernel)));
        Ok(())
    }

    fn instructions(&self) -> Option<Instructions> {
        Some(self.block.instructions)
    }

    fn describe(&self) -> Option<String> {
        let scale = if self.scaling.is_some() { "scale, " } else { "" };
        let relu = if self.block.relu { ", relu" } else { "" };
        let instructions = self.block.instructions.name();
        Some(format!("kernel: {scale}convolution, max-pooling{relu} ({instructions})"))
    }
}
