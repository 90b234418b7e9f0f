//! Random numbers for the examples of a batch, keyed by the layer, the step and the example's place in the batch.

use super::Pass;
use crate::{
    device,
    random::{Purpose, Stream},
};
use tch::{Device, Kind, TchError, Tensor};

/// `[batch, ...]` of `size`, drawn for each example from its own numbers, in the order of memory; of the kind and on the device of
/// `like`.
pub(super) fn for_examples(
    size: &[i64],
    layer: &str,
    pass: &Pass,
    like: &Tensor,
    draw: impl Fn(&mut Stream) -> f32 + Sync,
) -> Result<Tensor, TchError> {
    let purpose = Purpose::new(pass.seed, &format!("dropout/{layer}"));
    let length = size[1..].iter().product::<i64>().max(1) as usize;
    let drawn = device::filled(size, |into| {
        let examples = into.chunks_mut(length).enumerate().collect();
        device::in_parallel(examples, |(example, values): (usize, &mut [f32])| {
            let mut stream = purpose.stream(pass.step, example as u32);
            values.iter_mut().for_each(|value| *value = draw(&mut stream));
        });
    })?;
    debug_assert!(drawn.kind() == Kind::Float && drawn.device() == Device::Cpu);
    drawn.f_to_device(like.device())?.f_to_kind(like.kind())
}

/// With this probability 0, and else what keeps the mean.
pub(super) fn kept(rate: f64) -> impl Fn(&mut Stream) -> f32 + Sync {
    let (threshold, kept) = ((rate * f64::from(u32::MAX)) as u32, (1.0 / (1.0 - rate)) as f32);
    move |stream| if stream.bits() >= threshold { kept } else { 0.0 }
}
