//! `y = x * scale + offset`, without parameters.

use super::{Build, Forward, LayerDefinition, Operator, Pass, ShapeError, elements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Multiplies every value and adds an offset: with `scale: 1/255`, bytes become numbers from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Rescale", "Normalize", "ToTensor"], "x-bare" = "scale", "examples" = [{"scale": 0.00392156862745098}, {"scale": 0.00784313725490196, "offset": -1}]))]
pub struct Rescaling {
    /// What values are multiplied by.
    pub scale: f64,
    /// What is added afterwards.
    #[serde(default)]
    pub offset: f64,
}

impl LayerDefinition for Rescaling {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        Ok(input.to_vec())
    }

    fn flops(&self, input: &[usize], _: &[usize]) -> u64 {
        elements(input).saturating_mul(2)
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, _: Build<'_>) -> Vec<Box<dyn Forward>> {
        vec![Box::new(self.clone())]
    }
}

impl Forward for Rescaling {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        // Bytes are promoted to float32 within the multiplication: one pass over them.
        let mut y = x.f_mul_scalar(self.scale)?;
        if self.offset == 0.0 { Ok(y) } else { y.f_add_scalar_(self.offset) }
    }

    fn operator(&self) -> Operator<'_> {
        Operator::Scaling(Ok((vec![self.scale], vec![self.offset])))
    }
}
