//! Initialisers that take arguments, with Keras' names and defaults.

use super::{cut, cut_normal, fans, uniform};
use crate::random::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An initialiser that takes arguments.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-family" = "initializer"))]
pub enum Distribution {
    #[allow(missing_docs)]
    RandomNormal(RandomNormal),
    #[allow(missing_docs)]
    TruncatedNormal(TruncatedNormal),
    #[allow(missing_docs)]
    RandomUniform(RandomUniform),
    #[allow(missing_docs)]
    VarianceScaling(VarianceScaling),
    #[allow(missing_docs)]
    Orthogonal(Orthogonal),
    #[allow(missing_docs)]
    Constant(Constant),
}

/// Normal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "stddev", "examples" = [{"stddev": 0.01}]))]
pub struct RandomNormal {
    /// The mean.
    #[schemars(range(min = -1000000, max = 1000000))]
    pub mean: f64,
    /// The standard deviation.
    #[schemars(range(min = 0, max = 1000000), extend("x-known-as" = ["std"]))]
    pub stddev: f64,
}

impl Default for RandomNormal {
    fn default() -> Self {
        RandomNormal { mean: 0.0, stddev: 0.05 }
    }
}

/// Normal, cut at two standard deviations from the mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-known-as" = ["trunc_normal"], "x-bare" = "stddev", "examples" = [{"stddev": 0.02}]))]
pub struct TruncatedNormal {
    /// The mean.
    #[schemars(range(min = -1000000, max = 1000000))]
    pub mean: f64,
    /// The standard deviation before it is cut.
    #[schemars(range(min = 0, max = 1000000), extend("x-known-as" = ["std"]))]
    pub stddev: f64,
}

impl Default for TruncatedNormal {
    fn default() -> Self {
        TruncatedNormal { mean: 0.0, stddev: 0.05 }
    }
}

/// Uniform between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("examples" = [{"minval": -0.1, "maxval": 0.1}]))]
pub struct RandomUniform {
    /// The lower bound.
    #[schemars(range(min = -1000000, max = 1000000), extend("x-known-as" = ["low"]))]
    pub minval: f64,
    /// The upper bound.
    #[schemars(range(min = -1000000, max = 1000000), extend("x-known-as" = ["high"]))]
    pub maxval: f64,
}

impl Default for RandomUniform {
    fn default() -> Self {
        RandomUniform { minval: -0.05, maxval: 0.05 }
    }
}

/// Of variance `scale / n`, `n` being inputs or outputs of a unit: what `he_normal` and the like are cases of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "scale", "examples" = [{"scale": 2, "mode": "fan_out", "distribution": "untruncated_normal"}]))]
pub struct VarianceScaling {
    /// What the variance is multiplied by.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1000000))]
    pub scale: f64,
    /// What it is divided by.
    pub mode: Mode,
    /// How values are distributed.
    pub distribution: Form,
}

impl Default for VarianceScaling {
    fn default() -> Self {
        VarianceScaling { scale: 1.0, mode: Mode::Inputs, distribution: Form::TruncatedNormal }
    }
}

/// What a variance is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// The inputs of an output.
    #[serde(rename = "fan_in")]
    Inputs,
    /// The outputs of an input.
    #[serde(rename = "fan_out")]
    Outputs,
    /// The mean of both.
    #[serde(rename = "fan_avg")]
    Mean,
}

/// How values are distributed around 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Normal, cut at two deviations.
    TruncatedNormal,
    /// Normal.
    UntruncatedNormal,
    /// Uniform.
    Uniform,
}

/// A matrix whose rows or columns are orthogonal and of norm 1, a row for each output (Saxe et al., 2013).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "gain", "examples" = [{"gain": 1.414}]))]
pub struct Orthogonal {
    /// What the matrix is multiplied by.
    #[schemars(range(min = -1000000, max = 1000000))]
    pub gain: f64,
}

impl Default for Orthogonal {
    fn default() -> Self {
        Orthogonal { gain: 1.0 }
    }
}

/// All the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "value", "examples" = [{"value": 0.1}]))]
pub struct Constant {
    /// The value.
    #[schemars(range(min = -1000000, max = 1000000))]
    pub value: f64,
}

impl Distribution {
    /// Draws as many values as a parameter of `shape`, OIHW or OI, has.
    pub(super) fn draw(self, stream: &mut Stream, shape: &[i64], count: usize) -> Vec<f32> {
        let each = |draw: &mut dyn FnMut() -> f64| (0..count).map(|_| draw() as f32).collect();
        match self {
            Distribution::RandomNormal(RandomNormal { mean, stddev }) => each(&mut || mean + stddev * stream.normal()),
            Distribution::TruncatedNormal(TruncatedNormal { mean, stddev }) => {
                each(&mut || mean + stddev * cut(stream))
            }
            Distribution::RandomUniform(RandomUniform { minval, maxval }) => {
                each(&mut || minval + (maxval - minval) * stream.unit())
            }
            Distribution::VarianceScaling(VarianceScaling { scale, mode, distribution }) => {
                let (fan_in, fan_out) = fans(shape);
                let fan = match mode {
                    Mode::Inputs => fan_in,
                    Mode::Outputs => fan_out,
                    Mode::Mean => (fan_in + fan_out) / 2.0,
                };
                let variance = scale / fan.max(1.0);
                match distribution {
                    Form::TruncatedNormal => cut_normal(stream, variance, count),
                    Form::UntruncatedNormal => each(&mut || variance.sqrt() * stream.normal()),
                    Form::Uniform => uniform(stream, variance, count),
                }
            }
            Distribution::Orthogonal(Orthogonal { gain }) => {
                let outputs = shape.first().map_or(1, |&n| n as usize).max(1);
                orthogonal(stream, outputs, count / outputs).into_iter().map(|value| (value * gain) as f32).collect()
            }
            Distribution::Constant(Constant { value }) => vec![value as f32; count],
        }
    }
}

/// A matrix of so many rows and columns, uniformly distributed among those whose shorter side is orthogonal: normal vectors, from
/// each of which its parts along the others before it are taken away, twice for the sake of rounding.
fn orthogonal(stream: &mut Stream, rows: usize, columns: usize) -> Vec<f64> {
    let (vectors, length) = (rows.min(columns), rows.max(columns));
    let mut all: Vec<Vec<f64>> = Vec::with_capacity(vectors);
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    while all.len() < vectors {
        let mut vector: Vec<f64> = (0..length).map(|_| stream.normal()).collect();
        for _ in 0..2 {
            for other in &all {
                let along = product(&vector, other);
                vector.iter_mut().zip(other).for_each(|(value, other)| *value -= along * other);
            }
        }
        let norm = product(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|value| *value /= norm);
        all.push(vector);
    }
    if rows <= columns {
        return all.concat();
    }
    (0..rows).flat_map(|row| all.iter().map(move |vector| vector[row])).collect()
}
