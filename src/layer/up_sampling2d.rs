//! Images made larger without learning, as Keras' `UpSampling2D`: `[height, width, channels]` becomes
//! `[height * size, width * size, channels]`.

use super::{Build, Forward, LayerDefinition, Pair, Pass, ShapeError, elements, image_shape, max_pooling2d::two};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// What stands between the pixels of the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The nearest pixel.
    #[default]
    Nearest,
    /// The mean of the four around, by their distance.
    Bilinear,
}

/// Makes images larger by repeating pixels, or by values between them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Upsample"], "x-bare" = "size", "examples" = [{}, {"size": [2, 3], "interpolation": "bilinear"}]))]
pub struct UpSampling2d {
    /// How many times larger: one number for both directions, or `[vertical, horizontal]`.
    #[serde(default = "two")]
    #[schemars(extend("x-known-as" = ["scale_factor"]))]
    pub size: Pair,
    /// What the new pixels are.
    #[serde(default)]
    #[schemars(extend("x-known-as" = ["mode"]))]
    pub interpolation: Interpolation,
}

impl LayerDefinition for UpSampling2d {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [height, width, channels] = image_shape(input, "up_sampling2d")?;
        Ok(vec![height.saturating_mul(self.size.0[0]), width.saturating_mul(self.size.0[1]), channels])
    }

    fn flops(&self, _: &[usize], output: &[usize]) -> u64 {
        match self.interpolation {
            Interpolation::Nearest => 0,
            Interpolation::Bilinear => elements(output).saturating_mul(8),
        }
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let size = [0, 1].map(|axis| (build.input[axis] * self.size.0[axis]) as i64);
        vec![Box::new(Enlarge { size, interpolation: self.interpolation })]
    }
}

struct Enlarge {
    size: [i64; 2],
    interpolation: Interpolation,
}

impl Forward for Enlarge {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        match self.interpolation {
            Interpolation::Nearest => x.f_upsample_nearest2d(self.size, None, None),
            Interpolation::Bilinear => x.f_upsample_bilinear2d(self.size, false, None, None),
        }
    }
}
