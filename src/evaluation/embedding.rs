//! How the model sees the examples before its last layer: brought to a plane.

use super::{EvaluationStep, StepResult, Subject, gallery::by_chance};
use crate::{diagnostic::Result, random::Purpose};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Test examples as the last layer with weights gets them, brought to two dimensions: classes that lie apart are told apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "method", "examples" = [{}, {"method": "tsne", "examples": 500, "perplexity": 20}]))]
pub struct Embedding {
    /// How it is brought to a plane.
    pub method: Method,
    /// How many test examples, chosen by chance.
    #[schemars(range(min = 3, max = 5000))]
    pub examples: usize,
    /// Of `tsne`: about how many neighbours count for each example.
    #[schemars(range(min = 2, max = 200))]
    pub perplexity: f64,
}

impl Default for Embedding {
    fn default() -> Self {
        Embedding { method: Method::Pca, examples: 1000, perplexity: 30.0 }
    }
}

/// A way to the plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The two directions in which the examples differ most. Distances are true as far as they go.
    #[default]
    Pca,
    /// t-SNE (van der Maaten and Hinton 2008): neighbours stay neighbours; sizes of groups and distances between them mean
    /// nothing.
    Tsne,
}

/// The plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The way to it.
    pub method: Method,
    /// The layer whose output it shows; nothing for the examples themselves.
    pub layer: Option<String>,
    /// Numbers that it was made from.
    pub dimensions: usize,
    /// The share of the variance that each of the two directions has; of `pca` only.
    pub explained: Option<[f64; 2]>,
    /// The points, in the order of the split.
    pub points: Vec<Point>,
}

/// An example's place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The test example.
    pub index: usize,
    /// Its true label.
    pub label: u32,
    /// What it was taken for.
    pub predicted: u32,
    /// To the right.
    pub x: f32,
    /// Upwards.
    pub y: f32,
}

impl Embedding {
    /// What the last layer with weights gets, `[example, dimension]`, and the layer that it comes from.
    fn vectors(subject: &dyn Subject, chosen: &[usize]) -> Result<(Option<String>, Vec<Vec<f32>>)> {
        let layers = subject.layers();
        let last = layers.iter().rposition(|layer| layer.has_weights).unwrap_or(0);
        let before = last.checked_sub(1).map(|at| &layers[at]);
        let mut vectors = Vec::new();
        for part in chosen.chunks(subject.batch_size().max(1)) {
            let mut examples = Vec::new();
            for &index in part {
                examples.extend(subject.example(index)?);
            }
            let size = examples.len() / part.len();
            match before {
                Some(layer) => {
                    let activations = subject.activations(&examples, &layer.name)?;
                    let size = activations.shape.iter().product::<usize>().max(1);
                    vectors.extend(activations.values.chunks(size).map(<[f32]>::to_vec));
                }
                None if subject.shape().len() == 3 => {
                    vectors.extend(examples.chunks(size).map(|example| example.iter().map(|&v| f32::from(v)).collect()));
                }
                None => vectors.extend(examples.chunks(size).map(|example| {
                    example.chunks_exact(4).map(|b| f32::from_ne_bytes(b.try_into().expect("four bytes"))).collect()
                })),
            }
        }
        Ok((before.map(|layer| layer.name.clone()), vectors))
    }
}

impl EvaluationStep for Embedding {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let chosen = by_chance(subject.examples(), self.examples, "embedding");
        let (layer, vectors) = Self::vectors(subject, &chosen)?;
        let plane = principal(&vectors);
        let places = match self.method {
            Method::Pca => plane.places,
            Method::Tsne => tsne(&vectors, &plane.places, self.perplexity, &|| subject.go_on())?,
        };
        let predictions = subject.predictions();
        let widest = places.iter().flatten().fold(0.0f64, |most, x| most.max(x.abs()));
        let points = chosen.iter().zip(&places).map(|(&index, &[x, y])| Point {
            index,
            label: predictions.labels[index],
            predicted: predictions.predicted[index],
            x: rounded(x, widest),
            y: rounded(y, widest),
        });
        Ok(Outcome {
            method: self.method,
            layer,
            dimensions: vectors.first().map_or(0, Vec::len),
            explained: (self.method == Method::Pca).then_some(plane.explained),
            points: points.collect(),
        }
        .into())
    }
}

