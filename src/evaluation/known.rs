//! What a check knows of the model and the data, and what doesn't fit them.

use super::LayerShape;
use crate::diagnostic::nearest;

/// What is known before a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The layers; nothing where the shapes aren't known yet.
    pub layers: Option<&'a [LayerShape]>,
    /// How many classes there are, where that is known.
    pub classes: Option<usize>,
    /// How many test examples there are, where that is known.
    pub examples: Option<usize>,
    /// Columns that the source keeps beside its images; or features of a table, where they are known.
    pub columns: Option<&'a [String]>,
    /// Whether examples are images.
    pub images: bool,
}

/// An argument that doesn't fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Misfit {
    /// The argument.
    pub key: &'static str,
    /// The item of it, where it is a list.
    pub index: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Known<'_> {
    /// Complains of `name`, which stands in `key`, where no layer is called so, or what leaves it is no image.
    pub fn image_layer(&self, key: &'static str, index: Option<usize>, name: &str) -> Option<Misfit> {
        let layers = self.layers?;
        let complain = |message, help| Some(Misfit { key, index, message, help });
        match layers.iter().find(|layer| layer.name == name) {
            Some(layer) if layer.shape.len() == 3 => None,
            Some(_) => {
                complain(format!("what leaves `{name}` is no image"), "name a layer before `flatten`".to_owned())
            }
            None => complain(
                format!("no layer is called `{name}`"),
                match nearest(name, layers.iter().map(|layer| layer.name.as_str())) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`trainyard summary` tells the layers' names".to_owned(),
                },
            ),
        }
    }

    /// Complains of `number`, which stands in `key`, where there is no such test example.
    pub fn example(&self, key: &'static str, index: usize, number: usize) -> Option<Misfit> {
        let examples = self.examples.filter(|examples| number >= *examples)?;
        Some(Misfit {
            key,
            index: Some(index),
            message: format!("there is no test example {number}"),
            help: format!("they are numbered from 0 to {}", examples.saturating_sub(1)),
        })
    }
}
