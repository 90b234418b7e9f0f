//! What leaves layers for single images.

use super::{Section, figure, gallery::results};
use crate::{
    evaluation::feature_maps::{OfImage, OfLayer, Outcome},
    run::Record,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "feature-maps",
    title: "Feature maps",
    template: include_str!("../../templates/sections/feature_maps.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    results(record, |result: &Outcome, names| {
        let layer = |layer: &OfLayer| {
            json!({
                "name": layer.layer,
                "shape": figure::shape(&layer.shape),
                "channels": layer.channels,
                "flat": layer.flat,
                "png": layer.png,
            })
        };
        let image = |image: &OfImage| {
            json!({
                "example": names.example(&image.example),
                "layers": image.layers.iter().map(layer).collect::<Vec<_>>(),
            })
        };
        json!({ "images": result.images.iter().map(image).collect::<Vec<_>>() })
    })
}
