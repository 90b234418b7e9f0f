//! Dropout (Srivastava et al., 2014), as Keras': in training, each value is zero with probability `rate`, and the others are
//! divided by `1 - rate`; in inference nothing happens.

use super::{Build, FLOAT_BYTES, Forward, LayerDefinition, Operator, Pass, ShapeError, elements};
use crate::random::Purpose;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Sets random values to zero while training, so that no unit relies on another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "rate", "examples" = [{"rate": 0.2}]))]
pub struct Dropout {
    /// The share of values that become zero, from 0 to below 1.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    #[schemars(extend("x-known-as" = ["p", "prob", "probability"]))]
    pub rate: f64,
}

impl LayerDefinition for Dropout {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        Ok(input.to_vec())
    }

    fn flops(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output)
    }

    /// Besides the output, the mask.
    fn activation_bytes(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output).saturating_mul(2 * FLOAT_BYTES)
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        vec![Box::new(Mask { rate: self.rate, name: build.name.to_owned() })]
    }
}

/// Dropout's mask.
pub struct Mask {
    rate: f64,
    name: String,
}

impl Mask {
    /// What values are multiplied by: 0, or `1 / (1 - rate)`. Each example of the batch has numbers of its own.
    fn draw(&self, examples: usize, values: usize, pass: &Pass) -> Vec<f32> {
        let purpose = Purpose::new(pass.seed, &format!("dropout/{}", self.name));
        // A value is dropped where 32 random bits lie below this share of their range.
        let threshold = (self.rate * f64::from(u32::MAX)) as u32;
        let kept = (1.0 / (1.0 - self.rate)) as f32;
        let mut mask = vec![0.0; examples * values];
        for (example, row) in mask.chunks_mut(values.max(1)).enumerate() {
            let mut stream = purpose.stream(pass.step, example as u32);
            row.iter_mut().for_each(|value| *value = if stream.bits() < threshold { 0.0 } else { kept });
        }
        mask
    }
}

impl Forward for Mask {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor, TchError> {
        if !pass.training || self.rate == 0.0 {
            return Ok(x.shallow_clone());
        }
        let size = x.size();
        let examples = size[0] as usize;
        let values = size[1..].iter().product::<i64>() as usize;
        let mask = Tensor::from_slice(&self.draw(examples, values, pass)).to_device(x.device());
        // The mask lies in memory as the images do, channels last.
        let mask = match size[..] {
            [n, c, h, w] => mask.f_view([n, h, w, c])?.f_permute([0, 3, 1, 2])?,
            _ => mask.f_view(&size[..])?,
        };
        x.f_mul(&mask)
    }

    fn operator(&self) -> Operator<'_> {
        Operator::Dropout(self)
    }
}
