//! What processes that train together agree on: whether somebody wants to stop, and that all have the same weights.

use crate::{
    device,
    diagnostic::{Code, Diagnostic, Result},
    distributed::Group,
    model::{Model, computation},
};
use tch::{Device, TchError};

/// After so many steps weights are compared, besides the end of each epoch.
pub(super) const COMPARED_EVERY: u64 = 100;

/// Says whether any process wants to stop.
///
/// # Errors
/// Where the processes have come to different weights, or one is gone.
pub(super) fn agree(model: &Model, stops: bool, steps: u64, group: &Group) -> Result<bool> {
    let digest = digest(model).map_err(|error| computation(&error, "comparing the weights of all processes"))?;
    let told = [&digest.to_le_bytes()[..], &[u8::from(stops)]].concat();
    let all = group.gather_bytes(&told)?;
    let split: Vec<(&[u8], bool)> = all.iter().map(|bytes| (&bytes[..8], bytes[8] != 0)).collect();
    let digests: Vec<&[u8]> = split.iter().map(|(digest, _)| *digest).collect();
    match odd(&digests)[..] {
        [] => Ok(split.iter().any(|(_, stops)| *stops)),
        ref ranks => Err(diverged(ranks, group.size(), steps)),
    }
}

fn diverged(ranks: &[usize], size: usize, steps: u64) -> Box<Diagnostic> {
    let named: Vec<String> = ranks.iter().map(usize::to_string).collect();
    let (noun, verb) = if ranks.len() == 1 { ("rank", "has") } else { ("ranks", "have") };
    let message = format!("{noun} {} of {size} {verb} other weights after step {steps}", named.join(", "));
    let problem = Diagnostic::error(Code::RANK, message)
        .fact("all ranks make the same steps, so that their weights are the same bits")
        .help("see that all have the same program, libtorch and processor, and sound memory; then resume the run");
    Box::new(problem)
}

/// The ranks whose bytes aren't those of most; where it is even, those of the first rank count.
fn odd(all: &[&[u8]]) -> Vec<usize> {
    let count = |wanted: &[u8]| all.iter().filter(|bytes| **bytes == wanted).count();
    // Of equal counts `max_by_key` takes the last one.
    let Some(usual) = all.iter().rev().max_by_key(|bytes| count(bytes)) else { return Vec::new() };
    (0..all.len()).filter(|&rank| all[rank] != *usual).collect()
}

/// 64 bits that hang on every bit of all that a model keeps.
fn digest(model: &Model) -> std::result::Result<u64, TchError> {
    let mut sum = 1;
    for parameter in model.parameters() {
        let values = parameter.tensor.f_detach()?.f_to_device(Device::Cpu)?;
        sum = device::numbers(&values).iter().fold(sum, |sum: u64, number| {
            (sum ^ u64::from(number.to_bits())).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
        });
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_are_odd_that_differ_from_most() {
        let odd = |all: &[u8]| odd(&all.chunks(1).collect::<Vec<_>>());
        assert!(odd(&[]).is_empty() && odd(&[4, 4, 4]).is_empty());
        assert_eq!(odd(&[4, 4, 5]), [2]);
        assert_eq!(odd(&[5, 4, 4, 6]), [0, 3]);
        assert_eq!(odd(&[4, 5]), [1]);
    }
}
