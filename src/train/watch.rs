//! What is looked at while training where `training.watch` asks for it: the norms of gradients, and activations that are dead.

use super::Training;
use crate::{
    check::PlannedLayer,
    diagnostic,
    distributed::Group,
    layer::{ActivationFunction, Layer, Pass, Structure},
    model::{LayerError, Model, computation, in_layer, to_device},
};
use tch::{Kind, TchError, Tensor};

/// The norms of the gradients, summed up over the steps of an epoch.
pub(super) struct GradientNorms {
    /// The layers that are trained.
    layers: Vec<String>,
    /// The layer of each parameter.
    owners: Vec<usize>,
    /// Of all parameters together, and of each layer.
    sums: Vec<f64>,
}

impl GradientNorms {
    pub fn new(model: &Model) -> Self {
        let (mut layers, mut owners) = (Vec::<String>::new(), Vec::new());
        for parameter in model.trainable() {
            let layer = parameter.name.rsplit_once('.').map_or(parameter.name.as_str(), |(layer, _)| layer);
            owners.push(layers.iter().position(|known| known == layer).unwrap_or_else(|| {
                layers.push(layer.to_owned());
                layers.len() - 1
            }));
        }
        GradientNorms { sums: vec![0.0; layers.len() + 1], layers, owners }
    }

    /// Adds those of a step.
    pub fn add(&mut self, model: &Model) -> Result<(), TchError> {
        let norms: Vec<Tensor> = model.trainable().map(|it| it.tensor.f_grad()?.f_norm()).collect::<Result<_, _>>()?;
        let norms = Vec::<f32>::try_from(&Tensor::f_stack(&norms, 0)?.f_to_kind(Kind::Float)?)?;
        let mut squares = vec![0.0; self.layers.len()];
        for (norm, &owner) in norms.into_iter().zip(&self.owners) {
            squares[owner] += f64::from(norm).powi(2);
        }
        let all: f64 = squares.iter().sum();
        self.sums.iter_mut().zip(std::iter::once(&all).chain(&squares)).for_each(|(sum, square)| *sum += square.sqrt());
        Ok(())
    }

    pub fn sums(&self) -> &[f64] {
        &self.sums
    }

    /// Goes on from such sums; says whether they are of as many layers.
    pub fn go_on_from(&mut self, sums: &[f64]) -> bool {
        let fits = sums.len() == self.sums.len();
        if fits {
            self.sums.copy_from_slice(sums);
        }
        fits
    }

    /// The means over so many steps.
    pub fn means(&self, steps: usize) -> Vec<(String, f64)> {
        let layers = self.layers.iter().map(|layer| format!("gradient_norm[{layer}]"));
        let names = std::iter::once("gradient_norm".to_owned()).chain(layers);
        names.zip(self.sums.iter().map(|sum| sum / steps.max(1) as f64)).collect()
    }
}

/// The shares of dead units and channels for the batch of the step behind `steps`.
///
/// # Errors
/// Where data cannot be read, libtorch fails, or another process is gone.
pub(super) fn dead_activations(training: &Training<'_>, steps: u64) -> diagnostic::Result<Vec<(String, f64)>> {
    let Training { pipeline, plan, model, data, group, .. } = *training;
    let Some(batch) = training.batches(steps, 1).next().transpose()? else { return Ok(Vec::new()) };
    let names = rectified(&pipeline.model.layers, &plan.layers);
    tch::no_grad(|| {
        let on_device = to_device(&batch, data.form(), model.device());
        let (examples, _) = on_device.map_err(|error| computation(&error, "watching activations"))?;
        dead_for(model, &names, &examples, &Pass::inference(pipeline.seed), group)
    })
}

/// The shares of units and channels behind ReLU that are 0 for all of `examples`, in whatever process: of all layers together,
/// and of each.
///
/// # Errors
/// Names the layer in which libtorch failed, or says that another process is gone.
fn dead_for(
    model: &Model,
    names: &[String],
    examples: &Tensor,
    pass: &Pass,
    group: &Group,
) -> diagnostic::Result<Vec<(String, f64)>> {
    let failed = |layer: &str| {
        let layer = layer.to_owned();
        move |error| in_layer(&LayerError { layer, error })
    };
    let plain = model.layer_by_layer().map_err(failed("the model"))?;
    let mut left: Vec<Option<Tensor>> = names.iter().map(|_| None).collect();
    let traced = plain.traced(examples, pass, &mut |name, output| {
        if let Some(at) = names.iter().position(|known| known == name) {
            left[at] = Some(output.shallow_clone());
        }
    });
    let _ = traced.map_err(|error| in_layer(&error))?;
    let (mut all, mut dead, mut shares) = (0.0, 0.0, Vec::new());
    for (name, output) in names.iter().zip(left) {
        let Some(output) = output else { continue };
        let living = living(&output).map_err(failed(name))?;
        group.sum(std::slice::from_ref(&living))?;
        let (units, own) = counted(&living).map_err(failed(name))?;
        (all, dead) = (all + units, dead + own);
        shares.push((format!("dead_activations[{name}]"), own / units));
    }
    let whole = (all > 0.0).then(|| ("dead_activations".to_owned(), dead / all));
    Ok(whole.into_iter().chain(shares).collect())
}

