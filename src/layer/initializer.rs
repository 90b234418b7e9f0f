//! How parameters start: Keras' initialisers.
//!
//! `fan_in` and `fan_out` are the inputs of one output and the outputs of one input, the size of a convolution's window
//! counted (Glorot and Bengio, 2010; He et al., 2015; LeCun et al., 1998).

use crate::random::Purpose;
use schemars::{JsonSchema, Schema, SchemaGenerator};
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
    /// The first filters hand on a channel each, 1 in the middle of the window, as PyTorch's `dirac_`; where there are more filters
    /// than channels, the others are `glorot_uniform`. For convolutions.
    Dirac,
    /// From the training data: filters whose outputs are uncorrelated and of variance 1, from the principal components of the
    /// images' windows, the strongest first, and their negatives. For a convolution at the beginning, mostly with `trainable: false`.
    Whitening,
}

/// Those for parameters of any shape, as a schema.
pub(super) fn of_any_shape(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Initializer::json_schema(generator);
    let only_convolutions = [Initializer::Dirac, Initializer::Whitening].map(|it| serde_json::json!(it));
    if let Some(choices) = schema.get_mut("oneOf").and_then(serde_json::Value::as_array_mut) {
        choices.retain(|choice| !only_convolutions.contains(&choice["const"]));
    }
    schema
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
            (0..count).map(|_| ((2.0 * stream.unit() - 1.0) * limit) as f32).collect::<Vec<f32>>()
        };
        match self {
            // Whitening waits for the data.
            Initializer::Zeros | Initializer::Whitening => vec![0.0; count],
            Initializer::Ones => vec![1.0; count],
            Initializer::GlorotUniform => uniform(2.0 / (fan_in + fan_out)),
            Initializer::Dirac => {
                let mut values = uniform(2.0 / (fan_in + fan_out));
                hand_on_channels(&mut values, shape);
                values
            }
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

/// Makes each of the first filters the identity on a channel of its own, OIHW.
fn hand_on_channels(values: &mut [f32], shape: &[i64]) {
    let &[filters, channels, height, width] = shape else { return };
    let (channels, window) = (channels as usize, (height * width) as usize);
    let middle = (height / 2 * width + width / 2) as usize;
    for (channel, filter) in values.chunks_exact_mut(channels * window).take(channels.min(filters as usize)).enumerate()
    {
        filter.fill(0.0);
        filter[channel * window + middle] = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dirac_hands_on_channels_and_draws_the_rest() {
        let shape = [5, 2, 3, 3];
        let values = Initializer::Dirac.draw(&shape, 7, "conv2d.kernel");
        let filters: Vec<&[f32]> = values.chunks(18).collect();
        for (channel, filter) in filters[..2].iter().enumerate() {
            let wanted: Vec<f32> = (0..18).map(|at| f32::from(u8::from(at == channel * 9 + 4))).collect();
            assert_eq!(*filter, wanted);
        }
        let drawn = Initializer::GlorotUniform.draw(&shape, 7, "conv2d.kernel");
        assert_eq!(values[36..], drawn[36..]);
        // More channels than filters: the last channels are not handed on.
        let narrow = Initializer::Dirac.draw(&[2, 5, 1, 1], 7, "conv2d.kernel");
        assert_eq!(narrow, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    }
}
