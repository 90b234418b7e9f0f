//! A convolution of 3x3 by the program's own kernel.

use super::fused_block::{KERNEL, channels_last};
use crate::{
    device::{self, differentiable},
    kernel::{Convolution as Kernel, Instructions, Shape},
    layer::{Forward, Pass, conv2d::Convolution},
};
use tch::{TchError, Tensor};

/// A convolution as an operation: `[batch, inputs, height, width]` becomes `[batch, outputs, height, width]`.
pub struct FastConvolution {
    /// OIHW, stored as OHWI.
    kernel: Tensor,
    bias: Option<Tensor>,
    computed: Kernel,
}

impl FastConvolution {
    /// The same as `convolution`; nothing where the kernel doesn't serve it.
    pub fn new(convolution: &Convolution, instructions: Instructions) -> Option<Self> {
        convolution.plain_3x3().filter(|border| *border == 1)?;
        let [height, width, inputs] = convolution.input;
        let shape = Shape { height, width, inputs, outputs: convolution.kernel.size()[0] as usize };
        Kernel::fits(&shape).then(|| FastConvolution {
            kernel: convolution.kernel.shallow_clone(),
            bias: convolution.bias.as_ref().map(Tensor::shallow_clone),
            computed: Kernel { shape, instructions, threads: 1 },
        })
    }
}

impl Forward for FastConvolution {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let computed = Kernel { threads: tch::get_num_threads().max(1) as usize, ..self.computed };
        let Shape { height, width, outputs, .. } = computed.shape;
        let images = channels_last(&x.f_detach()?)?;
        let kernel = channels_last(&self.kernel.f_detach()?)?;
        let bias = self.bias.as_ref().map(|bias| bias.f_detach()?.f_contiguous()).transpose()?;
        let output = device::filled(&[x.size()[0], height as i64, width as i64, outputs as i64], |into| {
            let images = device::numbers(&images).expect("contiguous numbers");
            let weights = device::numbers(&kernel).expect("contiguous numbers");
            computed.forward(images, weights, bias.as_ref().and_then(device::numbers), into);
        })?;
        let output = output.f_permute([0, 3, 1, 2])?;
        let wants = |tensor: &Tensor| tensor.requires_grad();
        let (x_wanted, kernel_wanted, has_bias) = (wants(x), wants(&self.kernel), self.bias.is_some());
        if (x_wanted || kernel_wanted || self.bias.as_ref().is_some_and(wants)) && device::is_recording() {
            let inputs: Vec<&Tensor> = [x, &self.kernel].into_iter().chain(&self.bias).collect();
            let back = move |gradient: &Tensor| {
                let slopes = channels_last(gradient)?;
                let of_images = match x_wanted {
                    false => None,
                    true => Some(device::filled(&images.size(), |into| {
                        let slopes = device::numbers(&slopes).expect("contiguous numbers");
                        let weights = device::numbers(&kernel).expect("contiguous numbers");
                        computed.input_gradient(slopes, weights, into);
                    })?),
                };
                let first = |tensor: &Tensor| tensor.f_permute([0, 3, 1, 2]);
                let of_kernel = match kernel_wanted {
                    false => None,
                    true => Some(device::kernel_gradient(&first(&slopes)?, &first(&images)?, &first(&kernel)?, 1)?),
                };
                let mut all = vec![of_images.map(|of_images| first(&of_images)).transpose()?, of_kernel];
                if has_bias {
                    all.push(Some(slopes.f_sum_dim_intlist([0i64, 1, 2].as_slice(), false, tch::Kind::Float)?));
                }
                Ok(all)
            };
            differentiable(&output, &inputs, Box::new(back))?;
        }
        Ok(output)
    }

    fn describe(&self) -> Option<String> {
        Some(format!("{KERNEL}: convolution ({})", self.computed.instructions.name()))
    }
}
