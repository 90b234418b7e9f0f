//! A token that belongs to no patch and gathers what tells the class (Dosovitskiy et al., 2020, after Devlin et al., 2018).
//!
//! `[tokens, features]` becomes `[1 + tokens, features]`.

use super::{
    Build, Forward, Initializer, LayerDefinition, Parameter, Pass, ShapeError,
    conv2d::{yes, zeros},
    initializer::of_any_shape,
    token_shape,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Puts a learned token before the others; `first_token` reads it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["cls_token", "ClassToken"], "examples" = [{}]))]
pub struct ClassToken {
    /// How the token starts.
    #[serde(default = "zeros")]
    #[schemars(schema_with = "of_any_shape")]
    pub initializer: Initializer,
    /// Whether training changes the token.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
}

impl LayerDefinition for ClassToken {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [tokens, features] = token_shape(input, "class_token")?;
        Ok(vec![tokens.saturating_add(1), features])
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        vec![Parameter::new("token", vec![input[1] as i64], self.initializer).trainable(self.trainable)]
    }

    fn flops(&self, _: &[usize], _: &[usize]) -> u64 {
        0
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        vec![Box::new(Prepend(build.parameters.into_iter().next().expect("the token is declared")))]
    }
}

/// Puts a token, `[features]`, before those of each example.
struct Prepend(Tensor);

impl Forward for Prepend {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let [batch, _, features] = x.size()[..] else { return Ok(x.shallow_clone()) };
        let token = self.0.f_to_kind(x.kind())?.f_expand([batch, 1, features], false)?;
        Tensor::f_cat(&[&token, x], 1)
    }
}
