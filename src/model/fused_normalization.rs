//! Batch normalization by the program's own kernel, with the convolution before it, the addition and the cut behind it.

use crate::{
    device::{self, differentiable},
    kernel::{Back, Cut, Instructions, Moments, Normalization, OutputGradient, Scaling},
    layer::{Forward, Operator, Pass, as_computed, as_stored, batch_normalization::Normalize, conv2d::Convolution},
    model::fast_convolution::FastConvolution,
};
use tch::{Kind, TchError, Tensor};

/// `relu(normalize(convolve(x)) + added)`, or with ReLU6, or a part of it.
pub struct FusedNormalization {
    convolution: Option<FastConvolution>,
    normalize: Normalize,
    computed: Normalization,
    adds: bool,
}

impl FusedNormalization {
    /// The same as `normalize` with, if wanted, an addition and then a cut behind it; nothing where the kernel doesn't serve it.
    pub fn new(normalize: &Normalize, adds: bool, cut: Cut, instructions: Instructions) -> Option<Self> {
        let (&channels, places) = normalize.input.split_last()?;
        Normalization::fits(places.iter().product(), channels).then(|| FusedNormalization {
            convolution: None,
            normalize: normalize.shared(),
            computed: Normalization { channels, cut, instructions, threads: 1 },
            adds,
        })
    }

    /// The same with the convolution before it, which has no bias; nothing where kernels don't serve it both ways.
    pub fn behind(self, convolution: &Convolution) -> Option<Self> {
        let convolution = FastConvolution::new(convolution, self.computed.instructions)?;
        let (_, places) = self.normalize.input.split_last()?;
        let serves = convolution.has_kernel_gradient()
            && convolution.convolution.weights.bias.is_none()
            && Moments::fits(places.iter().product());
        serves.then_some(FusedNormalization { convolution: Some(convolution), ..self })
    }

