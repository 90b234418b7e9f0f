//! How parameters start: Keras' initialisers.
//!
//! `fan_in` and `fan_out` are the inputs of one output and the outputs of one input, the size of a convolution's window
//! counted (Glorot and Bengio, 2010; He et al., 2015; LeCun et al., 1998).

use crate::random::Purpose;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a parameter's values are drawn before training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Initializer {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// Uniform within `sqrt(6 / (fan_in + fan_out))` around 0.
    GlorotUniform,
    /// Normal, cut at two deviations, of variance `2 / (fan_in + fan_out)`.
    GlorotNormal,
    /// Uniform within `sqrt(6 / fan_in)` around 0.
    HeUniform,
    /// Normal, cut at two deviations, of variance `2 / fan_in`.
    HeNormal,
    /// Uniform within `sqrt(3 / fan_in)` around 0.
    LecunUniform,
    /// Normal, cut at two deviations, of variance `1 / fan_in`.
    LecunNormal,
}

/// The deviation of a standard normal that is cut at two deviations.
const DEVIATION_OF_CUT_NORMAL: f64 = 0.879_625_661_034_239_8;

/// Fans of a parameter of shape OIHW or OI.
fn fans(shape: &[i64]) -> (f64, f64) {
    match shape {
        [out, inner, window @ ..] => {
            let window: i64 = window.iter().product();
            ((inner * window) as f64, (out * window) as f64)
        }
        [n] => (*n as f64, *n as f64),
        [] => (1.0, 1.0),
    }
}

impl Initializer {
    /// Draws the values of a parameter of `shape`, OIHW or OI; the same for the same seed and name.
    pub fn draw(self, shape: &[i64], seed: u64, name: &str) -> Vec<f32> {
        let count = shape.iter().product::<i64>() as usize;
        let (fan_in, fan_out) = fans(shape);
        let mut stream = Purpose::new(seed, &format!("initializer/{name}")).stream(0, 0);
        let mut uniform = |variance: f64| {
            let limit = (3.0 * variance).sqrt();
            (0..count).map(|_| ((2.0 * stream.unit() - 1.0) * limit) as f32).collect()
        };
        match self {
            Initializer::Zeros => vec![0.0; count],
            Initializer::Ones => vec![1.0; count],
            Initializer::GlorotUniform => uniform(2.0 / (fan_in + fan_out)),
            Initializer::HeUniform => uniform(2.0 / fan_in),
            Initializer::LecunUniform => uniform(1.0 / fan_in),
            Initializer::GlorotNormal | Initializer::HeNormal | Initializer::LecunNormal => {
                let variance = match self {
                    Initializer::GlorotNormal => 2.0 / (fan_in + fan_out),
                    Initializer::HeNormal => 2.0 / fan_in,
                    _ => 1.0 / fan_in,
                };
                let deviation = variance.sqrt() / DEVIATION_OF_CUT_NORMAL;
                (0..count)
                    .map(|_| {
                        loop {
                            let draw = stream.normal();
                            if draw.abs() <= 2.0 {
                                return (draw * deviation) as f32;
                            }
                        }
                    })
                    .collect()
            }
        }
    }
}
