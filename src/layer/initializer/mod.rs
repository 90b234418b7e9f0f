//! How parameters start: Keras' initialisers.
//!
//! `fan_in` and `fan_out` are the inputs of one output and the outputs of one input, the size of a convolution's window
//! counted (Glorot and Bengio, 2010; He et al., 2015; LeCun et al., 1998).

mod distribution;

pub use distribution::Distribution;

use crate::random::{Purpose, Stream};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::{Value as Json, json};
use std::borrow::Cow;

/// How a parameter's values are drawn before training.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// The first filters hand on a channel each.
    Dirac,
    /// From the training data.
    Whitening,
    /// One that takes arguments.
    Parametrised(Distribution),
}

/// Those that go by a word, each with what it means.
const WORDS: [(&str, Initializer, &str); 10] = [
    ("zeros", Initializer::Zeros, "All 0."),
    ("ones", Initializer::Ones, "All 1."),
    ("glorot_uniform", Initializer::GlorotUniform, "Uniform within `sqrt(6 / (fan_in + fan_out))` around 0."),
    (
        "glorot_normal",
        Initializer::GlorotNormal,
        "Normal, cut at two deviations, of variance `2 / (fan_in + fan_out)`.",
    ),
    ("he_uniform", Initializer::HeUniform, "Uniform within `sqrt(6 / fan_in)` around 0."),
    ("he_normal", Initializer::HeNormal, "Normal, cut at two deviations, of variance `2 / fan_in`."),
    ("lecun_uniform", Initializer::LecunUniform, "Uniform within `sqrt(3 / fan_in)` around 0."),
    ("lecun_normal", Initializer::LecunNormal, "Normal, cut at two deviations, of variance `1 / fan_in`."),
    (
        "dirac",
        Initializer::Dirac,
        "The first filters hand on a channel each, 1 in the middle of the window, as PyTorch's `dirac_`; where there are \
         more filters than channels, the others are `glorot_uniform`. For convolutions.",
    ),
    (
        "whitening",
        Initializer::Whitening,
        "From the training data: filters whose outputs are uncorrelated and of variance 1, from the principal components \
         of the images' windows, the strongest first, and their negatives. For a convolution at the beginning, mostly \
         with `trainable: false`.",
    ),
];

impl Serialize for Initializer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self, WORDS.iter().find(|(_, initializer, _)| initializer == self)) {
            (Initializer::Parametrised(distribution), _) => distribution.serialize(serializer),
            (_, word) => word.expect("all others have a word").0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Initializer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Json::deserialize(deserializer)?;
        match WORDS.iter().find(|(word, ..)| value == *word) {
            Some((_, initializer, _)) => Ok(*initializer),
            None => serde_json::from_value(value).map(Initializer::Parametrised).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for Initializer {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Initializer".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema(generator, |_| true)
    }
}

fn schema(generator: &mut SchemaGenerator, wanted: impl Fn(Initializer) -> bool) -> Schema {
    let words = WORDS.iter().filter(|(_, initializer, _)| wanted(*initializer));
    let words = words.map(|(word, _, meaning)| json!({ "const": word, "description": meaning }));
    let distribution = generator.subschema_for::<Distribution>();
    json_schema!({ "anyOf": words.chain([json!(distribution)]).collect::<Vec<Json>>() })
}

/// Those for parameters of any shape, as a schema.
pub(super) fn of_any_shape(generator: &mut SchemaGenerator) -> Schema {
    schema(generator, |initializer| !matches!(initializer, Initializer::Dirac | Initializer::Whitening))
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
        match self {
            // Whitening waits for the data.
            Initializer::Zeros | Initializer::Whitening => vec![0.0; count],
            Initializer::Ones => vec![1.0; count],
            Initializer::GlorotUniform => uniform(&mut stream, 2.0 / (fan_in + fan_out), count),
            Initializer::Dirac => {
                let mut values = uniform(&mut stream, 2.0 / (fan_in + fan_out), count);
                hand_on_channels(&mut values, shape);
                values
            }
            Initializer::HeUniform => uniform(&mut stream, 2.0 / fan_in, count),
            Initializer::LecunUniform => uniform(&mut stream, 1.0 / fan_in, count),
            Initializer::GlorotNormal => cut_normal(&mut stream, 2.0 / (fan_in + fan_out), count),
            Initializer::HeNormal => cut_normal(&mut stream, 2.0 / fan_in, count),
            Initializer::LecunNormal => cut_normal(&mut stream, 1.0 / fan_in, count),
            Initializer::Parametrised(distribution) => distribution.draw(&mut stream, shape, count),
        }
    }
}

