//! Normalization over a batch of which several processes have a part each, by the moments of all of it.
//!
//! With `n` values of a channel in all parts: `mean = sum(x) / n`, `variance = sum((x - mean)^2) / n` and
//! `z = (x - mean) / sqrt(variance + epsilon)`. From the gradient `g` of `y = gamma * z + beta` follows that of `x`,
//! `gamma / sqrt(variance + epsilon) * (g - sum(g) / n - z * sum(g * z) / n)`. All sums are over all parts. The gradients of gamma
//! and beta are those of the part, as with every other parameter: training adds them up.

use super::for_each_channel;
use crate::{device, distributed::Group};
use tch::{Kind, TchError, Tensor};

/// A part of a batch, normalized.
pub(super) struct Normalized {
    /// What became of it, `[batch, channels, ...]`.
    pub y: Tensor,
    /// The mean of the whole batch, `[channels]`.
    pub mean: Tensor,
    /// Its variance, the biased one.
    pub variance: Tensor,
}

/// The sums over all processes of vectors of 64 bits, in one message.
fn sums(vectors: &[Tensor], group: &Group) -> Result<Vec<Tensor>, TchError> {
    let lengths: Vec<i64> = vectors.iter().map(|vector| vector.size()[0]).collect();
    let all = Tensor::f_cat(vectors, 0)?;
    group.sum(std::slice::from_ref(&all)).map_err(|problem| TchError::Torch(problem.message.clone()))?;
    all.f_split_with_sizes(lengths.as_slice(), 0)
}

/// Normalizes `x`, this process's part, `[batch, channels]` or `[batch, channels, height, width]`; it may be of no example. All
/// processes of `group` have to.
///
/// # Errors
/// What libtorch reports, or that another process is gone.
pub(super) fn normalize(
    x: &Tensor,
    gamma: Option<&Tensor>,
    beta: Option<&Tensor>,
    epsilon: f64,
    group: &Group,
) -> Result<Normalized, TchError> {
    let (kind, channels) = (x.kind(), x.size()[1]);
    let others: Vec<i64> = (0..x.dim() as i64).filter(|axis| *axis != 1).collect();
    let own = gamma.map(Tensor::f_detach).transpose()?;
    let forward = || {
        let values = x.f_detach()?.f_to_kind(Kind::Float)?;
        let count = (values.numel() as i64 / channels) as f64;
        let doubles = (Kind::Double, values.device());
        let [sum, squares] = match count > 0.0 {
            true => {
                let (variance, mean) = values.f_var_mean_correction(others.as_slice(), 0, false)?;
                let (variance, mean) = (variance.f_to_kind(Kind::Double)?, mean.f_to_kind(Kind::Double)?);
                [mean.f_mul_scalar(count)?, variance.f_add(&mean.f_square()?)?.f_mul_scalar(count)?]
            }
            false => [Tensor::f_zeros([channels], doubles)?, Tensor::f_zeros([channels], doubles)?],
        };
        let all = sums(&[sum, squares, Tensor::f_full([1], count, doubles)?], group)?;
        let count = all[2].f_double_value(&[0])?;
        let mean = all[0].f_div_scalar(count)?;
        let variance = all[1].f_div_scalar(count)?.f_sub(&mean.f_square()?)?.f_clamp_min(0.0)?;
        let inverse = variance.f_add_scalar(epsilon)?.f_rsqrt()?.f_to_kind(Kind::Float)?;
        let (mean, variance) = (mean.f_to_kind(Kind::Float)?, variance.f_to_kind(Kind::Float)?);
        let centered = values.f_sub(&for_each_channel(&mean, x)?)?;
        let z = centered.f_mul(&for_each_channel(&inverse, x)?)?;
        // A tensor of its own, lest the output keeps itself alive.
        let mut y = z.f_detach()?;
        if let Some(gamma) = &own {
            y = y.f_mul(&for_each_channel(gamma, x)?)?;
        }
        if let Some(beta) = beta {
            y = y.f_add(&for_each_channel(&beta.f_detach()?, x)?)?;
        }
        Ok::<_, TchError>((Normalized { y: y.f_to_kind(kind)?, mean, variance }, z, inverse, count))
    };
    let (normalized, z, inverse, count) = tch::no_grad(forward)?;
    let inputs: Vec<&Tensor> = [Some(x), gamma, beta].into_iter().flatten().collect();
    if !(device::is_recording() && inputs.iter().any(|input| input.requires_grad())) {
        return Ok(normalized);
    }
    let (has_beta, group) = (beta.is_some(), group.clone());
    let back = move |gradient: &Tensor| {
        let gradient = gradient.f_to_kind(Kind::Float)?;
        let over_batch = |values: &Tensor| values.f_sum_dim_intlist(others.as_slice(), false, Kind::Double);
        let (of_beta, of_gamma) = (over_batch(&gradient)?, over_batch(&gradient.f_mul(&z)?)?);
        let all = sums(&[of_beta.shallow_clone(), of_gamma.shallow_clone()], &group)?;
        let mean = |sum: &Tensor| for_each_channel(&sum.f_div_scalar(count)?.f_to_kind(Kind::Float)?, &gradient);
        let factor = own.as_ref().map_or_else(|| Ok(inverse.shallow_clone()), |gamma| inverse.f_mul(gamma))?;
        let of_x = gradient.f_sub(&mean(&all[0])?)?.f_sub(&z.f_mul(&mean(&all[1])?)?)?;
        let mut gradients = vec![Some(of_x.f_mul(&for_each_channel(&factor, &gradient)?)?.f_to_kind(kind)?)];
        if own.is_some() {
            gradients.push(Some(of_gamma.f_to_kind(Kind::Float)?));
        }
        if has_beta {
            gradients.push(Some(of_beta.f_to_kind(Kind::Float)?));
        }
        Ok(gradients)
    };
    device::differentiable(&normalized.y, &inputs, Box::new(back))?;
    Ok(normalized)
}
