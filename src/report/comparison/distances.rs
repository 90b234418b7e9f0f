//! How far two runs are from the true numbers on the same test examples, and whether that is more than chance.

use crate::{
    evaluation::{Estimates, significance::Paired},
    report::figure,
};
use serde::Serialize;

/// How two runs that predict numbers stand on the same test examples.
#[derive(Debug, Serialize)]
pub struct Distances {
    /// Examples tested.
    pub examples: usize,
    /// The mean absolute error of the first run and of the second.
    pub mean_absolute_errors: [f64; 2],
    /// Examples on which only the first run is nearer, and those on which only the second is.
    pub nearer: [u64; 2],
    /// The p-value of Wilcoxon's signed-rank test of the differences between the absolute errors.
    pub p: f64,
    /// The same, raised by Holm's method where there are several tests.
    pub p_adjusted: f64,
    /// How many tests there are.
    pub tests: usize,
    /// Whether the adjusted p-value is below 0.05.
    pub significant: bool,
}

/// How two runs stand, or why that cannot be told.
pub(super) fn between(one: &Estimates, other: &Estimates) -> Result<Distances, String> {
    let Some(Paired { first: nearer, second: farther, p }) = Paired::of_numbers(one, other) else {
        return Err("their test examples aren't the same ones".to_owned());
    };
    let error = |estimates: &Estimates| estimates.mean_absolute_error(&|_| 1);
    let Some((first, second)) = error(one).zip(error(other)) else {
        return Err("there is no test example, or not every prediction is a number".to_owned());
    };
    Ok(Distances {
        examples: one.len(),
        mean_absolute_errors: [first, second],
        nearer: [nearer, farther],
        p,
        p_adjusted: p,
        tests: 1,
        significant: false,
    })
}

impl Distances {
    /// What the test says, in a sentence.
    pub(super) fn words(&self, a: &str, b: &str) -> String {
        let ([first, second], [nearer, farther]) = (self.mean_absolute_errors, self.nearer);
        if (nearer, farther) == (0, 0) {
            return format!("{a} and {b} are equally far off on every example: the test data tell no difference.");
        }
        let swapped = second < first;
        let (better, worse) = if swapped { (b, a) } else { (a, b) };
        let (less, more) = if swapped { (second, first) } else { (first, second) };
        let (nearer, farther) = if swapped { (farther, nearer) } else { (nearer, farther) };
        let count = |number: u64| if number == 0 { "none".to_owned() } else { figure::grouped(number) };
        let examples = match nearer {
            0 => "no example".to_owned(),
            nearer => figure::counted(usize::try_from(nearer).unwrap_or(usize::MAX), "example", "examples"),
        };
        let counts = format!(
            "a mean absolute error of {} against {}, nearer on {examples} and farther on {}",
            figure::number(less),
            figure::number(more),
            count(farther)
        );
        let p = figure::adjusted_p_value(self.p_adjusted, self.tests);
        match self.significant {
            true => format!("{better} is nearer than {worse}: {counts}; a difference this large by chance: {p}."),
            false => format!(
                "{better} is ahead of {worse}: {counts}, but these examples don't show that it is better; a difference this \
                 large by chance: {p}."
            ),
        }
    }
}
