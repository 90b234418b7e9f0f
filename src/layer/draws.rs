//! Random numbers for the examples of a batch, keyed by the layer, the step and the example's place in the batch.
//!
//! A device with a generator of its own draws by that what there is much of, such as a mask for every value: it would have to wait
//! for the host. The generator begins anew each time, keyed by the seed, the layer and the step, so that it gives the same again on
//! such a device, but other numbers than the host.

use super::{Pass, as_computed};
use crate::{
    device,
    random::{Purpose, Stream},
};
use tch::{Device, Kind, TchError, Tensor};

/// The random numbers of a layer that drops or disturbs values.
pub(super) fn purpose(layer: &str, pass: &Pass) -> Purpose {
    Purpose::new(pass.seed, &format!("dropout/{layer}"))
}

/// Below what 32 random bits a value is dropped, and what the others are multiplied by, so that the mean stays.
pub(super) fn threshold(rate: f64) -> (u32, f32) {
    ((rate * f64::from(u32::MAX)) as u32, (1.0 / (1.0 - rate)) as f32)
}

/// A normally distributed number for each value of `x`, as [`for_examples`] draws them: in the order in which values lie in memory.
pub(super) fn normal(x: &Tensor, layer: &str, pass: &Pass, mean: f64, deviation: f64) -> Result<Tensor, TchError> {
    if begin_on_device(x, layer, pass)? {
        return x.f_empty_like()?.f_normal_(mean, deviation);
    }
    let size = match x.size()[..] {
        [batch, channels, height, width] => vec![batch, height, width, channels],
        ref size => size.to_vec(),
    };
    let draw = |stream: &mut Stream| {
        let off = stream.normal() * deviation;
        (if mean == 0.0 { off } else { mean + off }) as f32
    };
    as_computed(&for_examples(&size, layer, pass, x, draw)?)
}

/// Whether noise for `x` is drawn on its device, whose generator then begins anew for this layer and step.
pub(super) fn begin_on_device(x: &Tensor, layer: &str, pass: &Pass) -> Result<bool, TchError> {
    if !device::has_generator(x.device()) {
        return Ok(false);
    }
    // Each part of a batch has noise of its own.
    let mut stream = purpose(layer, pass).stream(pass.step, u32::MAX - pass.first as u32);
    let (high, low) = (u64::from(stream.bits()), u64::from(stream.bits()));
    device::reseed(x.device(), high << 32 | low)
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
    let there = match like.device() {
        Device::Cpu => drawn,
        other => device::upload(device::numbers(&drawn), size, other)?,
    };
    there.f_to_kind(like.kind())
}

/// With this probability 0, and else what keeps the mean.
pub(super) fn kept(rate: f64) -> impl Fn(&mut Stream) -> f32 + Sync {
    let (threshold, kept) = threshold(rate);
    move |stream| if stream.bits() >= threshold { kept } else { 0.0 }
}
