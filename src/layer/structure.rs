//! How layers are put together: in a row again and again, or side by side.

use super::{Layer, LayerDefinition, ShapeError, channel_axis, display_shape, elements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Layers in a row inside of another layer.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// The argument that holds them.
    pub key: &'static str,
    /// Their place in it, where it holds several rows.
    pub index: Option<usize>,
    /// The layers; none hands on what it gets.
    pub layers: &'a [Layer],
}

/// What a layer is made of.
pub enum Structure<'a> {
    /// A computation of its own.
    Computation,
    /// A row of layers, so many times one behind the other, each time with weights of its own.
    Repeat(usize, Block<'a>),
    /// Rows of layers that all get the same, and what becomes of their outputs.
    Parallel(Vec<Block<'a>>, Merge),
}

impl<'a> Structure<'a> {
    /// The rows of layers in it, each once.
    pub fn blocks(self) -> Vec<Block<'a>> {
        match self {
            Structure::Computation => Vec::new(),
            Structure::Repeat(_, block) => vec![block],
            Structure::Parallel(blocks, _) => blocks,
        }
    }
}

impl Block<'_> {
    /// Its row among the arguments of its layer, as they are written.
    pub fn row<'j>(&self, arguments: &'j mut serde_json::Value) -> Option<&'j mut serde_json::Value> {
        let argument = arguments.get_mut(self.key)?;
        if let Some(index) = self.index { argument.get_mut(index) } else { Some(argument) }
    }
}

/// How the outputs of several rows of layers become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Merge {
    /// One behind the other along the last axis: channels of images, features of vectors.
    #[default]
    Concatenate,
    /// Their sum, value by value.
    Add,
    /// Their product, value by value.
    Multiply,
    /// Their mean, value by value.
    Average,
    /// The largest, value by value.
    Maximum,
}

impl Merge {
    /// The shape of the merged output.
    ///
    /// # Errors
    /// Where the shapes don't fit together.
    pub fn output_shape(self, shapes: &[Vec<usize>]) -> Result<Vec<usize>, ShapeError> {
        let Some((first, rest)) = shapes.split_first() else { return Ok(Vec::new()) };
        if self == Merge::Concatenate {
            let around = |shape: &[usize]| shape.split_last().map(|(_, around)| around.to_vec());
            if let Some(other) = rest.iter().find(|shape| around(shape) != around(first)) {
                return Err(ShapeError::new(
                    format!(
                        "{} and {} can't be concatenated: all but the channels must be equal",
                        display_shape(first),
                        display_shape(other)
                    ),
                    "give the branches the same strides and paddings",
                )
                .or(first.clone()));
            }
            let mut output = first.clone();
            if let Some(last) = output.last_mut() {
                let last_axes = shapes.iter().filter_map(|shape| shape.last());
                *last = last_axes.fold(0, |sum: usize, &n| sum.saturating_add(n));
            }
            return Ok(output);
        }
        match rest.iter().find(|shape| *shape != first) {
            None => Ok(first.clone()),
            Some(other) => Err(ShapeError::new(
                format!("{} and {} can't be merged value by value", display_shape(first), display_shape(other)),
                "give all branches the same output; or `merge: concatenate`",
            )
            .or(first.clone())),
        }
    }

    /// Operations for one example.
    pub fn flops(self, output: &[usize], branches: usize) -> u64 {
        let each = match self {
            Merge::Concatenate => 0,
            Merge::Add | Merge::Multiply | Merge::Maximum => branches.saturating_sub(1),
            Merge::Average => branches,
        };
        elements(output).saturating_mul(each as u64)
    }

    /// Merges `[batch, channels, ...]`.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn apply(self, outputs: &[Tensor]) -> Result<Tensor, TchError> {
        if self == Merge::Concatenate {
            return Tensor::f_cat(outputs, outputs.first().map_or(1, channel_axis));
        }
        let mut all = outputs.iter();
        let first = all.next().map(Tensor::shallow_clone).unwrap_or_default();
        let merged = all.try_fold(first, |merged, other| match self {
            Merge::Multiply => merged.f_mul(other),
            Merge::Maximum => merged.f_maximum(other),
            _ => merged.f_add(other),
        })?;
        if self == Merge::Average { merged.f_div_scalar(outputs.len() as f64) } else { Ok(merged) }
    }
}

/// The output shape of a layer that arranges others: theirs, joined.
pub(super) fn output_shape(layer: &dyn LayerDefinition, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
    let row = |input: &[usize], block: &Block<'_>| {
        block.layers.iter().try_fold(input.to_vec(), |shape, layer| layer.output_shape(&shape))
    };
    match layer.structure() {
        Structure::Computation => Ok(input.to_vec()),
        Structure::Repeat(times, block) => (0..times).try_fold(input.to_vec(), |shape, _| row(&shape, &block)),
        Structure::Parallel(blocks, _) => {
            let shapes: Result<Vec<_>, _> = blocks.iter().map(|block| row(input, block)).collect();
            layer.join(input, &shapes?)
        }
    }
}