/// Of each unit or channel 1 where it is above 0 for some example, and else 0.
fn living(output: &Tensor) -> Result<Tensor, TchError> {
    if output.size()[0] == 0 {
        return Tensor::f_zeros([output.size()[1]], (Kind::Float, output.device()));
    }
    let others: Vec<i64> = (0..output.dim() as i64).filter(|&axis| axis != 1).collect();
    output.f_amax(others.as_slice(), false)?.f_le(0.0)?.f_logical_not()?.f_to_kind(Kind::Float)
}

/// How many units or channels there are, and how many live nowhere.
fn counted(living: &Tensor) -> Result<(f64, f64), TchError> {
    let dead = living.f_eq(0.0)?.f_sum(Kind::Int64)?.f_int64_value(&[])?;
    Ok((living.numel() as f64, dead as f64))
}

/// The names of the layers that end in ReLU.
fn rectified(layers: &[Layer], planned: &[PlannedLayer]) -> Vec<String> {
    let mut names = Vec::new();
    for (layer, planned) in layers.iter().zip(planned) {
        match layer.structure() {
            Structure::Computation if layer.activation() == ActivationFunction::Relu => {
                names.push(planned.row.name.clone());
            }
            Structure::Computation => {}
            Structure::Repeat(_, block) => {
                names.extend(planned.blocks.iter().flat_map(|turn| rectified(block.layers, turn)));
            }
            Structure::Parallel(blocks, _) => {
                let rows = blocks.iter().zip(&planned.blocks);
                names.extend(rows.flat_map(|(block, row)| rectified(block.layers, row)));
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Plan;
    use serde_json::json;
    use tch::Device;

    #[test]
    fn dead_units_and_norms_are_those_of_the_layers() {
        let layers = json!([
            {"conv2d": {"filters": 4, "kernel_size": 1, "activation": "relu"}},
            {"flatten": {}},
            {"dense": {"units": 3, "activation": "relu"}},
            {"dense": {"units": 2}}
        ]);
        let layers: Vec<Layer> = serde_json::from_value(layers).unwrap();
        let plan = Plan::new(&layers, [2, 2, 1]).unwrap();
        let model = Model::new(&layers, &plan, 0, Device::Cpu).unwrap();
        tch::no_grad(|| {
            for parameter in model.parameters() {
                let values = match parameter.name.as_str() {
                    // Three of the four channels can only be 0.
                    "conv2d.kernel" => Tensor::from_slice(&[-1f32, -1.0, 1.0, -1.0]).view([4, 1, 1, 1]),
                    "dense.kernel" => Tensor::ones(parameter.tensor.size(), (Kind::Float, Device::Cpu)),
                    _ => continue,
                };
                parameter.tensor.shallow_clone().copy_(&values);
            }
        });
        let names = rectified(&layers, &plan.layers);
        assert_eq!(names, ["conv2d", "dense"]);
        let images = Tensor::from_slice(&[1u8, 2, 3, 4, 5, 6, 7, 8]).view([2, 2, 2, 1]);
        let pass = Pass::inference(0);
        let shares = dead_for(&model, &names, &images, &pass, &Group::alone()).unwrap();
        let wanted =
            [("dead_activations", 3.0 / 7.0), ("dead_activations[conv2d]", 0.75), ("dead_activations[dense]", 0.0)];
        assert_eq!(shares, wanted.map(|(name, share)| (name.to_owned(), share)));

        let outputs = model.forward(&images, &pass).map_err(|e| e.error).unwrap();
        outputs.sum(Kind::Float).backward();
        let mut norms = GradientNorms::new(&model);
        norms.add(&model).unwrap();
        norms.add(&model).unwrap();
        let means = norms.means(2);
        assert_eq!(means.len(), 4);
        let squares: f64 = means[1..].iter().map(|(_, norm)| norm * norm).sum();
        assert!((means[0].1 - squares.sqrt()).abs() < 1e-9, "{means:?}");
        // Each of the two biases of the last layer has a gradient of 2, and each weight twice what reaches it in sum.
        let bias = model.trainable().find(|it| it.name == "dense_1.bias").unwrap().tensor.grad();
        assert!(means[3].1 > bias.norm().double_value(&[]));
    }
}