/// To a ten thousandth of the widest place: more is seen in no chart.
fn rounded(x: f64, widest: f64) -> f32 {
    let steps = 10f64.powi(4 - widest.max(1e-12).log10().ceil() as i32);
    ((x * steps).round() / steps) as f32
}

/// A projection to the two directions of the largest variance.
struct Plane {
    places: Vec<[f64; 2]>,
    explained: [f64; 2],
}

/// Turns of the power iteration: enough for two directions that differ by a few percent.
const TURNS: usize = 200;

/// Principal components by power iteration, the second one without its part of the first.
fn principal(vectors: &[Vec<f32>]) -> Plane {
    let (count, dimensions) = (vectors.len(), vectors.first().map_or(0, Vec::len));
    if count == 0 || dimensions == 0 {
        return Plane { places: vec![[0.0; 2]; count], explained: [0.0; 2] };
    }
    let mut mean = vec![0.0f64; dimensions];
    vectors.iter().for_each(|v| mean.iter_mut().zip(v).for_each(|(m, &x)| *m += f64::from(x) / count as f64));
    let centred: Vec<Vec<f64>> =
        vectors.iter().map(|v| v.iter().zip(&mean).map(|(&x, m)| f64::from(x) - m).collect()).collect();
    let total: f64 = centred.iter().flatten().map(|x| x * x).sum();
    let mut directions: Vec<Vec<f64>> = Vec::new();
    let mut explained = [0.0; 2];
    for share in &mut explained {
        let mut direction = first_direction(dimensions);
        let mut size = 0.0;
        for _ in 0..TURNS {
            without(&mut direction, &directions);
            let mut next = vec![0.0; dimensions];
            for row in &centred {
                let part = dot(row, &direction);
                next.iter_mut().zip(row).for_each(|(n, x)| *n += part * x);
            }
            without(&mut next, &directions);
            size = dot(&next, &next).sqrt();
            if size <= 1e-12 * total {
                size = 0.0;
                break;
            }
            next.iter_mut().for_each(|n| *n /= size);
            let turned = 1.0 - dot(&next, &direction).abs();
            direction = next;
            if turned < 1e-12 {
                break;
            }
        }
        *share = if total > 0.0 { size / total } else { 0.0 };
        directions.push(direction);
    }
    let place = |row: &Vec<f64>| [dot(row, &directions[0]), dot(row, &directions[1])];
    Plane { places: centred.iter().map(place).collect(), explained }
}

