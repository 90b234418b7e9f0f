//! The loss against the learning rate.

use super::{
    chart::{Axis, Chart, Drawn, Mark, Series, Shape},
    figure,
};
use crate::run::RangeTest;
use serde_json::{Value, json};

pub(super) const TEMPLATE: &str = include_str!("../../templates/sections/range_test.html");

/// The data of the partial.
pub(super) fn shown(test: &RangeTest) -> Value {
    let smoothed = test.smoothed();
    let single: Vec<(f64, f64)> = test.steps.iter().map(|tried| (tried.learning_rate, tried.loss)).collect();
    let suggestion = test.suggestion();
    let x = Axis::logarithm("learning rate", test.steps.iter().map(|tried| tried.learning_rate));
    // What exploded at the end would flatten all that is to be seen.
    let y = Axis::numbers("loss", smoothed.iter().map(|(_, loss)| *loss));
    let chart = x.zip(y).map(|(x, y)| {
        let (low, high) = y.ends();
        let within = |points: Vec<(f64, f64)>| {
            points.into_iter().map(|(rate, loss)| (rate, if (low..=high).contains(&loss) { loss } else { f64::NAN }))
        };
        let chart = Chart {
            title: "Loss by learning rate".to_owned(),
            alternative: "The loss against the learning rate".to_owned(),
            description: told(test),
            x,
            y,
            series: vec![
                Series { name: "smoothed".to_owned(), look: 0, drawn: Drawn::Curve(within(smoothed).collect()) },
                Series { name: "each step".to_owned(), look: 1, drawn: Drawn::Points(within(single).collect()) },
            ],
            mark: suggestion.map(|at| Mark {
                at,
                words: format!("proposed: {}", figure::rate(at)),
                name: "proposed rate".to_owned(),
            }),
            diagonal: None,
            shape: Shape::Wide,
        };
        chart.data("range-test", None)
    });
    json!({ "told": told(test), "chart": chart })
}

fn told(test: &RangeTest) -> String {
    let steps = figure::counted(test.steps.len(), "step", "steps");
    let found = match test.suggestion() {
        Some(rate) => format!("The smoothed loss fell fastest at a rate of {}.", figure::rate(rate)),
        None => "The smoothed loss fell nowhere.".to_owned(),
    };
    let end = if test.diverged { " The test ended because the loss grew too much." } else { "" };
    format!("In {steps} the rate rose by the same factor each time. {found}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_the_proposed_rate() {
        let mut test = RangeTest::default();
        for step in 0..40 {
            let rate = 1e-5 * 10f64.powf(f64::from(step) / 8.0);
            test.add(rate, if step < 30 { 2.0 - 0.04 * f64::from(step) } else { f64::from(step - 29) });
        }
        let page = crate::report::range_test_page("<net>", &test).unwrap();
        assert!(page.contains("proposed: ") && page.contains("&lt;net&gt;"));
        assert!(crate::report::range_test_page("net", &RangeTest::default()).unwrap().contains("fell nowhere"));
    }
}
