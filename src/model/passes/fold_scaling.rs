//! Rescaling and normalization of the input, one after the other, as one pass over the bytes.
//!
//! `(x * a + b) * c + d = x * (a * c) + (b * c + d)` for each channel, in real numbers; rounded once rather than twice, the
//! results differ by a unit in the last place.

use crate::{
    layer::{Forward, Operator, Pass},
    model::{Means, Operation},
};
use tch::{Device, Kind, TchError, Tensor};

/// Puts one operation in the place of those that scale at the beginning of the row, where there are several.
pub fn rewrite(operations: &mut Vec<Operation>, means: &Means) -> Result<(), TchError> {
    // The numbers would be asked back from another device at each step.
    if means.device != Device::Cpu {
        return Ok(());
    }
    let scales = |operation: &&Operation| matches!(operation.operator(), Operator::Scaling(_));
    let count = operations.iter().take_while(scales).count();
    if count > 1 {
        let folded: Vec<Operation> = operations.drain(..count).collect();
        let layers = folded.iter().flat_map(Operation::layers).cloned().collect();
        operations.insert(0, Operation::Computation { layers, forward: Box::new(Scale(folded)) });
    }
    Ok(())
}

/// What several operations do that scale. They are asked at each step, since what normalizes adapts to the data after it was
/// built.
struct Scale(Vec<Operation>);

impl Scale {
    fn both(&self) -> Result<(Vec<f64>, Vec<f64>), TchError> {
        let (mut scale, mut offset) = (vec![1.0], vec![0.0]);
        for operation in &self.0 {
            if let Operator::Scaling(next) = operation.operator() {
                let (by, plus) = next?;
                let channels = scale.len().max(by.len());
                let of = |numbers: &[f64], channel: usize| numbers[channel % numbers.len()];
                offset = (0..channels).map(|c| of(&offset, c) * of(&by, c) + of(&plus, c)).collect();
                scale = (0..channels).map(|c| of(&scale, c) * of(&by, c)).collect();
            }
        }
        Ok((scale, offset))
    }
}

impl Forward for Scale {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let (scale, offset) = self.both()?;
        // Channels are axis 1 here.
        let mut shape = vec![1; x.dim()];
        shape[1] = -1;
        let tensor = |numbers: Vec<f64>| {
            Tensor::f_from_slice(&numbers)?.f_to_kind(Kind::Float)?.f_to_device(x.device())?.f_view(&shape[..])
        };
        x.f_mul(&tensor(scale)?)?.f_add_(&tensor(offset)?)
    }

    fn operator(&self) -> Operator<'_> {
        Operator::Scaling(self.both())
    }

    fn describe(&self) -> Option<String> {
        Some("scale, once for all".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Build, Layer, Precision};

    #[test]
    fn one_pass_gives_what_several_give() {
        let texts = [
            r#"{"rescaling": {"scale": 0.00392156862745098, "offset": -0.3}}"#,
            r#"{"normalization": {"mean": [0.1, 0.2, 0.3], "variance": [0.04, 0.05, 0.06]}}"#,
            r#"{"rescaling": {"scale": -2, "offset": 0.25}}"#,
        ];
        let row = || -> Vec<Operation> {
            let built = texts.iter().flat_map(|text| {
                let layer: Layer = serde_json::from_str(text).expect("a layer");
                let parameters =
                    vec![Tensor::zeros([3], tch::kind::FLOAT_CPU), Tensor::ones([3], tch::kind::FLOAT_CPU)];
                layer.build(Build { name: "", input: &[4, 4, 3], parameters, precision: Precision::Float32 })
            });
            built.map(|forward| Operation::of("", forward)).collect()
        };
        let images = Tensor::arange(2 * 48, (Kind::Uint8, Device::Cpu)).view([2, 4, 4, 3]).permute([0, 3, 1, 2]);
        let pass = Pass::training(0, 0);
        let compute = |row: &[Operation]| {
            crate::model::through(row, images.shallow_clone(), &pass, &mut |_, _| ()).expect("it computes")
        };
        let mut folded = row();
        rewrite(&mut folded, &Device::Cpu.into()).unwrap();
        assert_eq!(folded.len(), 1);
        let difference = (compute(&folded) - compute(&row())).abs().max().double_value(&[]);
        assert!(difference < 1e-4, "{difference}");
    }
}
