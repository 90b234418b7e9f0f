//! A model on a split: its figures, its predictions, and what the evaluation steps ask of it.

mod gather;
mod inquiry;

pub use inquiry::Inquiry;

use crate::{
    data::{BatchLabels, HostBatch, InputPipeline, Share},
    diagnostic::Result,
    distributed::Group,
    evaluation::{Answers, Estimates, Predictions, StepResult},
    layer::Pass,
    loss::Loss,
    metric::{Metric, Running},
    model::{Model, computation, in_layer, to_device},
    run::checkpoint::Files,
    spec::Pipeline,
    task::Task,
    train::{Awaited, ahead},
};
use gather::{Scored, gathered};
use std::collections::VecDeque;
use tch::{Device, TchError, Tensor};

/// Loss and metrics of `model` over `data`, with names that begin with `prefix`. The processes of `group` take turns with the
/// batches, and all get the figures.
///
/// # Errors
/// Where data cannot be read or libtorch fails, or another process is gone.
pub fn figures(
    pipeline: &Pipeline,
    model: &Model,
    data: &InputPipeline,
    prefix: &'static str,
    group: &Group,
) -> Result<Vec<(String, f64)>> {
    over(pipeline, model, data, prefix, group, |_, _| Ok(()))
}

/// Loss and metrics as [`figures`] gives them, and what the model says of every example.
///
/// # Errors
/// As [`figures`].
pub fn answers(
    pipeline: &Pipeline,
    model: &Model,
    data: &InputPipeline,
    classes: &[String],
    prefix: &'static str,
    group: &Group,
) -> Result<(Vec<(String, f64)>, Answers)> {
    let mut predictions =
        Predictions { classes: classes.to_vec(), labels: vec![], predicted: vec![], probabilities: vec![] };
    let mut estimates = Estimates::default();
    let (loss, logits) = (&pipeline.training.loss, model.gives_logits());
    let figures = over(pipeline, model, data, prefix, group, |outputs, labels| {
        let labels = match labels {
            BatchLabels::Classes(labels) => labels,
            BatchLabels::Numbers(targets) => {
                estimates.targets.extend(targets);
                estimates.predicted.extend(host_numbers(outputs)?);
                return Ok(());
            }
        };
        let probabilities = loss.probabilities(outputs, logits)?.f_to_device(Device::Cpu)?.f_contiguous()?;
        predictions.labels.extend(labels.iter().map(|&label| label as u32));
        predictions
            .predicted
            .extend(Vec::<i64>::try_from(&probabilities.f_argmax(1, false)?)?.into_iter().map(|class| class as u32));
        predictions.probabilities.extend(Vec::<f32>::try_from(&probabilities.f_view([-1])?)?);
        Ok(())
    })?;
    Ok((
        figures,
        match pipeline.task() {
            Task::Classification => predictions.into(),
            Task::Regression => estimates.into(),
        },
    ))
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
    let pass = Pass::inference(pipeline.seed);
    for batch in data.epoch(0) {
        let batch = batch?;
        let probabilities: Vec<f32> = tch::no_grad(|| {
            let (images, _) = to_device(&batch, data.form(), model.device()).map_err(failed)?;
            let outputs = model.forward(&images, &pass).map_err(|error| in_layer(&error))?;
            let probabilities = pipeline.training.loss.probabilities(&outputs, model.gives_logits());
            probabilities.and_then(|probabilities| host_numbers(&probabilities)).map_err(failed)
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
pub fn steps(inquiry: &Inquiry<'_>, answers: &Answers, done: &mut Vec<StepResult>) -> Result<()> {
    let answering = inquiry::Answering::new(inquiry, answers)?;
    for step in &inquiry.pipeline.evaluation {
        done.push(step.compute(&answering)?);
    }
    Ok(())
}

fn over(
    pipeline: &Pipeline,
    model: &Model,
    data: &InputPipeline,
    prefix: &'static str,
    group: &Group,
    mut each: impl FnMut(&Tensor, &BatchLabels) -> std::result::Result<(), TchError>,
) -> Result<Vec<(String, f64)>> {
    let spec = &pipeline.training;
    let failed = |error| computation(&error, "the evaluation");
    let model = model.frozen().map_err(failed)?;
    let mut figures = Figures::new(prefix, &spec.metrics, data.classes());
    // As in Keras, the loss is that of training: with what the weights cost.
    let cost = tch::no_grad(|| model.cost()?.map_or(Ok(0.0), |cost| cost.f_double_value(&[]))).map_err(failed)?;
    let pass = Pass::inference(pipeline.seed);
    let score = |batch: HostBatch| -> Result<Awaited> {
        let (images, targets) = to_device(&batch, data.form(), model.device()).map_err(failed)?;
        let outputs = model.forward(&images, &pass).map_err(|error| in_layer(&error))?;
        let loss = spec.loss.compute(&outputs, &targets, model.gives_logits()).map_err(failed)?;
        Awaited::begin(&loss, &outputs, &batch.labels).map_err(failed)
    };
    let mut hear = |own: Option<Awaited>| -> Result<()> {
        let scored = own.map(Awaited::finish).transpose().map_err(failed)?;
        let scored = scored.map(|(loss, outputs, labels)| Scored { loss, outputs, labels });
        // In the order of the batches, so that sums are what they are for one process.
        for Scored { loss, outputs, labels } in gathered(scored, group)? {
            figures.add(loss + cost, &outputs, &labels, &spec.loss, model.gives_logits()).map_err(failed)?;
            each(&outputs, &labels).map_err(failed)?;
        }
        Ok(())
    };
    let ahead = ahead(model.device(), group);
    let mut under_way = VecDeque::new();
    let mut batches = data.stream(0, data.steps(), Share::Turns { index: group.rank(), of: group.size() });
    tch::no_grad(|| {
        for _ in 0..data.steps().div_ceil(group.size()) {
            let batch = batches.next().transpose()?;
            under_way.push_back(batch.map(&score).transpose()?);
            if under_way.len() > ahead {
                hear(under_way.pop_front().flatten())?;
            }
        }
        under_way.into_iter().try_for_each(&mut hear)
    })?;
    Ok(figures.values())
}

/// The loss and the metrics over some examples.
pub(crate) struct Figures {
    prefix: &'static str,
    classes: usize,
    loss: f64,
    metrics: Vec<(String, Box<dyn Running>)>,
    needs_probabilities: bool,
    examples: usize,
}

impl Figures {
    pub(crate) fn new(prefix: &'static str, metrics: &[Metric], classes: usize) -> Self {
        let start = |metric: &Metric| (metric.figure(), metric.start(classes));
        Figures {
            prefix,
            classes,
            loss: 0.0,
            metrics: metrics.iter().map(start).collect(),
            needs_probabilities: metrics.iter().any(|metric| metric.needs_probabilities()),
            examples: 0,
        }
    }

    /// Adds a batch with its mean loss.
    pub(crate) fn add(
        &mut self,
        mean_loss: f64,
        outputs: &Tensor,
        labels: &BatchLabels,
        loss: &Loss,
        logits: bool,
    ) -> std::result::Result<(), TchError> {
        self.loss += mean_loss * labels.len() as f64;
        self.examples += labels.len();
        if self.metrics.is_empty() {
            return Ok(());
        }
        let answers = match labels {
            BatchLabels::Classes(labels) => self.classified(outputs, labels, loss, logits)?.into(),
            BatchLabels::Numbers(targets) => {
                Estimates { targets: targets.clone(), predicted: host_numbers(outputs)? }.into()
            }
        };
        self.metrics.iter_mut().for_each(|(_, metric)| metric.add(&answers));
        Ok(())
    }

    fn classified(
        &self,
        outputs: &Tensor,
        labels: &[i64],
        loss: &Loss,
        logits: bool,
    ) -> std::result::Result<Predictions, TchError> {
        let predicted =
            Vec::<i64>::try_from(&loss.scores(outputs, logits)?.f_argmax(1, false)?.f_to_device(Device::Cpu)?)?;
        let probabilities = match self.needs_probabilities {
            true => host_numbers(&loss.probabilities(outputs, logits)?)?,
            false => Vec::new(),
        };
        Ok(Predictions {
            classes: vec![String::new(); self.classes],
            labels: labels.iter().map(|&label| label as u32).collect(),
            predicted: predicted.into_iter().map(|class| class as u32).collect(),
            probabilities,
        })
    }

    /// Examples added so far.
    pub(crate) fn examples(&self) -> usize {
        self.examples
    }

    /// The sums that the figures are made of.
    pub(crate) fn sums(&self) -> Vec<f64> {
        std::iter::once(self.loss).chain(self.metric_sums()).collect()
    }

    /// The sums that the metrics are made of.
    pub(crate) fn metric_sums(&self) -> Vec<f64> {
        self.metrics.iter().flat_map(|(_, metric)| metric.sums()).collect()
    }

    /// What the metrics of all processes remember of single examples, for each metric that does, in the order of the processes.
    ///
    /// # Errors
    /// Where another process is gone.
    pub(crate) fn gathered_memories(&self, group: &Group) -> Result<Vec<Vec<u8>>> {
        let keeping = self.metrics.iter().filter(|(_, metric)| metric.keeps_examples());
        keeping.map(|(_, metric)| Ok(group.gather_bytes(&metric.remembered())?.concat())).collect()
    }

    /// Adds a batch of so many examples, with its mean loss, that several processes had in parts: the sums over these of their
    /// metrics, and what those remember that do.
    pub(crate) fn add_parts(&mut self, mean_loss: f64, examples: usize, sums: &[f64], remembered: &[Vec<u8>]) {
        self.loss += mean_loss * examples as f64;
        self.examples += examples;
        let (mut sums, mut remembered) = (sums, remembered.iter());
        for (_, metric) in &mut self.metrics {
            let (own, others) = sums.split_at(metric.sums().len());
            let memory = if metric.keeps_examples() { remembered.next() } else { None };
            let understood = metric.take_up(own, memory.map_or(&[][..], Vec::as_slice));
            assert!(understood, "the same program made them");
            sums = others;
        }
    }

    /// What metrics remember of single examples, each with a name for its file; nothing of those that don't.
    pub(crate) fn remembered(&self) -> impl Iterator<Item = (String, Vec<u8>)> {
        let all = self.metrics.iter().map(|(name, metric)| (memory_name(name), metric.remembered()));
        all.filter(|(_, bytes)| !bytes.is_empty())
    }

    /// Goes on from such sums over so many examples, and such files; says whether they are those of the same figures.
    pub(crate) fn go_on_from(&mut self, sums: &[f64], examples: usize, files: &Files) -> bool {
        let Some((loss, mut rest)) = sums.split_first() else { return false };
        (self.loss, self.examples) = (*loss, examples);
        for (name, metric) in &mut self.metrics {
            let Some((own, others)) = rest.split_at_checked(metric.sums().len()) else { return false };
            let remembered = files.get(&memory_name(name)).map_or(&[][..], Vec::as_slice);
            if !metric.take_up(own, remembered) {
                return false;
            }
            rest = others;
        }
        rest.is_empty()
    }

    /// All figures.
    pub(crate) fn values(&self) -> Vec<(String, f64)> {
        self.told(|_| true)
    }

    /// Those that take no time to tell.
    pub(crate) fn quick_values(&self) -> Vec<(String, f64)> {
        self.told(|metric| metric.is_quick())
    }

    fn told(&self, is_wanted: impl Fn(&dyn Running) -> bool) -> Vec<(String, f64)> {
        let loss = self.loss / self.examples.max(1) as f64;
        let metrics = self.metrics.iter().filter(|(_, metric)| is_wanted(&**metric));
        let metrics = metrics.map(|(name, metric)| (name.as_str(), metric.value(self.examples.max(1))));
        std::iter::once(("loss", loss)).chain(metrics).map(|(name, v)| (format!("{}{name}", self.prefix), v)).collect()
    }
}

/// The file of a checkpoint that keeps what a metric remembers.
fn memory_name(figure: &str) -> String {
    format!("{figure}.bin")
}

/// The numbers of a tensor, row after row.
fn host_numbers(tensor: &Tensor) -> std::result::Result<Vec<f32>, TchError> {
    Vec::try_from(&tensor.f_to_device(Device::Cpu)?.f_contiguous()?.f_view([-1])?)
}
