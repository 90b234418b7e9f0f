//! Statistics of the training data for the `normalization` layers.

use super::{Model, computation};
use crate::{
    check::Plan,
    data::Statistics,
    diagnostic::Result,
    layer::{Layer, normalization},
};
use tch::{TchError, Tensor};

/// Whether a `normalization` among `layers` waits for the statistics of the data.
pub fn wants_statistics(layers: &[Layer]) -> bool {
    layers.iter().any(|layer| matches!(layer, Layer::Normalization(normalization) if normalization.adapts()))
}

/// Gives the `normalization` layers of `model` mean and variance of what reaches them, where the training data have
/// `statistics`. Before them stand only layers that scale, which the check sees to.
///
/// # Errors
/// What libtorch reports.
pub fn adapt(model: &Model, layers: &[Layer], plan: &Plan, statistics: &Statistics) -> Result<()> {
    let mut statistics = shifted_where_constant(statistics);
    for (layer, planned) in layers.iter().zip(&plan.layers) {
        match layer {
            Layer::Rescaling(rescaling) => statistics.scale(|_| (rescaling.scale, rescaling.offset)),
            Layer::Normalization(normalization) => {
                if normalization.adapts() {
                    let name = &planned.row.name;
                    put(model, &format!("{name}.mean"), &statistics.mean)
                        .and_then(|()| put(model, &format!("{name}.variance"), &statistics.variance))
                        .map_err(|error| computation(&error, &format!("`{name}`")))?;
                }
                return Ok(());
            }
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// `of` as it is behind the layers at the beginning of `layers` that scale and normalize, where the training data have the
/// statistics `train`; nothing where the model doesn't begin with such layers.
pub fn normalized(layers: &[Layer], of: &Statistics, train: &Statistics) -> Option<Statistics> {
    let (mut of, mut train) = (of.clone(), shifted_where_constant(train));
    for (index, layer) in layers.iter().enumerate() {
        match layer {
            Layer::Rescaling(rescaling) => {
                of.scale(|_| (rescaling.scale, rescaling.offset));
                train.scale(|_| (rescaling.scale, rescaling.offset));
            }
            Layer::Normalization(normalization) => {
                let (mean, variance) = match (&normalization.mean, &normalization.variance) {
                    (Some(mean), Some(variance)) => (mean, variance),
                    _ => (&train.mean, &train.variance),
                };
                of.scale(|channel| {
                    let factor = normalization::factor(variance[channel]);
                    (factor, -mean[channel] * factor)
                });
                return Some(of);
            }
            _ => return (index > 0).then_some(of),
        }
    }
    Some(of)
}

/// The same, where what never varies has variance 1, and so is shifted and not scaled. Keras would multiply it by ten
/// million: a category that only test rows have would drown everything else.
fn shifted_where_constant(statistics: &Statistics) -> Statistics {
    let mut statistics = statistics.clone();
    for (variance, mean) in statistics.variance.iter_mut().zip(&statistics.mean) {
        if *variance <= 1e-12 * mean * mean {
            *variance = 1.0;
        }
    }
    statistics
}

fn put(model: &Model, name: &str, values: &[f64]) -> std::result::Result<(), TchError> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    match model.parameters().iter().find(|parameter| parameter.name == name) {
        None => Ok(()),
        Some(parameter) => {
            tch::no_grad(|| parameter.tensor.shallow_clone().f_copy_(&Tensor::f_from_slice(&values)?).map(|_| ()))
        }
    }
}
