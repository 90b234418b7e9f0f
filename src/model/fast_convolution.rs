//! A convolution of 3x3 by the program's own kernel.

use crate::{
    device::{self, differentiable},
    kernel::{Convolution as Kernel, Instructions, Moments, Normalization, OutputGradient, Scratch, Shape, Statistics},
    layer::{
        Affine, Forward, Pass, as_computed, as_stored,
        conv2d::{Convolution, bias_gradient},
    },
};
use tch::{TchError, Tensor};

/// A convolution as an operation: `[batch, inputs, height, width]` becomes `[batch, outputs, height, width]`.
pub struct FastConvolution {
    /// The layer's.
    pub convolution: Convolution,
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
            convolution: convolution.with(convolution.weights.shared()),
            computed: Kernel { shape, instructions, threads: 1 },
            turned: None,
        })
    }

    /// Whether its kernel's gradient comes from [`Trace::gradients`].
    pub fn has_kernel_gradient(&self) -> bool {
        self.computed.has_kernel_gradient()
    }

    /// What it computes from `x`, `[batch, height, width, outputs]`, with what the way back needs; `moments` look at each image while it is
    /// in the cache.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn convolve(&self, x: &Tensor, moments: Option<&mut Moments>) -> Result<(Tensor, Trace), TchError> {
        let computed = Kernel { threads: device::threads(), ..self.computed };
        let Shape { height, width, outputs, .. } = computed.shape;
        let images = as_stored(&x.f_detach()?)?;
        let Affine { kernel, bias } = self.convolution.weights.stored()?;
        let output = device::filled(&[x.size()[0], height as i64, width as i64, outputs as i64], |into| {
            let images = device::numbers(&images);
            let bias = bias.as_ref().map(device::numbers);
            match &self.turned {
                Some(turned) => computed.forward(images, turned, bias, moments, into),
                None => computed.forward(images, &computed.turned(device::numbers(&kernel)), bias, moments, into),
            }
        })?;
        let (of_images, of_kernel) = (x.requires_grad(), self.convolution.weights.kernel.requires_grad());
        Ok((output, Trace { computed, images, kernel, of_images, of_kernel }))
    }

    /// The same of one image at least, with the statistics of what it computes.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn convolve_and_look(
        &self,
        x: &Tensor,
        normalization: Normalization,
    ) -> Result<(Tensor, Statistics, Trace), TchError> {
        let Shape { height, width, outputs, .. } = self.computed.shape;
        let mut moments = Moments::new(normalization, x.size()[0] as usize, height * width * outputs);
        let (output, trace) = self.convolve(x, Some(&mut moments))?;
        Ok((output, moments.statistics(), trace))
    }
}

/// What the way back needs of the way there.
pub struct Trace {
    computed: Kernel,
    images: Tensor,
    kernel: Tensor,
    of_images: bool,
    of_kernel: bool,
}

impl Trace {
    /// The gradients that are wanted of the images and of the kernel; the latter only where the program's own kernel is the faster one.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn gradients(&self, of_output: OutputGradient<'_>) -> Result<[Option<Tensor>; 2], TchError> {
        let (images, kernel) = (device::numbers(&self.images), device::numbers(&self.kernel));
        let by_kernel = self.of_kernel && self.computed.has_kernel_gradient();
        let mut of_kernel = None;
        let mut compute = |into: Option<&mut [f32]>| {
            of_kernel = self.computed.backward(images, of_output, kernel, into, by_kernel);
        };
        let of_images = match self.of_images {
            true => Some(as_computed(&device::filled(&self.images.size(), |into| compute(Some(into)))?)?),
            false => {
                compute(None);
                None
            }
        };
        let as_tensor =
            |numbers: Vec<f32>| as_computed(&Tensor::f_from_slice(&numbers)?.f_view(&self.kernel.size()[..])?);
        Ok([of_images, of_kernel.map(as_tensor).transpose()?])
    }
}

impl Forward for FastConvolution {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let (output, trace) = self.convolve(x, None)?;
        let output = as_computed(&output)?;
        let weights = &self.convolution.weights;
        if weights.is_recorded(x) {
            let has_bias = weights.bias.is_some();
            let back = move |gradient: &Tensor| {
                let slopes = as_stored(gradient)?;
                let mut all =
                    trace.gradients(OutputGradient::Numbers(device::numbers(&slopes)))?.into_iter().collect::<Vec<_>>();
                if trace.of_kernel && all[1].is_none() {
                    let [slopes, images, kernel] = [&slopes, &trace.images, &trace.kernel].map(as_computed);
                    all[1] = Some(device::kernel_gradient(&slopes?, &images?, &kernel?, 1)?);
                }
                if has_bias {
                    all.push(Some(bias_gradient(&slopes)?));
                }
                Ok(all)
            };
            differentiable(&output, &weights.inputs(x), Box::new(back))?;
        }
        Ok(output)
    }

    fn settle(&mut self) -> Result<(), TchError> {
        let kernel = self.convolution.weights.stored()?.kernel;
        self.turned = Some(self.computed.turned(device::numbers(&kernel)));
        Ok(())
    }

    fn instructions(&self) -> Option<Instructions> {
        Some(self.computed.instructions)
    }

    fn describe(&self) -> Option<String> {
        Some(format!("kernel: convolution ({})", self.computed.instructions.name()))
    }
}
