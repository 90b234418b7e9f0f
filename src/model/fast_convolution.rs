//! A convolution of 3x3 by the program's own kernel.

use crate::{
    device::{self, differentiable},
    kernel::{Convolution as Kernel, Instructions, Scratch, Shape},
    layer::{
        Affine, Forward, Pass, as_computed, as_stored,
        conv2d::{Convolution, bias_gradient},
    },
};
use tch::{TchError, Tensor};

/// A convolution as an operation: `[batch, inputs, height, width]` becomes `[batch, outputs, height, width]`.
pub struct FastConvolution {
    /// The kernel, OIHW, and the bias.
    weights: Affine,
    computed: Kernel,
    /// The kernel as it is read, where it stays.
    turned: Option<Scratch>,
}

impl FastConvolution {
    /// The same as `convolution`; nothing where the kernel doesn't serve it.
    pub fn new(convolution: &Convolution, instructions: Instructions) -> Option<Self> {
        convolution.plain(3).filter(|border| *border == 1)?;
        let [height, width, inputs] = convolution.input;
        let shape = Shape { height, width, inputs, outputs: convolution.weights.kernel.size()[0] as usize };
        Kernel::fits(&shape).then(|| FastConvolution {
            weights: convolution.weights.shared(),
            computed: Kernel { shape, instructions, threads: 1 },
            turned: None,
        })
    }
}

impl Forward for FastConvolution {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let computed = Kernel { threads: device::threads(), ..self.computed };
        let Shape { height, width, outputs, .. } = computed.shape;
        let images = as_stored(&x.f_detach()?)?;
        let Affine { kernel, bias } = self.weights.stored()?;
        let output = device::filled(&[x.size()[0], height as i64, width as i64, outputs as i64], |into| {
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
                let of_images = match x_wanted {
                    true => Some(as_computed(&device::filled(&images.size(), |into| compute(Some(into)))?)?),
                    false => {
                        compute(None);
                        None
                    }
                };
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
                    all.push(Some(bias_gradient(&slopes)?));
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
        Some(self.computed.instructions)
    }

    fn describe(&self) -> Option<String> {
        Some(format!("kernel: convolution ({})", self.computed.instructions.name()))
    }
}
