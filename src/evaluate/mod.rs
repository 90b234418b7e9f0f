//! A model on a split: its figures, its predictions, and what the evaluation steps ask of it.

mod inquiry;

pub use inquiry::Inquiry;

use crate::{
    data::{HostBatch, InputPipeline},
    diagnostic::Result,
    evaluation::{Predictions, StepResult},
    layer::Pass,
    metric::Metric,
    model::{Model, computation, in_layer, to_device},
    spec::Pipeline,
};
use tch::{TchError, Tensor};

/// Loss and metrics of `model` over `data`, with names that begin with `prefix`.
///
/// # Errors
/// Where data cannot be read or libtorch fails.
pub fn figures(pipeline: &Pipeline, model: &Model, data: &InputPipeline, prefix: &str) -> Result<Vec<(String, f64)>> {
    over(pipeline, model, data, prefix, |_, _| Ok(()))
}

/// Loss and metrics as [`figures`] gives them, and what the model says of every example.
///
/// # Errors
/// As [`figures`].
pub fn predictions(
    pipeline: &Pipeline,
    model: &Model,
    data: &InputPipeline,
    classes: &[String],
    prefix: &str,
) -> Result<(Vec<(String, f64)>, Predictions)> {
    let mut predictions =
        Predictions { classes: classes.to_vec(), labels: vec![], predicted: vec![], probabilities: vec![] };
    let figures = over(pipeline, model, data, prefix, |outputs, labels| {
        let probabilities = model.probabilities(outputs)?.f_to_device(tch::Device::Cpu)?.f_contiguous()?;
        predictions.labels.extend(labels.iter().map(|&label| label as u32));
        predictions
            .predicted
            .extend(Vec::<i64>::try_from(&probabilities.f_argmax(1, false)?)?.into_iter().map(|class| class as u32));
        predictions.probabilities.extend(Vec::<f32>::try_from(&probabilities.f_view([-1])?)?);
        Ok(())
    })?;
    Ok((figures, predictions))
}

/// What `model` says of the examples of `data`: `each` gets every batch with its probabilities, `[batch, classes]`, row after
/// row.
///
/// # Errors
/// As [`figures`].
pub fn probabilities(
    pipeline: &Pipeline,
    model: &Model,
    data: &InputPipeline,
    mut each: impl FnMut(&HostBatch, &[f32]),
) -> Result<()> {
    let failed = |error| computation(&error, "the prediction");
    let model = model.frozen().map_err(failed)?;
    let pass = Pass { training: false, seed: pipeline.seed, step: 0 };
    for batch in data.epoch(0) {
        let batch = batch?;
        let probabilities: Vec<f32> = tch::no_grad(|| {
            let (images, _) = to_device(&batch, data.form(), model.device()).map_err(failed)?;
            let outputs = model.forward(&images, &pass).map_err(|error| in_layer(&error))?;
            let probabilities = model.probabilities(&outputs).and_then(|p| p.f_to_device(tch::Device::Cpu));
            probabilities.and_then(|p| Vec::try_from(&p.f_contiguous()?.f_view([-1])?)).map_err(failed)
        })?;
        each(&batch, &probabilities);
    }
    Ok(())
}

/// Adds the results of the pipeline's evaluation steps to `done`, in their order, on what the model said of the test
/// examples.
///
/// # Errors
/// Where an example cannot be read, libtorch fails, or the user wants to stop; `done` then holds the steps before.
pub fn steps(inquiry: &Inquiry<'_>, predictions: &Predictions, done: &mut Vec<StepResult>) -> Result<()> {
    let answering = inquiry::Answering::new(inquiry, predictions)?;
    for step in &inquiry.pipeline.evaluation {
        done.push(step.compute(&answering)?);
    }
    Ok(())
}

fn over(
    pipeline: &Pipeline,
    model: &Model,
    data: &InputPipeline,
    prefix: &str,
    mut each: impl FnMut(&Tensor, &[i64]) -> std::result::Result<(), TchError>,
) -> Result<Vec<(String, f64)>> {
    let spec = &pipeline.training;
    let failed = |error| computation(&error, "the evaluation");
    let model = model.frozen().map_err(failed)?;
    let mut figures = Figures::new(prefix, &spec.metrics);
    // As in Keras, the loss is that of training: with what the weights cost.
    let cost = tch::no_grad(|| model.cost()?.map_or(Ok(0.0), |cost| cost.f_double_value(&[]))).map_err(failed)?;
    let pass = Pass { training: false, seed: pipeline.seed, step: 0 };
    for batch in data.epoch(0) {
        let batch = batch?;
        tch::no_grad(|| {
            let (images, targets) = to_device(&batch, data.form(), model.device()).map_err(failed)?;
            let outputs = model.forward(&images, &pass).map_err(|error| in_layer(&error))?;
            let loss = spec.loss.compute(&outputs, &targets, model.gives_logits()).map_err(failed)?;
            let loss = loss.f_double_value(&[]).map_err(failed)?;
            figures.add(loss + cost, &outputs, &targets.labels, &spec.metrics).map_err(failed)?;
            each(&outputs, &batch.labels).map_err(failed)
        })?;
    }
    Ok(figures.means())
}

/// Running means of the loss and the metrics.
pub(crate) struct Figures {
    names: Vec<String>,
    sums: Vec<f64>,
    examples: usize,
}

impl Figures {
    pub(crate) fn new(prefix: &str, metrics: &[Metric]) -> Self {
        let names: Vec<String> =
            std::iter::once("loss").chain(metrics.iter().map(|m| m.name())).map(|n| format!("{prefix}{n}")).collect();
        Figures { sums: vec![0.0; names.len()], names, examples: 0 }
    }

    /// Adds a batch with its mean loss.
    pub(crate) fn add(
        &mut self,
        loss: f64,
        outputs: &Tensor,
        labels: &Tensor,
        metrics: &[Metric],
    ) -> std::result::Result<(), TchError> {
        let examples = labels.size()[0] as usize;
        self.sums[0] += loss * examples as f64;
        for (sum, metric) in self.sums[1..].iter_mut().zip(metrics) {
            *sum += metric.sum(outputs, labels)?;
        }
        self.examples += examples;
        Ok(())
    }

    /// Examples added so far.
    pub(crate) fn examples(&self) -> usize {
        self.examples
    }

    /// What the means are made of: a sum for each figure.
    pub(crate) fn sums(&self) -> &[f64] {
        &self.sums
    }

    /// Goes on from such sums over so many examples; says whether there is one for each figure.
    pub(crate) fn go_on_from(&mut self, sums: &[f64], examples: usize) -> bool {
        let fits = sums.len() == self.sums.len();
        if fits {
            self.sums.copy_from_slice(sums);
            self.examples = examples;
        }
        fits
    }

    pub(crate) fn means(&self) -> Vec<(String, f64)> {
        let examples = self.examples.max(1) as f64;
        self.names.iter().cloned().zip(self.sums.iter().map(|sum| sum / examples)).collect()
    }
}