/// Where the iteration begins: by a constant.
fn first_direction(dimensions: usize) -> Vec<f64> {
    let mut stream = Purpose::new(0, "principal components").stream(0, 0);
    let direction: Vec<f64> = (0..dimensions).map(|_| stream.normal()).collect();
    let size = dot(&direction, &direction).sqrt();
    direction.into_iter().map(|x| x / size).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Takes from `vector` its parts along `directions`.
fn without(vector: &mut [f64], directions: &[Vec<f64>]) {
    for direction in directions {
        let part = dot(vector, direction);
        vector.iter_mut().zip(direction).for_each(|(x, d)| *x -= part * d);
    }
}

/// Steps of t-SNE, the first quarter of them with exaggerated neighbourhoods.
const STEPS: usize = 500;
/// How much they are exaggerated.
const EXAGGERATION: f64 = 12.0;

/// Exact t-SNE from the plane of the principal components, as the paper has it: with momentum and a gain for each coordinate.
fn tsne(
    vectors: &[Vec<f32>],
    plane: &[[f64; 2]],
    perplexity: f64,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Vec<[f64; 2]>> {
    let count = vectors.len();
    if count < 3 {
        return Ok(plane.to_vec());
    }
    let joint = affinities(vectors, perplexity.min((count - 1) as f64 / 3.0));
    // A small copy of the plane: the paper begins near 0.
    let widest = plane.iter().flatten().fold(0.0f64, |most, x| most.max(x.abs())).max(1e-12);
    let mut places: Vec<[f64; 2]> = plane.iter().map(|p| p.map(|x| 1e-2 * x / widest)).collect();
    let rate = (count as f64 / EXAGGERATION).max(50.0);
    let (mut speeds, mut gains) = (vec![[0.0f64; 2]; count], vec![[1.0f64; 2]; count]);
    for step in 0..STEPS {
        go_on()?;
        let early = step < STEPS / 4;
        let (exaggeration, momentum) = if early { (EXAGGERATION, 0.5) } else { (1.0, 0.8) };
        let near = |i: usize, j: usize| {
            let (x, y) = (places[i][0] - places[j][0], places[i][1] - places[j][1]);
            1.0 / (1.0 + x * x + y * y)
        };
        // Sums of whole rows, added in order: threads change nothing.
        let rows: Vec<f64> = (0..count)
            .into_par_iter()
            .map(|i| (0..count).filter(|&j| j != i).map(|j| near(i, j)).sum())
            .collect();
        let total: f64 = rows.iter().sum();
        let gradient: Vec<[f64; 2]> = (0..count)
            .into_par_iter()
            .map(|i| {
                let mut sum = [0.0; 2];
                for j in (0..count).filter(|&j| j != i) {
                    let near = near(i, j);
                    let pull = (exaggeration * joint[i * count + j] - near / total) * near;
                    for (axis, sum) in sum.iter_mut().enumerate() {
                        *sum += 4.0 * pull * (places[i][axis] - places[j][axis]);
                    }
                }
                sum
            })
            .collect();
        for i in 0..count {
            for axis in 0..2 {
                let same = (gradient[i][axis] > 0.0) == (speeds[i][axis] > 0.0);
                let gain = &mut gains[i][axis];
                *gain = if same { (*gain * 0.8).max(0.01) } else { *gain + 0.2 };
                speeds[i][axis] = momentum * speeds[i][axis] - rate * *gain * gradient[i][axis];
                places[i][axis] += speeds[i][axis];
            }
        }
    }
    Ok(places)
}

/// How much each pair are neighbours, `[example, example]`, all adding up to 1: normal curves whose widths give each example
/// the wanted perplexity, made symmetric.
fn affinities(vectors: &[Vec<f32>], perplexity: f64) -> Vec<f64> {
    let count = vectors.len();
    let rows: Vec<Vec<f64>> = (0..count)
        .into_par_iter()
        .map(|i| {
            let distance = |j: usize| {
                vectors[i].iter().zip(&vectors[j]).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
            };
            let distances: Vec<f64> = (0..count).map(distance).collect();
            conditional(&distances, i, perplexity.ln())
        })
        .collect();
    let mut joint = vec![0.0; count * count];
    for i in 0..count {
        for j in 0..count {
            joint[i * count + j] = ((rows[i][j] + rows[j][i]) / (2.0 * count as f64)).max(1e-12);
        }
    }
    joint
}

/// Shares of the others in the neighbourhood of `own`, whose entropy is `wanted`: found by halving.
fn conditional(distances: &[f64], own: usize, wanted: f64) -> Vec<f64> {
    let least = (0..distances.len()).filter(|&j| j != own).map(|j| distances[j]).fold(f64::INFINITY, f64::min);
    let (mut low, mut high, mut precision) = (0.0, f64::INFINITY, 1.0);
    let mut shares = vec![0.0; distances.len()];
    for _ in 0..100 {
        let mut sum = 0.0;
        for (j, share) in shares.iter_mut().enumerate() {
            *share = if j == own { 0.0 } else { (-(distances[j] - least) * precision).exp() };
            sum += *share;
        }
        shares.iter_mut().for_each(|share| *share /= sum);
        let entropy: f64 = shares.iter().filter(|share| **share > 0.0).map(|share| -share * share.ln()).sum();
        if (entropy - wanted).abs() < 1e-5 {
            break;
        }
        if entropy > wanted {
            low = precision;
            precision = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * precision };
        } else {
            high = precision;
            precision = f64::midpoint(low, high);
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::trial::Trial;

    /// Two groups, far apart along (1, 1, 0).
    fn groups() -> Vec<Vec<f32>> {
        let mut stream = Purpose::new(1, "two groups").stream(0, 0);
        (0..40)
            .map(|i| {
                let middle = if i < 20 { -5.0 } else { 5.0 };
                (0..3).map(|d| (if d < 2 { middle } else { 0.0 }) as f32 + 0.5 * stream.normal() as f32).collect()
            })
            .collect()
    }

    #[test]
    fn the_first_direction_is_that_of_the_largest_variance() {
        let plane = principal(&groups());
        assert!(plane.explained[0] > 0.95 && plane.explained[1] < 0.04, "{:?}", plane.explained);
        let side = plane.places[0][0].signum();
        assert!(plane.places[..20].iter().all(|p| p[0] * side > 5.0));
        assert!(plane.places[20..].iter().all(|p| p[0] * side < -5.0));
        // Distances are those of the examples, as far as the plane goes.
        let across = plane.places[0][0] - plane.places[20][0];
        assert!((across.abs() - 200f64.sqrt()).abs() < 3.0, "{across}");
    }

    #[test]
    fn examples_that_are_all_the_same_have_no_direction() {
        let plane = principal(&vec![vec![1.0; 4]; 5]);
        assert_eq!((plane.places, plane.explained), (vec![[0.0; 2]; 5], [0.0; 2]));
        assert_eq!(principal(&[]).places.len(), 0);
    }

    #[test]
    fn neighbourhoods_have_the_wanted_perplexity() {
        let distances: Vec<f64> = (0..50).map(|i| f64::from(i) * 0.3).collect();
        let shares = conditional(&distances, 0, 10f64.ln());
        let entropy: f64 = shares.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        assert!((entropy.exp() - 10.0).abs() < 1e-3);
        assert_eq!(shares[0], 0.0);
    }

    #[test]
    fn tsne_keeps_neighbours_together() {
        let vectors = groups();
        let plane = principal(&vectors).places;
        let places = tsne(&vectors, &plane, 10.0, &|| Ok(())).unwrap();
        assert_eq!(places, tsne(&vectors, &plane, 10.0, &|| Ok(())).unwrap());
        let distance = |i: usize, j: usize| {
            ((places[i][0] - places[j][0]).powi(2) + (places[i][1] - places[j][1]).powi(2)).sqrt()
        };
        for i in 0..40 {
            let nearest = (0..40).filter(|&j| j != i).min_by(|&a, &b| distance(i, a).total_cmp(&distance(i, b)));
            assert_eq!(nearest.unwrap() < 20, i < 20);
        }
    }

    #[test]
    fn points_carry_their_labels() {
        let trial = Trial::new(&[(0, [1.0, 0.0, 0.0]), (1, [0.0, 1.0, 0.0]), (2, [0.0, 1.0, 0.0])]);
        let StepResult::Embedding(outcome) = Embedding::default().compute(&trial).unwrap() else { panic!() };
        assert_eq!((outcome.layer.as_deref(), outcome.dimensions), (Some("flatten"), 12));
        assert_eq!(outcome.points.iter().map(|p| (p.label, p.predicted)).collect::<Vec<_>>(), [(0, 0), (1, 1), (2, 1)]);
    }
}
