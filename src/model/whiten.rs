//! Filters that whiten: the principal components of the training images' windows, each scaled to variance 1 (Jordan, 2024).
//!
//! With the eigenvalues and eigenvectors of `sum(w w') / count` over all windows `w`, a pair of filters is
//! `+-vector / sqrt(value + 5e-4)`, the largest eigenvalues first.

use super::{Model, computation, host::to_device};
use crate::{
    check::Plan,
    data::HostBatch,
    diagnostic::Result,
    layer::{Conv2d, Initializer, Layer, Pass},
};
use tch::{Device, Kind, TchError, Tensor};

/// From so many examples windows are taken.
pub const WHITENING_EXAMPLES: usize = 1000;
/// So many are computed with at once.
const PART: i64 = 125;
/// Keeps windows that hardly vary from being blown up.
const EPSILON: f64 = 5e-4;

fn whitening(layer: &Layer) -> Option<&Conv2d> {
    match layer {
        Layer::Conv2d(convolution) if convolution.kernel_initializer == Initializer::Whitening => Some(convolution),
        _ => None,
    }
}

/// Whether a convolution among `layers` waits for images.
pub fn wants_images(layers: &[Layer]) -> bool {
    layers.iter().any(|layer| whitening(layer).is_some())
}

/// Gives the convolutions of `model` that whiten their kernels, from `images` of the training data.
///
/// # Errors
/// What libtorch reports.
pub fn whiten(model: &Model, layers: &[Layer], plan: &Plan, images: &HostBatch) -> Result<()> {
    for (at, (layer, planned)) in layers.iter().zip(&plan.layers).enumerate() {
        let Some(convolution) = whitening(layer) else { continue };
        let name = format!("{}.kernel", planned.row.name);
        let Some(kernel) = model.parameters().iter().find(|parameter| parameter.name == name) else { continue };
        let pass = Pass::inference(0);
        tch::no_grad(|| {
            let before = model.beginning(at)?;
            let (images, _) = to_device(images, plan.input, model.device())?;
            let mut moments = None;
            for part in images.f_split(PART, 0)? {
                let reached = before.forward(&part, &pass).map_err(|failure| failure.error)?;
                let part = second_moments(&reached, convolution)?;
                moments = Some(moments.map_or(Ok(part.shallow_clone()), |sum: Tensor| sum.f_add(&part))?);
            }
            let filters = moments.map(|moments| filters(&moments, &kernel.tensor.size())).transpose()?;
            filters.map_or(Ok(()), |filters| kernel.tensor.shallow_clone().f_copy_(&filters).map(|_| ()))
        })
        .map_err(|error: TchError| computation(&error, &format!("`{}`", planned.row.name)))?;
    }
    Ok(())
}

/// The sum of `w w'` over the windows of images, `[batch, channels, height, width]`, and behind it, in a last column, their number.
fn second_moments(images: &Tensor, convolution: &Conv2d) -> std::result::Result<Tensor, TchError> {
    let pairs = [convolution.kernel_size, convolution.dilation_rate, convolution.strides];
    let [size, dilation_rate, strides] = pairs.map(|pair| pair.0.map(|n| n as i64));
    let windows = images.f_im2col(size, dilation_rate, [0, 0], strides)?;
    let products = windows.f_bmm(&windows.f_transpose(1, 2)?)?.f_to_device(Device::Cpu)?;
    // Not every device has numbers of 64 bits.
    let sum = products.f_sum_dim_intlist([0].as_slice(), false, Kind::Double)?;
    let count = (windows.size()[0] * windows.size()[2]) as f64;
    let count = Tensor::f_full([sum.size()[0], 1], count, (Kind::Double, sum.device()))?;
    Tensor::f_cat(&[sum, count], 1)
}

/// The filters that follow from what [`second_moments`] summed up.
fn filters(moments: &Tensor, shape: &[i64]) -> std::result::Result<Tensor, TchError> {
    let moments = moments.f_to_device(Device::Cpu)?;
    let (length, pairs) = (moments.size()[0], shape[0] / 2);
    let covariance = moments.f_narrow(1, 0, length)?.f_div(&moments.f_narrow(1, length, 1)?.f_clamp_min(1.0)?)?;
    // In rising order, a column each.
    let (values, vectors) = covariance.f_linalg_eigh("L")?;
    let values = values.f_flip([0])?.f_narrow(0, 0, pairs)?.f_clamp_min(0.0)?;
    let vectors = vectors.f_transpose(0, 1)?.f_flip([0])?.f_narrow(0, 0, pairs)?;
    // Which way a vector points is chance: its largest number is to be positive.
    let largest = vectors.f_abs()?.f_argmax(1, true)?;
    let signs = vectors.f_gather(1, &largest, false)?.f_sign()?;
    let factors = values.f_add_scalar(EPSILON)?.f_rsqrt()?.f_unsqueeze(1)?;
    let halves = vectors.f_mul(&signs)?.f_mul(&factors)?;
    Tensor::f_cat(&[halves.shallow_clone(), halves.f_neg()?], 0)?.f_view(shape)?.f_to_kind(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{data::BatchLabels, random::Purpose};
    use serde_json::json;

    #[test]
    fn what_leaves_the_filters_is_uncorrelated_and_of_variance_1() {
        let layer = |layer| serde_json::from_value::<Layer>(layer).unwrap();
        let layers = [
            layer(json!({"rescaling": {"scale": 0.01, "offset": -1.28}})),
            layer(json!({"conv2d": {
                "filters": 12, "kernel_size": 2, "strides": 2, "use_bias": false, "trainable": false,
                "kernel_initializer": "whitening"
            }})),
        ];
        let plan = Plan::new(&layers, [8, 8, 2]).unwrap();
        let mut draws = Purpose::new(3, "images").stream(0, 0);
        let bytes: Vec<u8> = (0..300 * 128).map(|_| (draws.unit() * 256.0) as u8).collect();
        let labels = BatchLabels::Classes(vec![0; 300]);
        let images = HostBatch { examples: bytes.into(), labels, ..HostBatch::default() };
        assert!(wants_images(&layers) && !wants_images(&layers[..1]));
        let model = Model::new(&layers, &plan, 0, Device::Cpu).unwrap();
        whiten(&model, &layers, &plan, &images).unwrap();
        let kernel = &model.parameters()[0];
        assert!(!kernel.trainable && !kernel.tensor.requires_grad());
        let (images, _) = to_device(&images, plan.input, Device::Cpu).unwrap();
        let pass = Pass::training(0, 0);
        let outputs = model.forward(&images, &pass).map_err(|failure| failure.error).unwrap();
        let outputs = outputs.permute([1, 0, 2, 3]).reshape([12, -1]);
        assert!((outputs.narrow(0, 0, 6) + outputs.narrow(0, 6, 6)).abs().max().double_value(&[]) < 1e-4);
        let halves = outputs.narrow(0, 0, 6);
        let correlation = halves.matmul(&halves.transpose(0, 1)) / halves.size()[1] as f64;
        let off = (correlation - Tensor::eye(6, (Kind::Float, Device::Cpu))).abs().max().double_value(&[]);
        assert!(off < 0.01, "{off}");
    }
}
