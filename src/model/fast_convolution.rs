//! A convolution of 3x3 by the program's own kernels.

use crate::{
    device::{self, differentiable},
    kernel::{Convolution, Depthwise, Instructions, Scratch, Shape},
    layer::{Affine, Forward, Pass, as_computed, as_stored, conv2d as layer},
};
use tch::{TchError, Tensor};

/// What computes it.
#[derive(Clone, Copy)]
enum Kernel {
    Full(Convolution),
    Depthwise(Depthwise),
}

impl Kernel {
    fn with_threads(self, threads: usize) -> Self {
        match self {
            Kernel::Full(full) => Kernel::Full(Convolution { threads, ..full }),
            Kernel::Depthwise(depthwise) => Kernel::Depthwise(Depthwise { threads, ..depthwise }),
        }
    }

    /// Height, width and channels of what leaves it.
    fn output(&self) -> [usize; 3] {
        match self {
            Kernel::Full(Convolution { shape, .. }) => [shape.height, shape.width, shape.outputs],
            Kernel::Depthwise(Depthwise { output: [height, width], channels, .. }) => [*height, *width, *channels],
        }
    }

    fn instructions(&self) -> Instructions {
        match self {
            Kernel::Full(full) => full.instructions,
            Kernel::Depthwise(depthwise) => depthwise.instructions,
        }
    }

    fn has_kernel_gradient(&self) -> bool {
        match self {
            Kernel::Full(full) => full.has_kernel_gradient(),
            Kernel::Depthwise(_) => true,
        }
    }

    fn turned(&self, kernel: &[f32]) -> Scratch {
        match self {
            Kernel::Full(full) => full.turned(kernel),
            Kernel::Depthwise(depthwise) => depthwise.turned(kernel),
        }
    }

    fn forward(&self, images: &[f32], turned: &Scratch, bias: Option<&[f32]>, into: &mut [f32]) {
        match self {
            Kernel::Full(full) => full.forward(images, turned, bias, into),
            Kernel::Depthwise(depthwise) => depthwise.forward(images, turned, bias, into),
        }
    }

    fn backward(
        &self,
        images: &[f32],
        slopes: &[f32],
        kernel: &[f32],
        into: Option<&mut [f32]>,
        wants_kernel: bool,
    ) -> Option<Vec<f32>> {
        match self {
            Kernel::Full(full) => full.backward(images, slopes, kernel, into, wants_kernel),
            Kernel::Depthwise(depthwise) => depthwise.backward(images, slopes, kernel, into, wants_kernel),
        }
    }
}

/// A convolution as an operation: `[batch, inputs, height, width]` becomes `[batch, outputs, height, width]`.
pub struct FastConvolution {
    /// The kernel, OIHW, and the bias.
    weights: Affine,
    computed: Kernel,
    /// The kernel as it is read, where it stays.
    turned: Option<Scratch>,
}

impl FastConvolution {
    /// The same as `convolution`; nothing where no kernel serves it.
    pub fn new(convolution: &layer::Convolution, instructions: Instructions) -> Option<Self> {
        let computed = full(convolution, instructions).or_else(|| depthwise(convolution, instructions))?;
        Some(FastConvolution { weights: convolution.weights.shared(), computed, turned: None })
    }
}

fn full(convolution: &layer::Convolution, instructions: Instructions) -> Option<Kernel> {
    convolution.plain_3x3().filter(|border| *border == 1)?;
    let [height, width, inputs] = convolution.input;
    let shape = Shape { height, width, inputs, outputs: convolution.weights.kernel.size()[0] as usize };
    Convolution::fits(&shape).then_some(Kernel::Full(Convolution { shape, instructions, threads: 1 }))
}

fn depthwise(convolution: &layer::Convolution, instructions: Instructions) -> Option<Kernel> {
    let (stride, border) = convolution.depthwise_3x3()?;
    let [height, width, channels] = convolution.input;
    let windows = |length: usize| Some((length + 2 * border).checked_sub(3)? / stride + 1);
    let output = [windows(height)?, windows(width)?];
    let input = [height, width];
    let depthwise = Depthwise { input, output, channels, stride, border, instructions, threads: 1 };
    depthwise.fits().then_some(Kernel::Depthwise(depthwise))
}

impl Forward for FastConvolution {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let computed = self.computed.with_threads(device::threads());
        let [height, width, outputs] = computed.output().map(|n| n as i64);
        let images = as_stored(&x.f_detach()?)?;
        let Affine { kernel, bias } = self.weights.stored()?;
        let output = device::filled(&[x.size()[0], height, width, outputs], |into| {
            let images = device::numbers(&images);
            let bias = bias.as_ref().map(device::numbers);
            match &self.turned {
                Some(turned) => computed.forward(images, turned, bias, into),
                None => computed.forward(images, &computed.turned(device::numbers(&kernel)), bias, into),
            }
        })?;
        let output = as_computed(&output)?;
        if self.weights.is_recorded(x) {
            let (x_wanted, kernel_wanted) = (x.requires_grad(), self.weights.kernel.requires_grad());
            let has_bias = bias.is_some();
            let back = move |gradient: &Tensor| {
                let slopes = as_stored(gradient)?;
                let (numbers, weights) = (device::numbers(&slopes), device::numbers(&kernel));
                let by_kernel = kernel_wanted && computed.has_kernel_gradient();
                let mut of_kernel = None;
                let mut compute = |into: Option<&mut [f32]>| {
                    of_kernel = computed.backward(device::numbers(&images), numbers, weights, into, by_kernel);
                };
                let filled =
                    x_wanted.then(|| device::filled(&images.size(), |into| compute(Some(into)))).transpose()?;
                // Of an empty batch there is nothing to fill.
                if !x_wanted || images.numel() == 0 {
                    compute(None);
                }
                let of_images = filled.as_ref().map(as_computed).transpose()?;
                let as_tensor =
                    |numbers: Vec<f32>| as_computed(&Tensor::f_from_slice(&numbers)?.f_view(&kernel.size()[..])?);
                let of_kernel = match of_kernel {
                    None if kernel_wanted => {
                        let (slopes, images) = (as_computed(&slopes)?, as_computed(&images)?);
                        Some(device::kernel_gradient(&slopes, &images, &as_computed(&kernel)?, 1)?)
                    }
                    of_kernel => of_kernel.map(as_tensor).transpose()?,
                };
                let mut all = vec![of_images, of_kernel];
                if has_bias {
                    all.push(Some(slopes.f_sum_dim_intlist([0i64, 1, 2].as_slice(), false, tch::Kind::Float)?));
                }
                Ok(all)
            };
            differentiable(&output, &self.weights.inputs(x), Box::new(back))?;
        }
        Ok(output)
    }

    fn settle(&mut self) -> Result<(), TchError> {
        self.turned = Some(self.computed.turned(device::numbers(&self.weights.stored()?.kernel)));
        Ok(())
    }

    fn instructions(&self) -> Option<Instructions> {
        Some(self.computed.instructions())
    }

    fn describe(&self) -> Option<String> {
        let what = match self.computed {
            Kernel::Full(_) => "convolution",
            Kernel::Depthwise(_) => "depthwise convolution",
        };
        Some(format!("kernel: {what} ({})", self.computed.instructions().name()))
    }
}
