//! Random numbers for the examples of a batch, keyed by the layer, the step and the example's place in the batch.

use super::{Pass, as_computed};
use crate::{
    device,
    random::{Purpose, Stream},
};
use tch::{Kind, TchError, Tensor};

/// The random numbers of a layer that drops or disturbs values.
pub(super) fn purpose(layer: &str, pass: &Pass) -> Purpose {
    Purpose::new(pass.seed, &format!("dropout/{layer}"))
}

/// Below what 32 random bits a value is dropped, and what the others are multiplied by, so that the mean stays.
pub(super) fn threshold(rate: f64) -> (u32, f32) {
    ((rate * f64::from(u32::MAX)) as u32, (1.0 / (1.0 - rate)) as f32)
}

/// A number for each value of `x`, as [`for_examples`] draws them: in the order in which values lie in memory.
pub(super) fn for_values(
    x: &Tensor,
    layer: &str,
    pass: &Pass,
    draw: impl Fn(&mut Stream) -> f32 + Sync,
) -> Result<Tensor, TchError> {
    let size = match x.size()[..] {
        [batch, channels, height, width] => vec![batch, height, width, channels],
        ref size => size.to_vec(),
    };
    as_computed(&for_examples(&size, layer, pass, x, draw)?)
}

/// Bytes as numbers; numbers as they are.
pub(super) fn numbers(x: &Tensor) -> Result<Tensor, TchError> {
    if x.kind() == Kind::Uint8 { x.f_to_kind(Kind::Float) } else { Ok(x.shallow_clone()) }
}

/// `[batch, ...]` of `size`, drawn for each example from its own numbers, in the order of memory; of the kind and on the device of
/// `like`.
pub(super) fn for_examples(
    size: &[i64],
    layer: &str,
    pass: &Pass,
    like: &Tensor,
    draw: impl Fn(&mut Stream) -> f32 + Sync,
) -> Result<Tensor, TchError> {
    let (purpose, step, first) = (purpose(layer, pass), pass.step, pass.first);
    let length = size[1..].iter().product::<i64>().max(1) as usize;
    let drawn = device::filled(size, |into| {
        let examples = into.chunks_mut(length).enumerate().collect();
        device::in_parallel(examples, |(example, values): (usize, &mut [f32])| {
            let mut stream = purpose.stream(step, (first + example) as u32);
            values.iter_mut().for_each(|value| *value = draw(&mut stream));
        });
    })?;
    drawn.f_to_device(like.device())?.f_to_kind(like.kind())
}

/// With this probability 0, and else what keeps the mean.
pub(super) fn kept(rate: f64) -> impl Fn(&mut Stream) -> f32 + Sync {
    let (threshold, kept) = threshold(rate);
    move |stream| if stream.bits() >= threshold { kept } else { 0.0 }
}
