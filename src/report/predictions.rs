//! Images with what a model says of them.

use super::figure;
use serde_json::{Value, json};

pub(super) const TEMPLATE: &str = include_str!("../../templates/sections/predictions.html");

/// A page with more of them would be slow.
const MOST: usize = 1000;

/// What a model says of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// What the image is called.
    pub image: String,
    /// The image as the model sees it, as PNG in base 64.
    pub png: String,
    /// The most probable classes with their probabilities, the best first; at least one.
    pub top: Vec<(String, f32)>,
}

/// The data of the partial.
pub(super) fn shown(predictions: &[Prediction], left_out: &[String]) -> Value {
    let one = |prediction: &Prediction| {
        let top = prediction.top.iter().map(|(class, probability)| {
            let share = f64::from(*probability);
            json!({ "class": class, "share": figure::percent(share, 1), "width": 100.0 * share })
        });
        json!({ "image": prediction.image, "png": prediction.png, "top": top.collect::<Vec<_>>() })
    };
    json!({
        "predictions": predictions.iter().take(MOST).map(one).collect::<Vec<_>>(),
        "all": figure::counted(predictions.len(), "image", "images"),
        "most": (predictions.len() > MOST).then(|| figure::count(MOST)),
        "left_out": left_out,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::predictions_page;

    fn prediction(image: &str, class: &str) -> Prediction {
        let top = vec![(class.to_owned(), 0.75), ("dog".to_owned(), 0.25)];
        Prediction { image: image.to_owned(), png: "aGVsbG8=".to_owned(), top }
    }

    #[test]
    fn a_page_shows_images_classes_and_what_is_missing() {
        let html = predictions_page("pets", "run-1", &[prediction("a.png", "cat")], &["b.png is broken".to_owned()]);
        let html = html.unwrap();
        for wanted in ["data:image/png;base64,aGVsbG8=", "a.png", "cat", "75.0%", "25.0%", "b.png is broken", "run-1"] {
            assert!(html.contains(wanted), "{wanted}");
        }
        assert!(!html.contains("http:"));
    }

    #[test]
    fn names_are_no_markup() {
        let evil = "<script>alert(1)</script>\"'";
        let html = predictions_page(evil, evil, &[prediction(evil, evil)], &[evil.to_owned()]).unwrap();
        assert!(!html.contains("<script>alert") && html.contains("&lt;script&gt;alert"));
    }

    #[test]
    fn a_page_stays_bearable() {
        let many = vec![prediction("a.png", "cat"); MOST + 1];
        let html = predictions_page("pets", "", &many, &[]).unwrap();
        assert_eq!(html.matches("<img").count(), MOST);
        assert!(html.contains("the first 1,000"));
    }
}
