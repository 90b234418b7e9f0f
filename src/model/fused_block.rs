//! Convolution, max-pooling and ReLU by the program's own kernels.

use super::{Operation, through};
use crate::{
    device::{self, differentiable},
    kernel::{Block, Images, Instructions, Shape},
    layer::{Forward, Operator, Pass, conv2d::Convolution},
};
use tch::{Kind, TchError, Tensor};

/// What the description of an operation begins with that a kernel computes.
pub const KERNEL: &str = "kernel";

/// A block as an operation: `[batch, inputs, height, width]` becomes `[batch, outputs, height / 2, width / 2]`.
pub struct FusedBlock {
    /// OIHW, stored as OHWI.
    kernel: Tensor,
    bias: Option<Tensor>,
    block: Block,
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
            None => Images::Numbers(device::numbers(&self.images).expect("contiguous numbers")),
            Some((scale, offset)) => {
                Images::Bytes { values: device::bytes(&self.images).expect("contiguous bytes"), scale, offset }
            }
        }
    }
}

/// `[batch, channels, height, width]` as `[batch, height, width, channels]`, one behind the other in memory.
pub fn channels_last(tensor: &Tensor) -> Result<Tensor, TchError> {
    tensor.f_permute([0, 2, 3, 1])?.f_contiguous()
}

impl FusedBlock {
    /// A convolution with the pooling behind it and, if wanted, ReLU; nothing where kernels don't serve it.
    pub fn new(convolution: &Convolution, relu: bool, instructions: Instructions) -> Option<Self> {
        let border = convolution.plain_3x3().filter(|border| *border <= 1)?;
        let [height, width, inputs] = convolution.input;
        let outputs = convolution.kernel.size()[0] as usize;
        let shape = Shape {
            height: (height + 2 * border).checked_sub(2)?,
            width: (width + 2 * border).checked_sub(2)?,
            inputs,
            outputs,
        };
        Block::fits(&shape).then(|| FusedBlock {
            kernel: convolution.kernel.shallow_clone(),
            bias: convolution.bias.as_ref().map(Tensor::shallow_clone),
            block: Block { shape, same: border == 1, relu, instructions, threads: 1 },
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
            return Ok((Kept { images: channels_last(x)?, scaling: None }, x.shallow_clone()));
        };
        if x.kind() != Kind::Uint8 {
            let row = std::slice::from_ref(scaling);
            let x = through(row, x.shallow_clone(), pass, &mut |_, _| ()).map_err(|error| error.error)?;
            return Ok((Kept { images: channels_last(&x)?, scaling: None }, x));
        }
        let Operator::Scaling(numbers) = scaling.operator() else { unreachable!("only what scales is put here") };
        let (scale, offset) = numbers?;
        let inputs = self.block.shape.inputs;
        let each = |numbers: Vec<f64>| (0..inputs).map(|channel| numbers[channel % numbers.len()] as f32).collect();
        let scaling = Some((each(scale), each(offset)));
        Ok((Kept { images: channels_last(x)?, scaling }, x.shallow_clone()))
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
        let block = Block { threads: tch::get_num_threads().max(1) as usize, ..self.block };
        let Shape { height, width, outputs, .. } = block.shape;
        let size = [x.size()[0], height as i64 / 2, width as i64 / 2, outputs as i64];
        let codes = Tensor::f_empty(size, (Kind::Uint8, tch::Device::Cpu))?;
        let kernel = channels_last(&self.kernel.f_detach()?)?;
        let bias = self.bias.as_ref().map(|bias| bias.f_detach()?.f_contiguous()).transpose()?;
        let weights = device::numbers(&kernel).expect("contiguous numbers");
        let pooled = device::filled(&size, |pooled| {
            let bias = bias.as_ref().and_then(device::numbers);
            device::fill_bytes(&codes, |codes| block.forward(kept.images(), weights, bias, pooled, codes));
        })?;
        let pooled = pooled.f_permute([0, 3, 1, 2])?;
        let wants = |tensor: &Tensor| tensor.requires_grad();
        let trained = wants(&self.kernel) || self.bias.as_ref().is_some_and(wants) || wants(&x);
        if trained && device::is_recording() {
            let (x_wanted, has_bias) = (wants(&x), self.bias.is_some());
            let inputs: Vec<&Tensor> = [&x, &self.kernel].into_iter().chain(&self.bias).collect();
            let back = move |gradient: &Tensor| {
                let gradient = channels_last(gradient)?;
                let gradient = device::numbers(&gradient).expect("contiguous numbers");
                let weights = device::numbers(&kernel).expect("contiguous numbers");
                let codes = device::bytes(&codes).expect("contiguous bytes");
                let (mut gradients, mut of_images) = (None, None);
                let images = kept.images();
                if x_wanted {
                    let filled = device::filled(&kept.images.size(), |into| {
                        gradients = Some(block.backward(images, weights, gradient, codes, Some(into)));
                    })?;
                    of_images = Some(filled.f_permute([0, 3, 1, 2])?);
                }
                let gradients = gradients.unwrap_or_else(|| block.backward(images, weights, gradient, codes, None));
                let of_kernel = Tensor::f_from_slice(&gradients.kernel)?.f_view(&kernel.size()[..])?;
                let of_kernel = of_kernel.f_permute([0, 3, 1, 2])?;
                let mut all = vec![of_images, Some(of_kernel)];
                if has_bias {
                    all.push(Some(Tensor::f_from_slice(&gradients.bias)?));
                }
                Ok(all)
            };
            differentiable(&pooled, &inputs, Box::new(back))?;
        }
        Ok(pooled)
    }

    fn describe(&self) -> Option<String> {
        let scale = if self.scaling.is_some() { "scale, " } else { "" };
        let relu = if self.block.relu { ", relu" } else { "" };
        let instructions = self.block.instructions.name();
        Some(format!("{KERNEL}: {scale}convolution, max-pooling{relu} ({instructions})"))
    }
}
