//! Patterns of names: `dense`, `conv2d*`, `*.bias`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Layers, or parameters, by name; `*` stands for anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct LayerPattern(#[schemars(length(min = 1, max = 200))] pub String);

impl LayerPattern {
    /// Whether it means the parameter of this name, such as `conv2d_1.kernel`: by its own name, or by its layer's.
    pub fn matches(&self, parameter: &str) -> bool {
        let layer = parameter.rsplit_once('.').map_or(parameter, |(layer, _)| layer);
        fits(&self.0, parameter) || fits(&self.0, layer)
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(before) else { return false };
    (0..=name.len()).filter(|&at| name.is_char_boundary(at)).any(|at| fits(rest, &name[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let matches = |pattern: &str, name| LayerPattern(pattern.to_owned()).matches(name);
        assert!(matches("dense", "dense.kernel") && !matches("dense", "dense_1.kernel"));
        assert!(matches("dense*", "dense_1.kernel") && !matches("dense*", "conv2d.kernel"));
        assert!(matches("*.bias", "conv2d.bias") && !matches("*.bias", "conv2d.kernel"));
        assert!(matches("conv2d_*.kernel", "conv2d_1.kernel") && !matches("conv2d_*.kernel", "conv2d.kernel"));
        assert!(matches("*", "dense.kernel"));
    }
}
