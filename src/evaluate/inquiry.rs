//! What the evaluation steps ask, answered by the model and the data.

use crate::{
    check::Plan,
    diagnostic::{Code, Diagnostic, Result},
    evaluation::{Activations, Answers, Curve, Estimates, Kernels, LayerShape, Predictions, Split, Subject},
    layer::Pass,
    model::{LayerError, Model, computation, in_layer, kind_of},
    run::EpochRecord,
    source::Examples,
    spec::Pipeline,
    task::Task,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tch::{Device, Kind, TchError, Tensor};

/// What an evaluation works with.
pub struct Inquiry<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// Its layers, planned.
    pub plan: &'a Plan,
    /// The trained model.
    pub model: &'a Model,
    /// The test examples.
    pub examples: Arc<dyn Examples>,
    /// Names of the numbers of a row.
    pub features: &'a [String],
    /// How many examples of each class each split has.
    pub splits: Vec<Split>,
    /// The epochs of the training.
    pub history: &'a [EpochRecord],
    /// The epoch, from 1, whose weights were kept, where they aren't the last ones.
    pub best_epoch: Option<usize>,
    /// Set from outside to end soon.
    pub stop: &'a AtomicBool,
}

/// An inquiry with the predictions, ready to answer.
pub struct Answering<'a> {
    inquiry: &'a Inquiry<'a>,
    answers: &'a Answers,
    shape: Vec<usize>,
    layers: Vec<LayerShape>,
    /// The model without passes.
    plain: Model,
    /// The model for inference alone.
    frozen: Model,
}

impl<'a> Answering<'a> {
    /// Answers about `inquiry`, whose model said `answers`.
    ///
    /// # Errors
    /// Where libtorch fails.
    pub fn new(inquiry: &'a Inquiry<'a>, answers: &'a Answers) -> Result<Self> {
        let layers = &inquiry.pipeline.model.layers;
        let plain = inquiry.model.layer_by_layer().map_err(failed)?;
        Ok(Answering {
            answers,
            shape: inquiry.plan.input.shape(),
            layers: inquiry.plan.outputs(layers),
            plain,
            frozen: inquiry.model.frozen().map_err(failed)?,
            inquiry,
        })
    }

    fn pass(&self) -> Pass<'static> {
        Pass::inference(self.inquiry.pipeline.seed)
    }

    /// Examples on the device, `[batch, height, width, channels]` or `[batch, features]`.
    fn tensor(&self, examples: &[u8]) -> std::result::Result<Tensor, TchError> {
        let form = self.inquiry.plan.input;
        let count = examples.len() / form.bytes().max(1);
        let size: Vec<i64> = std::iter::once(count).chain(form.shape()).map(|n| n as i64).collect();
        Tensor::f_from_data_size(examples, &size, kind_of(form))?.f_to_device(self.plain.device())
    }

    /// The output of `class` for one image, with the image as numbers and what leaves `layer`, all in one graph.
    fn graph(&self, image: &[u8], class: u32, layer: Option<&str>) -> Result<Graph> {
        let pixels = self.tensor(image).and_then(|image| image.f_to_kind(Kind::Float)).map_err(failed)?;
        let pixels = pixels.set_requires_grad(true);
        let mut left = None;
        let outputs = self
            .plain
            .traced(&pixels, &self.pass(), &mut |name, output| {
                if Some(name) == layer {
                    left = Some(output.shallow_clone());
                }
            })
            .map_err(broken)?;
        let scores = self.inquiry.pipeline.training.loss.scores(&outputs, self.plain.gives_logits());
        let score =
            scores.and_then(|scores| scores.f_select(1, i64::from(class))?.f_sum(Kind::Float)).map_err(failed)?;
        Ok(Graph { pixels, left, score })
    }
}

struct Graph {
    pixels: Tensor,
    left: Option<Tensor>,
    score: Tensor,
}

fn failed(error: TchError) -> Box<Diagnostic> {
    computation(&error, "the evaluation")
}

fn broken(error: LayerError) -> Box<Diagnostic> {
    in_layer(&error)
}

fn numbers(tensor: &Tensor) -> std::result::Result<Vec<f32>, TchError> {
    Vec::try_from(&tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_view([-1])?)
}