/// Uniform around 0, of this variance.
fn uniform(stream: &mut Stream, variance: f64, count: usize) -> Vec<f32> {
    let limit = (3.0 * variance).sqrt();
    (0..count).map(|_| ((2.0 * stream.unit() - 1.0) * limit) as f32).collect()
}

/// Normal, cut at two deviations, of this variance once it is cut.
fn cut_normal(stream: &mut Stream, variance: f64, count: usize) -> Vec<f32> {
    let deviation = variance.sqrt() / DEVIATION_OF_CUT_NORMAL;
    (0..count).map(|_| (cut(stream) * deviation) as f32).collect()
}

/// Standard normal, cut at two deviations.
fn cut(stream: &mut Stream) -> f64 {
    loop {
        let draw = stream.normal();
        if draw.abs() <= 2.0 {
            return draw;
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

    #[test]
    fn orthogonal_vectors_are_of_norm_1() {
        for shape in [vec![4, 2, 3, 3], vec![20, 3], vec![5, 5]] {
            let orthogonal: Initializer = serde_json::from_value(json!({"orthogonal": {"gain": 2}})).unwrap();
            let values = orthogonal.draw(&shape, 7, "it");
            let (rows, columns) = (shape[0] as usize, values.len() / shape[0] as usize);
            let at = |vector: usize, element: usize| match rows <= columns {
                true => values[vector * columns + element],
                false => values[element * columns + vector],
            };
            for a in 0..rows.min(columns) {
                for b in 0..=a {
                    let product: f32 = (0..rows.max(columns)).map(|element| at(a, element) * at(b, element)).sum();
                    let wanted = if a == b { 4.0 } else { 0.0 };
                    assert!((product - wanted).abs() < 1e-5, "{shape:?}: {a}, {b}: {product}");
                }
            }
        }
    }

    #[test]
    fn variance_scaling_is_what_others_are_cases_of() {
        let draw = |text: Json| serde_json::from_value::<Initializer>(text).unwrap().draw(&[8, 4, 3, 3], 7, "it");
        for (scale, mode, distribution, name) in [
            (2.0, "fan_in", "truncated_normal", "he_normal"),
            (1.0, "fan_in", "uniform", "lecun_uniform"),
            (1.0, "fan_avg", "uniform", "glorot_uniform"),
        ] {
            let scaled = json!({"variance_scaling": {"scale": scale, "mode": mode, "distribution": distribution}});
            assert_eq!(draw(scaled), draw(json!(name)), "{name}");
        }
        let values = draw(json!({"variance_scaling": {"mode": "fan_out", "distribution": "untruncated_normal"}}));
        let variance = values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32;
        assert!((variance * 72.0 - 1.0).abs() < 0.25, "{variance}");
        assert_eq!(draw(json!({"constant": {"value": 0.5}})), [0.5; 288]);
    }

    #[test]
    fn what_is_read_is_written() {
        for text in
            [json!("he_normal"), json!("whitening"), json!({"random_uniform": {"minval": -0.5, "maxval": 0.25}})]
        {
            let read: Initializer = serde_json::from_value(text.clone()).unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), text);
        }
        assert!(serde_json::from_value::<Initializer>(json!("he")).is_err());
    }
}
