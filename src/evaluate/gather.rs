//! What several processes found out about batches, brought together.

use super::host_numbers;
use crate::{
    data::BatchLabels,
    diagnostic::{Diagnostic, Result},
    distributed::Group,
    model::computation,
};
use tch::{Kind, TchError, Tensor};

/// A batch with what a model said of it.
pub(super) struct Scored {
    /// The mean loss.
    pub loss: f64,
    /// What left the model, `[batch, units]`.
    pub outputs: Tensor,
    /// The labels.
    pub labels: BatchLabels,
}

impl Scored {
    fn to_bytes(&self) -> std::result::Result<Vec<u8>, TchError> {
        let outputs = host_numbers(&self.outputs.f_to_kind(Kind::Float)?)?;
        let (is_number, labels): (u64, Vec<[u8; 8]>) = match &self.labels {
            BatchLabels::Classes(labels) => (0, labels.iter().map(|label| label.to_le_bytes()).collect()),
            BatchLabels::Numbers(labels) => (1, labels.iter().map(|label| f64::from(*label).to_le_bytes()).collect()),
        };
        let head = [self.loss.to_le_bytes(), is_number.to_le_bytes(), (labels.len() as u64).to_le_bytes()];
        let mut bytes = [head.as_flattened(), labels.as_flattened()].concat();
        bytes.extend(outputs.iter().flat_map(|output| output.to_le_bytes()));
        Ok(bytes)
    }

    /// The reverse of [`Scored::to_bytes`], by the same program.
    fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, TchError> {
        let (words, _) = bytes.as_chunks::<8>();
        let [loss, is_number, count] = [words[0], words[1], words[2]];
        let (loss, count) = (f64::from_le_bytes(loss), u64::from_le_bytes(count) as usize);
        let labels = words[3..3 + count].iter();
        let labels = match u64::from_le_bytes(is_number) {
            0 => BatchLabels::Classes(labels.map(|word| i64::from_le_bytes(*word)).collect()),
            _ => BatchLabels::Numbers(labels.map(|word| f64::from_le_bytes(*word) as f32).collect()),
        };
        let (outputs, _) = bytes[8 * (3 + count)..].as_chunks::<4>();
        let outputs: Vec<f32> = outputs.iter().map(|number| f32::from_le_bytes(*number)).collect();
        Ok(Scored { loss, outputs: Tensor::f_from_slice(&outputs)?.f_view([count as i64, -1])?, labels })
    }
}

/// What all processes have of a round, in their order.
///
/// # Errors
/// What libtorch reports, or that another process is gone.
pub(super) fn gathered(own: Option<Scored>, group: &Group) -> Result<Vec<Scored>> {
    if group.is_alone() {
        return Ok(own.into_iter().collect());
    }
    let failed = |error: TchError| -> Box<Diagnostic> { computation(&error, "the evaluation") };
    let bytes = own.map_or(Ok(Vec::new()), |own| own.to_bytes()).map_err(failed)?;
    let all = group.gather_bytes(&bytes)?;
    let scored = all.iter().filter(|bytes| !bytes.is_empty()).map(|bytes| Scored::from_bytes(bytes));
    scored.collect::<std::result::Result<_, _>>().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_back_bit_by_bit() {
        for labels in [BatchLabels::Classes(vec![1, 0, 70_000]), BatchLabels::Numbers(vec![0.1, -0.0, 1e30])] {
            let outputs = Tensor::from_slice(&[0.1f32, -0.0, f32::NAN, 3e-42, 5.0, 6.0]).view([3, 2]);
            let scored = Scored { loss: 0.1 + 0.2, outputs, labels };
            let back = Scored::from_bytes(&scored.to_bytes().unwrap()).unwrap();
            assert_eq!((back.loss.to_bits(), &back.labels), (scored.loss.to_bits(), &scored.labels));
            assert_eq!(back.outputs.size(), [3, 2]);
            assert_eq!(back.to_bytes().unwrap(), scored.to_bytes().unwrap());
        }
    }
}
