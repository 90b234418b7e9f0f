//! Images as rows of tokens (Dosovitskiy et al., 2020): a convolution whose windows lie side by side.
//!
//! `[height, width, channels]` becomes `[tokens, features]`, the patches row by row: `tokens = height / patch * width / patch`.

use super::{
    Affine, Build, Forward, Initializer, LayerDefinition, Pair, Parameter, Pass, Precision, ShapeError,
    conv2d::{glorot_uniform, yes, zeros},
    elements, image_shape,
    initializer::of_any_shape,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Cuts images into patches and makes a token of each: a vector that is a linear function of the patch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["PatchEmbed", "PatchingAndEmbedding", "conv_proj"], "examples" = [{"patch_size": [3, 4], "embed_dim": 16}]))]
pub struct PatchEmbedding {
    /// Height and width of a patch: one number for both, or `[height, width]`. Those of the images must be multiples of it.
    pub patch_size: Pair,
    /// How many features a token has.
    #[schemars(range(min = 1, max = 65536))]
    #[schemars(extend("x-known-as" = ["units", "filters", "hidden_dim", "projection_dim", "hidden_size"]))]
    pub embed_dim: usize,
    /// Whether a learned number is added to each feature.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["bias"]))]
    pub use_bias: bool,
    /// How the weights start.
    #[serde(default = "glorot_uniform")]
    #[schemars(schema_with = "of_any_shape")]
    pub kernel_initializer: Initializer,
    /// How the biases start.
    #[serde(default = "zeros")]
    #[schemars(schema_with = "of_any_shape")]
    pub bias_initializer: Initializer,
    /// Whether training changes the layer.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
}

impl LayerDefinition for PatchEmbedding {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [height, width, _] = image_shape(input, "patch_embedding")?;
        let Pair([rows, columns]) = self.patch_size;
        let tokens = (height / rows).saturating_mul(width / columns);
        if height % rows > 0 || width % columns > 0 {
            return Err(ShapeError::new(
                format!("patches of {rows}x{columns} don't fill images of {height}x{width}"),
                "take a patch size that divides height and width, or resize the images",
            )
            .or(vec![tokens.max(1), self.embed_dim]));
        }
        Ok(vec![tokens, self.embed_dim])
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let Pair([rows, columns]) = self.patch_size;
        let shape = [self.embed_dim, input[2], rows, columns].map(|n| n as i64).to_vec();
        Parameter::new("kernel", shape, self.kernel_initializer)
            .trainable(self.trainable)
            .with_bias(self.embed_dim as i64, self.use_bias.then_some(self.bias_initializer))
    }

    fn flops(&self, input: &[usize], output: &[usize]) -> u64 {
        let window = elements(&self.patch_size.0).saturating_mul(input[2] as u64);
        elements(output).saturating_mul(window.saturating_mul(2).saturating_add(self.use_bias.into()))
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let (weights, strides) = (Affine::of(build.parameters), self.patch_size.0.map(|n| n as i64));
        vec![Box::new(Patches { weights, strides, precision: build.precision })]
    }
}

/// A convolution by patches, whose places become tokens.
struct Patches {
    weights: Affine,
    strides: [i64; 2],
    precision: Precision,
}

impl Forward for Patches {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let (x, Affine { kernel, bias }) = (self.precision.factor(x)?, self.weights.factors(self.precision)?);
        x.f_conv2d(&kernel, bias.as_ref(), self.strides, [0, 0], [1, 1], 1)?.f_flatten(2, 3)?.f_transpose(1, 2)
    }
}
