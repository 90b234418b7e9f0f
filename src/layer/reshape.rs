//! The same values in another shape, in the order height, width, channel, as Keras' `Reshape`.

use super::{Build, Forward, LayerDefinition, Pass, ShapeError, as_computed, as_stored, display_shape, elements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Gives the values another shape, row by row, pixel by pixel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["view", "Unflatten"], "x-bare" = "target_shape", "examples" = [{"target_shape": [8, 9, 3]}, {"target_shape": [-1, 3]}]))]
pub struct Reshape {
    /// The new shape of an example: `[features]`, `[tokens, features]` or `[height, width, channels]`. One of the numbers may be
    /// -1: it becomes what the values are enough for.
    #[schemars(length(min = 1, max = 3), inner(range(min = -1, max = 1073741824)))]
    #[schemars(extend("x-known-as" = ["shape", "size"]))]
    pub target_shape: Vec<i64>,
}

impl LayerDefinition for Reshape {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let values = elements(input);
        let given: Vec<usize> = self.target_shape.iter().filter_map(|&n| usize::try_from(n).ok()).collect();
        let open = self.target_shape.len() - given.len();
        let others = elements(&given);
        let rest = values.checked_div(others).filter(|rest| rest * others == values);
        let whole = self.target_shape.iter().map(|&n| match (usize::try_from(n), rest) {
            (Ok(n), _) => n,
            (Err(_), rest) => rest.unwrap_or(1) as usize,
        });
        let output: Vec<usize> = whole.collect();
        if open > 1 || rest.is_none() || (open == 0 && others != values) || given.contains(&0) {
            let shown = format!("{:?}", self.target_shape);
            return Err(ShapeError::new(
                format!("the {values} values of {} can't become {shown}", display_shape(input)),
                "give a shape of as many values; one number may be -1",
            )
            .or(output));
        }
        Ok(output)
    }

    fn flops(&self, _: &[usize], _: &[usize]) -> u64 {
        0
    }

    /// A view of what came in.
    fn activation_bytes(&self, _: &[usize], _: &[usize]) -> u64 {
        0
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let shape = self.output_shape(build.input).expect("the check lets only shapes through that fit");
        vec![Box::new(Shaped(shape.into_iter().map(|n| n as i64).collect()))]
    }
}

/// Another shape, without the batch.
struct Shaped(Vec<i64>);

impl Forward for Shaped {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let size = [&x.size()[..1], &self.0].concat();
        as_computed(&as_stored(x)?.f_view(&size[..])?)
    }
}
