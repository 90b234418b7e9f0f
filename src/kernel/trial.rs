//! What the tests of several kernels share.

use super::Instructions;
use crate::random::Purpose;

/// So many numbers from -1 to 1.
pub fn numbers(count: usize, name: &str) -> Vec<f32> {
    let mut stream = Purpose::new(1, name).stream(0, 0);
    (0..count).map(|_| (stream.unit() * 2.0 - 1.0) as f32).collect()
}

/// Holds what a kernel gave to what plain loops give.
pub fn close(what: &str, got: &[f32], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(*got) - want).abs() < 1e-5 * scale, "{what}[{at}]: {got} for {want}");
    }
}

/// All that this processor can compute with.
pub fn all_instructions() -> Vec<Instructions> {
    let mut all = vec![Instructions::Portable];
    all.extend(Instructions::supported());
    all
}