    /// Convolves, normalizes `x` and adds `added`, both `[batch, channels, ...]`.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn sum(&self, x: &Tensor, added: Option<&Tensor>, pass: &Pass) -> Result<Tensor, TchError> {
        let are_numbers = [Some(x), added].into_iter().flatten().all(|tensor| tensor.kind() == Kind::Float);
        // A convolution leaves rows and columns as they are.
        let fit = added.is_none_or(|added| self.convolution.is_some() || added.size() == x.size());
        if self.normalize.is_of_batch(pass) && are_numbers && fit && x.size()[0] > 0 {
            return self.of_batch(x, added);
        }
        let convolved = self.convolution.as_ref().map(|convolution| convolution.forward(x, pass)).transpose()?;
        let mut y = self.normalize.forward(convolved.as_ref().unwrap_or(x), pass)?;
        if let Some(added) = added {
            y = y.f_add(added)?;
        }
        match self.computed.cut {
            Cut::Nothing => Ok(y),
            Cut::Relu => y.f_relu(),
            Cut::Relu6 => y.f_relu6(),
        }
    }

    fn of_batch(&self, x: &Tensor, added: Option<&Tensor>) -> Result<Tensor, TchError> {
        let computed = Normalization { threads: device::threads(), ..self.computed };
        let Normalize { gamma, beta, epsilon, .. } = &self.normalize;
        let (normalized, statistics, trace) = match &self.convolution {
            Some(convolution) => {
                let (output, statistics, trace) = convolution.convolve_and_look(x, computed)?;
                (output, statistics, Some(trace))
            }
            None => {
                let stored = as_stored(&x.f_detach()?)?;
                let statistics = computed.statistics(device::numbers(&stored));
                (stored, statistics, None)
            }
        };
        let added_stored = added.map(|added| as_stored(&added.f_detach()?)).transpose()?;
        let values = device::numbers(&normalized);
        self.normalize
            .follow(&Tensor::f_from_slice(&statistics.mean)?, &Tensor::f_from_slice(&statistics.variance)?)?;

        let channels = computed.channels;
        let given = |tensor: &Option<Tensor>, otherwise: f32| -> Vec<f32> {
            let detached = tensor.as_ref().map(Tensor::detach);
            let numbers = detached.as_ref().map(device::numbers).map(<[f32]>::to_vec);
            numbers.unwrap_or_else(|| vec![otherwise; channels])
        };
        let inverse: Vec<f64> =
            statistics.variance.iter().map(|variance| 1.0 / (f64::from(*variance) + epsilon).sqrt()).collect();
        let factor: Vec<f32> = given(gamma, 1.0)
            .iter()
            .zip(&inverse)
            .map(|(gamma, inverse)| (f64::from(*gamma) * inverse) as f32)
            .collect();
        let mean = statistics.mean;
        let offsets = given(beta, 0.0).into_iter().zip(&mean).zip(&factor);
        let offset: Vec<f32> = offsets
            .map(|((beta, mean), factor)| (f64::from(beta) - f64::from(*mean) * f64::from(*factor)) as f32)
            .collect();
        let output = device::filled(&normalized.size(), |into| {
            let added = added_stored.as_ref().map(device::numbers);
            computed.forward(values, Scaling { factor: &factor, offset: &offset }, added, into);
        })?;
        let y = as_computed(&output)?;
        let kernel = self.convolution.as_ref().map(|convolution| &convolution.convolution.weights.kernel);
        let all = [Some(x), kernel, gamma.as_ref(), beta.as_ref(), added];
        let inputs: Vec<&Tensor> = all.into_iter().flatten().collect();
        if !(device::is_recording() && inputs.iter().any(|input| input.requires_grad())) {
            return Ok(y);
        }
        let cuts = computed.cut != Cut::Nothing;
        // A tensor of its own, lest the output keeps itself alive.
        let kept_output = (cuts && self.adds).then(|| output.f_detach()).transpose()?;
        let (has_gamma, has_beta, adds) = (gamma.is_some(), beta.is_some(), self.adds);
        let back = move |gradient: &Tensor| {
            let stored = as_stored(gradient)?;
            let back = Back {
                gradient: device::numbers(&stored),
                values: device::numbers(&normalized),
                mean: &mean,
                scaling: Scaling { factor: &factor, offset: &offset },
                output: kept_output.as_ref().map(device::numbers),
            };
            let mut sums = None;
            // Without a cut the gradient passes an addition as it is.
            let of_added = match (adds, cuts) {
                (false, _) => None,
                (true, false) => Some(stored.shallow_clone()),
                (true, true) => Some(device::filled(&normalized.size(), |into| {
                    sums = Some(computed.sums(back, Some(into)));
                })?),
            };
            let sums = sums.unwrap_or_else(|| computed.sums(back, None));
            let rows = (back.values.len() / channels) as f64;
            let a: Vec<f32> = sums.gradient.iter().map(|sum| (sum / rows) as f32).collect();
            let b = sums.product.iter().zip(&inverse).map(|(sum, inverse)| (sum * inverse * inverse / rows) as f32);
            let b: Vec<f32> = b.collect();
            // What was cut is cut already where its gradient was written.
            let behind = of_added.as_ref().filter(|_| cuts).map(device::numbers);
            let (last, back) = match behind {
                Some(gradient) => {
                    (Normalization { cut: Cut::Nothing, ..computed }, Back { gradient, output: None, ..back })
                }
                None => (computed, back),
            };
            let slopes = last.slopes(back, [&a, &b]);
            let mut all = match &trace {
                Some(trace) => trace.gradients(OutputGradient::Normalized(&slopes))?.into_iter().collect(),
                None => {
                    let of_x = device::filled(&normalized.size(), |into| slopes.write(into))?;
                    vec![Some(as_computed(&of_x)?)]
                }
            };
            if has_gamma {
                let products = sums.product.iter().zip(&inverse).map(|(sum, inverse)| (sum * inverse) as f32);
                all.push(Some(Tensor::f_from_slice(&products.collect::<Vec<_>>())?));
            }
            if has_beta {
                let single: Vec<f32> = sums.gradient.iter().map(|sum| *sum as f32).collect();
                all.push(Some(Tensor::f_from_slice(&single)?));
            }
            if let Some(of_added) = of_added {
                all.push(Some(as_computed(&of_added)?));
            }
            Ok(all)
        };
        differentiable(&y, &inputs, Box::new(back))?;
        Ok(y)
    }
}

impl Forward for FusedNormalization {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor, TchError> {
        self.sum(x, None, pass)
    }

    fn operator(&self) -> Operator<'_> {
        // What is behind the row that it ends may still be fused with it.
        match (self.computed.cut, &self.convolution) {
            (Cut::Nothing, None) => Operator::BatchNormalization(&self.normalize),
            (Cut::Nothing, Some(fast)) => Operator::NormalizedConvolution(&fast.convolution, &self.normalize),
            (Cut::Relu | Cut::Relu6, _) => Operator::Other,
        }
    }

    fn instructions(&self) -> Option<Instructions> {
        Some(self.computed.instructions)
    }

    fn describe(&self) -> Option<String> {
        let convolved = if self.convolution.is_some() { "convolution, " } else { "" };
        let added = if self.adds { ", add" } else { "" };
        let cut = match self.computed.cut {
            Cut::Nothing => "",
            Cut::Relu => ", relu",
            Cut::Relu6 => ", relu6",
        };
        Some(format!("kernel: {convolved}normalize{added}{cut} ({})", self.computed.instructions.name()))
    }
}
