//! Parameters that learn faster or slower than the others.

use super::LayerPattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Layers whose learning rate is another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"layers": ["dense"], "learning_rate_factor": 0.1}]))]
pub struct ParameterGroup {
    /// The layers by name, `dense` or `conv2d_1`, or single parameters, `dense.bias`; `*` stands for anything, as in `conv2d*`.
    #[schemars(length(min = 1), extend("x-known-as" = ["params"], "examples" = [["dense"], ["conv2d*", "*.bias"]]))]
    pub layers: Vec<LayerPattern>,
    /// What their learning rate is multiplied by.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1000000, "x-known-as" = ["lr_mult"], "examples" = [0.1]))]
    pub learning_rate_factor: f64,
}

/// What the learning rate of the parameter of this name is multiplied by: as the first group says that names it.
pub fn factor(groups: &[ParameterGroup], parameter: &str) -> f64 {
    let own = groups.iter().find(|group| group.layers.iter().any(|pattern| pattern.matches(parameter)));
    own.map_or(1.0, |group| group.learning_rate_factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_group_that_names_a_parameter_counts() {
        let group = |layers: &[&str], learning_rate_factor| ParameterGroup {
            layers: layers.iter().map(|layer| LayerPattern((*layer).to_owned())).collect(),
            learning_rate_factor,
        };
        let groups = [group(&["dense.bias", "dense_1"], 2.0), group(&["dense*"], 0.5)];
        let factors =
            ["dense.kernel", "dense.bias", "dense_1.kernel", "conv2d.kernel"].map(|name| factor(&groups, name));
        assert_eq!(factors, [0.5, 2.0, 2.0, 1.0]);
    }
}
