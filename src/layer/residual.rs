//! `y = layers(x) + shortcut(x)` (He et al., 2015).

use super::{
    Block, Layer, LayerDefinition, Merge, ShapeError, Structure, display_shape, elements, structure,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adds its input to what its layers make of it, so that deep networks train well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["BasicBlock", "ResidualBlock", "skip_connection"], "x-bare" = "layers", "examples" = [
    {"layers": [
        {"conv2d": {"filters": 3, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        {"conv2d": {"filters": 3, "kernel_size": 3, "padding": "same"}}
    ]},
    {
        "layers": [{"conv2d": {"filters": 8, "kernel_size": 3, "strides": 2, "padding": "same"}}],
        "shortcut": [{"conv2d": {"filters": 8, "kernel_size": 1, "strides": 2}}]
    }
]))]
pub struct Residual {
    /// The layers that the input passes.
    #[schemars(length(min = 1))]
    pub layers: Vec<Layer>,
    /// The layers that the input passes on its way around them; none where the shape stays.
    #[serde(default)]
    pub shortcut: Vec<Layer>,
}

impl LayerDefinition for Residual {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        structure::output_shape(self, input)
    }

    fn join(&self, input: &[usize], outputs: &[Vec<usize>]) -> Result<Vec<usize>, ShapeError> {
        Merge::Add.output_shape(outputs).map_err(|_| {
            let (inner, around) = (&outputs[0], &outputs[1]);
            let (inner_text, around_text) = (display_shape(inner), display_shape(around));
            let message = if self.shortcut.is_empty() {
                format!("{around_text} comes in and {inner_text} leaves the layers: they can't be added")
            } else {
                format!("{inner_text} leaves the layers and {around_text} the shortcut: they can't be added")
            };
            ShapeError::new(message, fitting_shortcut(input, inner)).or(inner.clone())
        })
    }

    fn flops(&self, _: &[usize], output: &[usize]) -> u64 {
        elements(output)
    }

    fn structure(&self) -> Structure<'_> {
        let block = |key, layers| Block { key, index: None, layers };
        Structure::Parallel(vec![block("layers", &self.layers), block("shortcut", &self.shortcut)], Merge::Add)
    }
}

/// A shortcut that turns `input` into `output`, as one would write it.
fn fitting_shortcut(input: &[usize], output: &[usize]) -> String {
    match (input, output) {
        ([height, width, _], [rows, columns, channels]) => {
            let stride = |from: &usize, to: &usize| from.div_ceil((*to).max(1)).max(1);
            let fits = |from: &usize, to: &usize| from.div_ceil(stride(from, to)) == *to;
            if !(fits(height, rows) && fits(width, columns)) {
                return "`padding: same` in the layers keeps the size".to_owned();
            }
            let strides = match (stride(height, rows), stride(width, columns)) {
                (1, 1) => String::new(),
                (vertical, horizontal) if vertical == horizontal => format!(", strides: {vertical}"),
                (vertical, horizontal) => format!(", strides: [{vertical}, {horizontal}]"),
            };
            format!("fit the shortcut: `shortcut: [{{conv2d: {{filters: {channels}, kernel_size: 1{strides}}}}}]`")
        }
        (_, [features]) => format!("fit the shortcut: `shortcut: [flatten, {{dense: {features}}}]`"),
        _ => "give `layers` and `shortcut` the same output".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn residual(layers: &str, shortcut: &str) -> Residual {
        serde_json::from_str(&format!(r#"{{"layers": [{layers}], "shortcut": [{shortcut}]}}"#)).expect("a residual")
    }

    #[test]
    fn the_shortcut_that_is_proposed_fits() {
        for (layers, shortcut) in [
            (
                r#"{"conv2d": {"filters": 8, "kernel_size": 3, "strides": 2, "padding": "same"}}"#,
                r#"{"conv2d": {"filters": 8, "kernel_size": 1, "strides": 2}}"#,
            ),
            (
                r#"{"conv2d": {"filters": 5, "kernel_size": 3, "padding": "same"}}"#,
                r#"{"conv2d": {"filters": 5, "kernel_size": 1}}"#,
            ),
        ] {
            let error = residual(layers, "").output_shape(&[9, 8, 3]).expect_err("another shape");
            let proposed = shortcut.replace('"', "");
            assert!(error.help.contains(&proposed.replace(":", ": ").replace("  ", " ")), "{}", error.help);
            assert!(residual(layers, shortcut).output_shape(&[9, 8, 3]).is_ok());
        }
        let valid = residual(r#"{"conv2d": {"filters": 4, "kernel_size": 3}}"#, "");
        assert!(valid.output_shape(&[8, 8, 1]).expect_err("smaller").help.contains("padding: same"));
    }
}
