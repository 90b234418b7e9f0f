//! A convolution of 1x1 whose kernel gets its gradient from the program's own kernel.

use crate::{
    device::{self, differentiable},
    kernel::{Instructions, Pointwise},
    layer::{
        Affine, Forward, Pass, as_computed, as_stored,
        conv2d::{Convolution, bias_gradient},
    },
};
use tch::{TchError, Tensor};

/// A convolution as an operation: `[batch, inputs, height, width]` becomes `[batch, outputs, height, width]`.
pub struct PointwiseConvolution {
    /// The kernel, OI11, and the bias.
    weights: Affine,
    computed: Pointwise,
}

impl PointwiseConvolution {
    /// The same as `convolution`; nothing where the kernel doesn't serve it.
    pub fn new(convolution: &Convolution, instructions: Instructions) -> Option<Self> {
        convolution.plain(1).filter(|border| *border == 0)?;
        let [.., inputs] = convolution.input;
        let outputs = convolution.weights.kernel.size()[0] as usize;
        Pointwise::fits(inputs, outputs).then(|| PointwiseConvolution {
            weights: convolution.weights.shared(),
            computed: Pointwise { inputs, outputs, instructions, threads: 1 },
        })
    }
}

impl Forward for PointwiseConvolution {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        if !self.weights.is_recorded(x) {
            return convolved(x, &self.weights.kernel, self.weights.bias.as_ref());
        }
        let computed = Pointwise { threads: device::threads(), ..self.computed };
        let images = as_stored(&x.f_detach()?)?;
        let kernel = self.weights.kernel.f_detach()?;
        let bias = self.weights.bias.as_ref().map(Tensor::f_detach).transpose()?;
        let output = convolved(&as_computed(&images)?, &kernel, bias.as_ref())?;
        let (x_wanted, kernel_wanted) = (x.requires_grad(), self.weights.kernel.requires_grad());
        let has_bias = bias.is_some();
        let back = move |gradient: &Tensor| {
            let slopes = as_stored(gradient)?;
            // What went out comes back through the same weights.
            let of_images =
                x_wanted.then(|| convolved(&as_computed(&slopes)?, &kernel.f_transpose(0, 1)?, None)).transpose()?;
            let of_kernel = kernel_wanted.then(|| {
                let numbers = computed.kernel_gradient(device::numbers(&images), device::numbers(&slopes));
                Tensor::f_from_slice(&numbers)?.f_view(&kernel.size()[..])
            });
            let mut all = vec![of_images, of_kernel.transpose()?];
            if has_bias {
                all.push(Some(bias_gradient(&slopes)?));
            }
            Ok(all)
        };
        differentiable(&output, &self.weights.inputs(x), Box::new(back))?;
        Ok(output)
    }

    fn instructions(&self) -> Option<Instructions> {
        Some(self.computed.instructions)
    }

    fn describe(&self) -> Option<String> {
        Some(format!("convolution, kernel: its gradient ({})", self.computed.instructions.name()))
    }
}

fn convolved(x: &Tensor, kernel: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, TchError> {
    x.f_conv2d(kernel, bias, [1, 1], [0, 0], [1, 1], 1)
}
