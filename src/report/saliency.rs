//! Which pixels a prediction hangs on.

use super::{Section, gallery::results};
use crate::{
    evaluation::saliency::{OfImage, Outcome},
    run::Record,
};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "saliency",
    title: "Saliency",
    template: include_str!("../../templates/sections/saliency.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    results(record, |result: &Outcome, names| {
        let image = |image: &OfImage| {
            json!({
                "example": names.example(&image.example),
                "gradient": image.gradient,
                "grad_cam": image.grad_cam,
            })
        };
        json!({ "layer": result.layer, "images": result.images.iter().map(image).collect::<Vec<_>>() })
    })
}