impl Subject for Answering<'_> {
    fn task(&self) -> Task {
        self.inquiry.pipeline.task()
    }

    fn predictions(&self) -> &Predictions {
        self.answers.predictions()
    }

    fn estimates(&self) -> &Estimates {
        self.answers.estimates()
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn example(&self, index: usize) -> Result<Vec<u8>> {
        self.go_on()?;
        let mut values = vec![0; self.inquiry.plan.input.bytes()];
        self.inquiry.examples.read(index, &mut values)?;
        Ok(values)
    }

    fn go_on(&self) -> Result<()> {
        match self.inquiry.stop.load(Ordering::Relaxed) {
            true => Err(Box::new(Diagnostic::error(Code::INTERRUPTED, "interrupted while evaluating"))),
            false => Ok(()),
        }
    }

    fn describe(&self, index: usize) -> String {
        self.inquiry.examples.describe(index)
    }

    fn stored_size(&self, index: usize) -> Option<[usize; 2]> {
        self.inquiry.examples.stored_size(index)
    }

    fn features(&self) -> &[String] {
        self.inquiry.features
    }

    fn column(&self, name: &str) -> Result<Option<Vec<Option<String>>>> {
        self.inquiry.examples.column(name)
    }

    fn history(&self) -> Vec<Curve<'_>> {
        self.inquiry.history.iter().map(|epoch| Curve { epoch: epoch.epoch, figures: &epoch.figures }).collect()
    }

    fn best_epoch(&self) -> Option<usize> {
        self.inquiry.best_epoch
    }

    fn splits(&self) -> &[Split] {
        &self.inquiry.splits
    }

    fn batch_size(&self) -> usize {
        let stages = &self.inquiry.pipeline.dataset.evaluate;
        stages.iter().find_map(|stage| stage.batch_size()).unwrap_or(1)
    }

    fn probabilities(&self, examples: &[u8]) -> Result<Vec<f32>> {
        self.go_on()?;
        let model = &self.frozen;
        tch::no_grad(|| {
            let images = self.tensor(examples).map_err(failed)?;
            let outputs = model.forward(&images, &self.pass()).map_err(broken)?;
            let loss = &self.inquiry.pipeline.training.loss;
            let probabilities = loss.probabilities(&outputs, model.gives_logits());
            probabilities.and_then(|probabilities| numbers(&probabilities)).map_err(failed)
        })
    }

    fn layers(&self) -> &[LayerShape] {
        &self.layers
    }

    fn activations(&self, examples: &[u8], layer: &str) -> Result<Activations> {
        self.go_on()?;
        let shape = self.layers.iter().find(|known| known.name == layer).map(|known| known.shape.clone());
        tch::no_grad(|| {
            let images = self.tensor(examples).map_err(failed)?;
            let mut left = None;
            let mut see = |name: &str, output: &Tensor| {
                if name == layer {
                    left = Some(output.shallow_clone());
                }
            };
            let outputs = self.plain.traced(&images, &self.pass(), &mut see).map_err(broken)?;
            // A softmax at the end is no operation of its own.
            let left = left.map_or_else(|| outputs.f_softmax(1, Kind::Float), Ok);
            let values = left.and_then(|left| numbers(&left)).map_err(failed)?;
            Ok(Activations { shape: shape.unwrap_or_default(), values })
        })
    }

    fn first_kernels(&self) -> Result<Option<Kernels>> {
        let first = self.plain.parameters().iter().find(|parameter| parameter.tensor.dim() == 4);
        let Some(parameter) = first else { return Ok(None) };
        let shape = parameter.tensor.size();
        let shape: [usize; 4] = std::array::from_fn(|axis| shape[axis] as usize);
        let layer = parameter.name.rsplit_once('.').map_or("", |(layer, _)| layer).to_owned();
        Ok(Some(Kernels { layer, shape, values: numbers(&parameter.tensor.detach()).map_err(failed)? }))
    }

    fn gradient(&self, image: &[u8], class: u32) -> Result<Vec<f32>> {
        self.go_on()?;
        let Graph { pixels, score, .. } = self.graph(image, class, None)?;
        let gradients = Tensor::f_run_backward(&[score], &[pixels], false, false).map_err(failed)?;
        numbers(&gradients[0]).map_err(failed)
    }

    fn class_activation(&self, image: &[u8], class: u32, layer: &str) -> Result<Vec<f32>> {
        self.go_on()?;
        let (height, width) = (self.shape[0] as i64, self.shape[1] as i64);
        let Graph { left, score, .. } = self.graph(image, class, Some(layer))?;
        let Some(left) = left else { return Ok(vec![0.0; (height * width) as usize]) };
        let weighted = || {
            let gradients = Tensor::f_run_backward(&[score], &[&left], false, false)?;
            let weights = gradients[0].f_mean_dim([2i64, 3].as_slice(), true, Kind::Float)?;
            let map = weights.f_mul(&left.f_detach()?)?.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Float)?;
            numbers(&map.f_relu()?.f_upsample_bilinear2d([height, width], false, None, None)?)
        };
        weighted().map_err(failed)
    }
}
