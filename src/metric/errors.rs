//! What metrics share that follow from how far predicted numbers are from the true ones.

use super::{Running, averaged};

/// What `whole` makes of the mean over the examples of what `each` makes of a residual.
pub(super) fn mean_of(each: fn(f64) -> f64, whole: fn(f64) -> f64) -> Box<dyn Running> {
    averaged(
        move |answers| {
            let estimates = answers.estimates();
            (0..estimates.len()).map(|index| each(estimates.residual(index))).sum::<f64>()
        },
        whole,
    )
}
