//! No dropout and no noise where nothing is trained: they hand on what they get.

use crate::{
    layer::Operator,
    model::{Means, Operation},
};
use tch::TchError;

/// Takes out of the row what only disturbs training.
pub fn rewrite(operations: &mut Vec<Operation>, _: &Means) -> Result<(), TchError> {
    operations.retain(|operation| !matches!(operation.operator(), Operator::Disturbance));
    Ok(())
}
